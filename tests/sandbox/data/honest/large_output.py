# stdin: ""
# stdout-size: 1048576
import sys

sys.stdout.write("y" * 1048575 + "\n")
