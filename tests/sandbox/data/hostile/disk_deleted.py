# limits: disk_mb=16
# expect-not: accepted
import os
import time

held = []
for number in range(100):
    fd = os.open(f"/tmp/{number}", os.O_CREAT | os.O_RDWR, 0o600)
    os.unlink(f"/tmp/{number}")
    held.append(fd)
    os.write(fd, b"x" * (10 << 20))
    time.sleep(0.005)
raise SystemExit(0)
