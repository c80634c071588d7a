# stdin: ""
# stdout: "ok\n"
import sys

sys.stderr.write("debug " * 100000)
print("ok")
