import os

for path in ("/dev/stdin", "/proc/self/fd/0"):
    try:
        fd = os.open(path, os.O_RDWR)
        os.write(fd, b"changed")
        print("ESCAPED")
    except OSError:
        pass
