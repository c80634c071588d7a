# stdin: "15000\n"
# stdout: "15000\n"
import sys
from functools import lru_cache

sys.setrecursionlimit(10**6)


@lru_cache(None)
def f(n):
    return 0 if n == 0 else 1 + f(n - 1)


print(f(int(input())))
