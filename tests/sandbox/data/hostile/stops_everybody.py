# expect: time_limit_exceeded runtime_error
# limits: cpu_seconds=0.3 wall_seconds=0.4
import os
import signal
import time

os.fork()
os.kill(-1, signal.SIGSTOP)
time.sleep(100)
