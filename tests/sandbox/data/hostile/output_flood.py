# expect: output_limit_exceeded
while True:
    print("x" * 10000)
