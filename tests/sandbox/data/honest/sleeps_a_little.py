# stdin: ""
# stdout: "ok\n"
import time

time.sleep(0.05)
print("ok")
