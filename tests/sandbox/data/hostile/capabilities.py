with open("/proc/self/status") as file:
    for line in file:
        if line.startswith("Cap") and int(line.split()[1], 16):
            print("ESCAPED", line)
