# expect: security_violation
import ctypes

print("ESCAPED", ctypes.CDLL(None).unshare(0x10000000))
