# stdin: ""
# stdout: "0\n"
import sys

print(len(sys.stdin.read()))
