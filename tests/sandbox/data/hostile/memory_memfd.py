# expect-not: accepted
import os

fd = os.memfd_create("hoard")
for _ in range(600):
    os.write(fd, b"x" * (1 << 20)) if os.fstat(fd).st_size < (15 << 20) else None
    if os.fstat(fd).st_size >= (15 << 20):
        fd = os.memfd_create("hoard")
print("ESCAPED")
