# expect: memory_limit_exceeded
numbers = []
while True:
    numbers.extend(range(100000))
