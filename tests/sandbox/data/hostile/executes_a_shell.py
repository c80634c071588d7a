import os
import sys

for path in ("/bin/sh", "/usr/bin/env", "/bin/true", sys.executable or "/usr/bin/python3", "/proc/self/exe"):
    for arguments in (["-c", "echo ESCAPED"], ["sh", "-c", "echo ESCAPED"]):
        try:
            os.execv(path, [path, *arguments])
        except OSError:
            pass
with open("script", "w") as file:
    file.write("#!/bin/sh\necho ESCAPED\n")
os.chmod("script", 0o755)
try:
    os.execv("script", ["script"])
except OSError:
    pass
