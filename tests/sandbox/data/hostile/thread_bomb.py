# expect: runtime_error memory_limit_exceeded time_limit_exceeded
# limits: cpu_seconds=1.0
import threading
import time

while True:
    threading.Thread(target=time.sleep, args=(60,)).start()
