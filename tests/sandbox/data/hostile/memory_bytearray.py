# expect: memory_limit_exceeded
data = bytearray(1 << 30)
