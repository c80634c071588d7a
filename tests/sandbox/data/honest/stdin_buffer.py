# stdin: "3\n1\n2\n3\n"
# stdout: "6\n"
import sys

n, *rest = sys.stdin.buffer.read().split()
print(sum(map(int, rest)))
