import os

opened = 0
try:
    while True:
        os.dup(0)
        opened += 1
except OSError:
    pass
print("ESCAPED" if opened > 1024 else "held")
