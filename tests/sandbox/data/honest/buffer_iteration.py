# stdin: "1\n2\n3\n"
# stdout: "6\n"
import sys

print(sum(int(line) for line in sys.stdin.buffer))
