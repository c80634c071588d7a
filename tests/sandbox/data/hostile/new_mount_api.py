# expect: security_violation
import ctypes

print("ESCAPED", ctypes.CDLL(None).syscall(428, -100, b"/", 1))
