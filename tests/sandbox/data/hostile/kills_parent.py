import os
import signal

for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGSEGV):
    try:
        os.kill(os.getppid(), number)
    except OSError:
        pass
print("still here")
