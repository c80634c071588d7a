# stdin: ""
# stdout: "ok\n"
# limits: disk_mb=8
for part in range(7):
    with open(f"/tmp/{part}", "wb") as file:
        file.write(b"x" * (1 << 20))
print("ok")
