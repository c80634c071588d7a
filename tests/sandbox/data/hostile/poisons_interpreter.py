import os
import sys

for name in ("/proc/self/exe", sys.executable or "/x", os.__file__):
    try:
        with open(name, "r+b") as file:
            file.write(b"poison")
            print("ESCAPED", name)
    except OSError:
        pass
