import os
import threading
import time

for _ in range(30):
    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
os._exit(0)
