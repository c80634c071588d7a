# stdin: "10 20\n"
# stdout: "30\n"
import os

data = os.read(0, 1 << 16)
os.write(1, str(sum(map(int, data.split()))).encode() + b"\n")
