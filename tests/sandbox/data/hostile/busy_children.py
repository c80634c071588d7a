# needs: processes
# expect: time_limit_exceeded
# limits: cpu_seconds=0.3
import os

for _ in range(3):
    os.fork()
while True:
    pass
