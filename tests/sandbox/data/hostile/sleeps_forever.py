# expect: time_limit_exceeded
# limits: cpu_seconds=0.3 wall_seconds=0.4
import time

time.sleep(10**6)
