# expect: runtime_error
import ctypes

libc = ctypes.CDLL(None)
found = [
    libc.shmget(0x5EC2E7, 4096, 0),
    libc.semget(0x5EC2E7, 1, 0),
    libc.msgget(0x5EC2E7, 0),
]
if max(found) >= 0:
    print("ESCAPED", found)
for make in (
    lambda: libc.shmget(0x5EC2E7, 4096, 0o1666),
    lambda: libc.semget(0x5EC2E7, 1, 0o1666),
    lambda: libc.msgget(0x5EC2E7, 0o1666),
    lambda: libc.mq_open(b"/secret", 0o102, 0o666, None),
):
    make()
raise SystemExit(1)
