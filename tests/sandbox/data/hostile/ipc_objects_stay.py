# expect: accepted
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
made = [libc.shmget(77, 4096, 0o1600), libc.msgget(77, 0o1600), libc.semget(77, 1, 0o1600)]
made.append(libc.syscall(240, b"left", 0o102, 0o600, 0))
print("held" if set(made) == {-1} else f"ESCAPED {made}")
