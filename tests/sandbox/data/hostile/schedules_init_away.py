# needs: processes
# expect: time_limit_exceeded
# limits: cpu_seconds=0.3
import os

for action in (
    lambda: os.setpriority(os.PRIO_PROCESS, 1, 19),
    lambda: os.setpriority(os.PRIO_USER, 0, 19),
    lambda: os.setpriority(os.PRIO_PGRP, 0, 19),
    lambda: os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0)),
    lambda: os.sched_setaffinity(1, {0}),
):
    try:
        action()
        print("ESCAPED", flush=True)
    except OSError:
        pass
os.fork()
while True:
    pass
