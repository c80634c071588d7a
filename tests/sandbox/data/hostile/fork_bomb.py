# expect: time_limit_exceeded runtime_error memory_limit_exceeded
# limits: cpu_seconds=0.3
import os

while True:
    try:
        os.fork()
    except OSError:
        pass
