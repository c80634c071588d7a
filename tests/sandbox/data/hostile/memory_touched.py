# expect: memory_limit_exceeded
chunks = []
while True:
    chunks.append(b"x" * (1 << 20))
