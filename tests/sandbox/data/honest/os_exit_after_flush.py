# stdin: "2\n"
# stdout: "4\n"
import os
import sys

print(int(input()) * 2)
sys.stdout.flush()
os._exit(0)
