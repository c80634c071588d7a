# stdin: ""
# stdout: "caught\n"
import signal
import time


def handler(number, frame):
    print("caught")
    raise SystemExit


signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.01)
while True:
    time.sleep(1)
