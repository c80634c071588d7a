# expect: time_limit_exceeded
# limits: cpu_seconds=0.3 wall_seconds=0.4
import time


class Slow:
    def __del__(self, sleep=time.sleep):
        sleep(100)


slow = Slow()
