# expect: output_limit_exceeded
# limits: output_bytes=1000000
import os

os.write(1, b"x" * 1000001)
