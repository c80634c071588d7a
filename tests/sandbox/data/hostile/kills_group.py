import os
import signal

os.fork()
for number in (signal.SIGTERM, signal.SIGKILL):
    os.kill(0, number)
