# needs: processes
# expect: time_limit_exceeded
# limits: cpu_seconds=0.5 wall_seconds=4.0
import os
import signal
import time

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in range(60):
    if os.fork() == 0:
        end = time.monotonic() + 0.06
        while time.monotonic() < end:
            pass
        os._exit(0)
    time.sleep(0.05)
