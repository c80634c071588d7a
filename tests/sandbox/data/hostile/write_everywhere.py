import os

directories = ["/", *(f"/{name}" for name in os.listdir("/") if name not in ("tmp", "proc"))]
directories += [entry.path for one in directories[1:] for entry in os.scandir(one) if entry.is_dir()]
for directory in directories:
    if directory == "/dev/shm":
        continue
    try:
        with open(os.path.join(directory, "owned"), "w"):
            print("ESCAPED", directory)
    except OSError:
        pass
