# stdin: "8\n"
# stdout: "8\n"
with open("/dev/stdout", "w") as f:
    f.write(input() + "\n")
