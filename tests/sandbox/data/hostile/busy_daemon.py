# needs: processes
# expect: time_limit_exceeded
# limits: cpu_seconds=0.3
import os
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            pass
    os._exit(0)
time.sleep(60)
