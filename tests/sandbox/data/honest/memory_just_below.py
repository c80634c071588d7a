# stdin: ""
# stdout: "ok\n"
data = b"x" * (270 << 20)
print("ok")
