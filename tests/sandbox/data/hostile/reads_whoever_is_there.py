import os

own = os.getpid()
for pid in {os.getppid(), *range(1, 400)} - {own}:
    for name in ("mem", "environ", "maps", "smaps", "auxv", "pagemap", "stack", "syscall", "io", "personality"):
        try:
            fd = os.open(f"/proc/{pid}/{name}", os.O_RDONLY)
            if os.read(fd, 1):
                print("ESCAPED", pid, name)
        except OSError:
            pass
    for name in ("fd", "map_files", "ns"):
        try:
            print("ESCAPED", pid, name, os.listdir(f"/proc/{pid}/{name}"))
        except OSError:
            pass
    for name in ("root", "cwd", "exe"):
        try:
            print("ESCAPED", pid, name, os.readlink(f"/proc/{pid}/{name}"))
        except OSError:
            pass
