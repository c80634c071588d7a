# expect: security_violation
import ctypes

print("ESCAPED", ctypes.CDLL(None).syscall(155, b"/tmp", b"/tmp"))
