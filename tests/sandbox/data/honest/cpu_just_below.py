# stdin: ""
# stdout: "ok\n"
# limits: cpu_seconds=1.0
import time

while time.process_time() < 0.75:
    pass
print("ok")
