# stdin: "3 4\n"
# stdout: "7\n"
a, b = map(int, input().split())
print(a + b)
