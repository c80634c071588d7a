# stdin: "2\n"
# stdout: "4\n"
print(int(input()) * 2)
quit(0)
