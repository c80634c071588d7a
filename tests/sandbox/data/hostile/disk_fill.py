# limits: disk_mb=8
import os

written = 0
try:
    for part in range(100):
        with open(f"/tmp/{part}", "wb", buffering=0) as file:
            for _ in range(10):
                written += file.write(b"x" * (1 << 20))
except OSError:
    pass
print("ESCAPED" if written > 9 << 20 else "held")
