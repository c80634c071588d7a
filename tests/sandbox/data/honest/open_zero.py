# stdin: "5\n1 2 3 4 5\n"
# stdout: "15\n"
lines = open(0).read().split()
print(sum(map(int, lines[1:])))
