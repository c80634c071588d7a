# stdin: "x"
# stdout: "ok\n"
import sys

sys.stdin.close()
sys.stderr.close()
print("ok")
