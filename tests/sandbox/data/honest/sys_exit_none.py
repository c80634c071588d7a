# stdin: "2\n"
# stdout: "4\n"
import sys

print(int(input()) * 2)
sys.exit()
