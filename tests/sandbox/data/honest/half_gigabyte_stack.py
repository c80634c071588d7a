# stdin: "1000\n"
# stdout: "500500\n"
import sys
import threading

sys.setrecursionlimit(10**6)
threading.stack_size(1 << 29)


def main():
    def total(n):
        return n and n + total(n - 1)

    print(total(int(input())))


thread = threading.Thread(target=main)
thread.start()
thread.join()
