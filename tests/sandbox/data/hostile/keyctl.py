# expect: security_violation
import ctypes

print("ESCAPED", ctypes.CDLL(None).syscall(250, 0, -3, 0))
