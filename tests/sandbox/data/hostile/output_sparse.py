# expect: output_limit_exceeded
import os

os.truncate(1, 1 << 40)
