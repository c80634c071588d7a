# expect-not: accepted
# limits: processes=20 cpu_seconds=1.0
import threading
import time

started = []
for _ in range(400):
    started.append(threading.Thread(target=time.sleep, args=(0.3,)))
    started[-1].start()
print("ESCAPED")
