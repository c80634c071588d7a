# stdin: '5\n'
# stdout: '1\n0\ngone ABC\n5\nseen'
import sys
import weakref


class Counted:
    alive = 0

    def __init__(self):
        Counted.alive += 1

    def __del__(self):
        Counted.alive -= 1
        print(Counted.alive)


class Kept:
    def __del__(self):
        print("gone", words.upper())


class Buffer:
    def __init__(self):
        self.lines = []

    def __del__(self):
        sys.stdout.write("\n".join(self.lines))


first, second = Counted(), Counted()
kept = Kept()
kept.itself = kept
words = "abc"
called = weakref.ref(first, lambda reference: print("called"))
buffer = Buffer()
buffer.lines += [input(), "seen"]
