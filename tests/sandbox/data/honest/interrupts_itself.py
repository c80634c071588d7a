# stdin: ""
# stdout: "caught\n"
import os
import signal
import time

try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(10)
except KeyboardInterrupt:
    print("caught")
