# stdin: "3\n"
# stdout: "3 <module '__main__' from '/tmp/main.py'> ['__annotations__', '__builtins__', '__cached__', '__doc__', '__file__', '__loader__', '__name__', '__package__', '__spec__']\nlast\n"
# Globals are a dict like others, and the module that they are of is the program's alone.
found = sorted(name for name in globals() if name.startswith("__"))
import __main__
import sys


class Last:
    def __del__(self):
        print("last")


globals()[1] = globals()[None] = Last()
print(int(input()), __main__, found)
assert sys.modules["__main__"].__dict__ is globals()
