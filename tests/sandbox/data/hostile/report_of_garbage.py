import os

for fd in range(3, 200):
    try:
        os.pwrite(fd, b"l\xff\xff\xff\xff" * 1000, 0)
    except OSError:
        pass
os._exit(0)
