# expect: memory_limit_exceeded
import ctypes
import resource

ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
held = [b"x" * (10 << 20) for _ in range(100)]
