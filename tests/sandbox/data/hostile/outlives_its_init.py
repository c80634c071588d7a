# expect: time_limit_exceeded
# limits: cpu_seconds=0.3 wall_seconds=0.4
import ctypes
import os
import time

libc = ctypes.CDLL(None)
libc.prctl(1, 0, 0, 0, 0)  # PR_SET_PDEATHSIG
libc.prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE
libc.prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
for action in (os.setsid, lambda: os.setpgid(0, 0), lambda: os.setpgid(0, os.getppid()), lambda: os.setpgid(1, 1)):
    try:
        action()
    except OSError:
        pass
time.sleep(1000)
