# stdin: "done\n"
# stdout-size: 300006
import sys

sys.stdout.write("x" * 300000 + "\n")
sys.stdout.write(input() + "\n")
