# stdin: "hello\n"
# stdout: "hello\n"
import select
import sys

if select.select([sys.stdin], [], [], 1)[0]:
    print(sys.stdin.readline().strip())
