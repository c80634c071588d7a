import os
import signal

for _ in range(3):
    try:
        os.kill(-1, signal.SIGKILL)
    except OSError:
        pass
