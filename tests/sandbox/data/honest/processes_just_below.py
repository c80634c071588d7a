# needs: processes
# stdin: ""
# stdout: "8\n"
# limits: processes=10
import os
import time

children = 0
for _ in range(8):
    if os.fork() == 0:
        time.sleep(0.05)
        os._exit(0)
    children += 1
for _ in range(children):
    os.wait()
print(children)
