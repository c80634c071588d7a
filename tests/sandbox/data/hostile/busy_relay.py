# needs: processes
# expect: time_limit_exceeded
# limits: cpu_seconds=0.3
import os
import time

while True:
    if os.fork() != 0:
        os.wait()
        os._exit(0)
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass
