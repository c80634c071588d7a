# expect-not: accepted
import ctypes

libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p
for _ in range(40):
    identity = libc.shmget(0, 16 << 20, 0o1600)
    if identity < 0:
        raise SystemExit(1)
    address = libc.shmat(identity, None, 0)
    ctypes.memset(address, 1, 16 << 20)
print("ESCAPED")
