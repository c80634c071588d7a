# stdout: 'first\nsecond\nthird\n'
import atexit
import os
import threading
import time


def later():
    time.sleep(0.05)
    os.write(1, b"second\n")


atexit.register(os.write, 1, b"third\n")
threading.Thread(target=later).start()
print("first")
