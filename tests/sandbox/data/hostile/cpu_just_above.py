# expect: time_limit_exceeded
# limits: cpu_seconds=0.3
import time

while time.process_time() < 0.4:
    pass
