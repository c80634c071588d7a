# expect: output_limit_exceeded
import sys

while True:
    sys.stderr.write("x" * 100000)
