# stdin: "1\n2\n3"
# stdout: "6\n"
total = 0
while True:
    try:
        total += int(input())
    except EOFError:
        break
print(total)
