# expect: memory_limit_exceeded
data = b"x" * (310 << 20)
