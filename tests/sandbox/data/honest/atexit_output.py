# stdin: ""
# stdout: "first\nlast\n"
import atexit

atexit.register(print, "last")
print("first")
