# expect: time_limit_exceeded
# limits: cpu_seconds=0.3 wall_seconds=0.4
import os
import signal

os.kill(os.getpid(), signal.SIGSTOP)
