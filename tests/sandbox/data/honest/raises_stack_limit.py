# stdin: "100000\n"
# stdout: "100000\n"
import resource
import sys

resource.setrlimit(resource.RLIMIT_STACK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
sys.setrecursionlimit(10**9)


def f(n):
    return 0 if n == 0 else 1 + f(n - 1)


print(f(int(input())))
