# needs: processes
# stdout: 'child\nparent\n'
import os

child = os.fork()
if child:
    os.waitpid(child, 0)
print("parent" if child else "child")
