# expect: security_violation
import ctypes
import os

fd = os.open("/proc/self/ns/user", os.O_RDONLY)
print("ESCAPED", ctypes.CDLL(None).setns(fd, 0))
