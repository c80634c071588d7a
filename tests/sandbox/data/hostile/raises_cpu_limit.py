# expect: time_limit_exceeded
# limits: cpu_seconds=0.3
import resource

try:
    resource.setrlimit(resource.RLIMIT_CPU, (1000, 1000))
    print("ESCAPED", flush=True)
except (ValueError, OSError):
    pass
while True:
    pass
