with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
    for line in maps:
        span, rights = line.split()[:2]
        if "r" not in rights or "[v" in line:
            continue
        start, end = (int(at, 16) for at in span.split("-"))
        try:
            memory.seek(start)
            if b"TUPTUO-DETCEPXE-TERCES" in memory.read(end - start)[::-1]:
                print("ESCAPED")
        except (OSError, OverflowError, ValueError):
            pass
