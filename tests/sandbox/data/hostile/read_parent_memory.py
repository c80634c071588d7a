import os

for pid in (1, os.getppid()):
    for name in ("mem", "environ", "maps", "stack", "syscall", "auxv"):
        try:
            with open(f"/proc/{pid}/{name}", "rb") as file:
                if file.read(1):
                    print("ESCAPED", name)
        except OSError:
            pass
