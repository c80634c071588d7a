# stdin: "4\n1 2 3 4\n"
# stdout: "10\n"
import mmap

with mmap.mmap(0, 0, access=mmap.ACCESS_READ) as data:
    data.readline()
    print(sum(map(int, data.readline().split())))
