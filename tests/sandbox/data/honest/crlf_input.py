# stdin: "1 2\r\n3 4\r\n"
# stdout: "10\n"
import sys

print(sum(int(x) for line in sys.stdin for x in line.split()))
