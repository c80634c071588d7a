# expect: time_limit_exceeded
# limits: cpu_seconds=0.3
while True:
    pass
