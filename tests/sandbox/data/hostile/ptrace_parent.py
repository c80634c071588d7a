# expect: security_violation
import ctypes

print("ESCAPED", ctypes.CDLL(None).ptrace(16, 1, 0, 0))
