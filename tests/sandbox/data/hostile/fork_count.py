# limits: processes=20
import os
import time

made = 0
try:
    for _ in range(200):
        if os.fork() == 0:
            time.sleep(5)
            os._exit(0)
        made += 1
except OSError:
    pass
print("ESCAPED" if made > 20 else "held")
