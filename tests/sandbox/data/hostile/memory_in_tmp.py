# limits: disk_mb=400
# expect: memory_limit_exceeded runtime_error
for part in range(100):
    with open(f"/tmp/{part}", "wb") as file:
        file.write(b"x" * (10 << 20))
