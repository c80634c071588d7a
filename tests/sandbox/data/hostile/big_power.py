# expect: time_limit_exceeded memory_limit_exceeded
# limits: cpu_seconds=0.3
print(10 ** 10**9)
