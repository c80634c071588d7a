import ctypes
import time

libc = ctypes.CDLL(None)
for _ in range(100000):
    if libc.inotify_init() < 0:
        break
for _ in range(100):
    time.perf_counter_ns()
