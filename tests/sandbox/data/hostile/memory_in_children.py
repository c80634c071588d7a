# needs: processes
# expect: memory_limit_exceeded
import os
import time

children = []
for _ in range(6):
    pid = os.fork()
    if pid == 0:
        data = b"x" * (120 << 20)
        time.sleep(1)
        os._exit(0)
    children.append(pid)
for pid in children:
    os.waitpid(pid, 0)
