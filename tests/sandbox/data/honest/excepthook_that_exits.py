# stdout: 'seen\n'
import sys


def hook(kind, error, trace):
    print("seen")
    sys.exit(0)


sys.excepthook = hook
1 / 0
