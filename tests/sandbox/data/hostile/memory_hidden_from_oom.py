# expect: memory_limit_exceeded runtime_error
import os

try:
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("0")
    print("ESCAPED", flush=True)
except OSError:
    pass
held = []
while True:
    fd = os.memfd_create("hoard")
    os.write(fd, b"x" * (8 << 20))
    held.append(fd)
