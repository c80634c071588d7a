# stdin: "20000\n"
# stdout: "20000\n20000\n20000\n20000\n"
import sys
import threading

sys.setrecursionlimit(1 << 20)
threading.stack_size(64 << 20)


def depth(n):
    return 0 if n == 0 else 1 + depth(n - 1)


def solve():
    print(depth(n))


n = int(input())
threads = [threading.Thread(target=solve) for _ in range(4)]
for thread in threads:
    thread.start()
    thread.join()
