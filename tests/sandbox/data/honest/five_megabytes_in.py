# stdin-size: 5000000
# stdout: "5000000\n"
import sys

print(len(sys.stdin.buffer.read()))
