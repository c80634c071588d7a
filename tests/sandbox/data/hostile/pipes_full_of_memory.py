import os

held = 0
try:
    while True:
        read, write = os.pipe()
        os.set_blocking(write, False)
        try:
            while True:
                held += os.write(write, b"x" * 65536)
        except BlockingIOError:
            pass
except OSError:
    pass
print("ESCAPED" if held > 300 << 20 else "held")
