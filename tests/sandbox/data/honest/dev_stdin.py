# stdin: "8\n"
# stdout: "64\n"
with open("/dev/stdin") as f:
    print(int(f.read()) ** 2)
