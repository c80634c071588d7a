# stdin: ""
# stdout: "never closed\n"
out = open(1, "w", closefd=False)
out.write("never closed\n")
