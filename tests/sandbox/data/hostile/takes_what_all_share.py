import ctypes
import fcntl
import os

libc = ctypes.CDLL(None)
for number, arguments in ((206, (65536, ctypes.byref(ctypes.c_ulong()))), (253, ()), (294, (0,)), (240, (b"q", 66, 438, None))):
    for _ in range(300):
        if libc.syscall(number, *arguments) < 0:
            break
file = os.open(os.__file__, os.O_RDONLY)
for action in (
    lambda: fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK),
    lambda: fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK),
    lambda: fcntl.ioctl(file, 0x40086602, b"\x40\0\0\0\0\0\0\0"),
    lambda: fcntl.ioctl(file, 0x5412, b"x"),
):
    try:
        action()
        print("ESCAPED")
    except OSError:
        pass
