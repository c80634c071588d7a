# stdin: "ab\rcd\n1\r\n2\r3"
# stdout: "'ab\\rcd\\n' '1\\r' '2\\r3'\n"
# As on Linux, where only a line feed ends a line.
import sys

first = sys.stdin.readline()
print(repr(first), repr(input()), repr(sys.stdin.read()))
