# needs: processes
# stdin: ""
# stdout: "child\nparent\n"
import os

if os.fork() == 0:
    os.write(1, b"child\n")
    os._exit(0)
os.wait()
print("parent")
