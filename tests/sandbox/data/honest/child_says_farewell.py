# needs: processes
# stdout: 'ok\n'
import os
import signal

signal.signal(signal.SIGPIPE, signal.SIG_DFL)
if os.fork() == 0:
    raise SystemExit(0)
os.wait()
print("ok")
