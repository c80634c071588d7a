# expect: time_limit_exceeded
# limits: cpu_seconds=0.3 wall_seconds=0.4
import atexit


@atexit.register
def never():
    while True:
        pass
