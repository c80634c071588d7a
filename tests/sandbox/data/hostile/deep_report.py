import os

try:
    os.pwrite(100, b"l\x01\x00\x00\x00" * 100000, 0)
except OSError:
    pass
os._exit(0)
