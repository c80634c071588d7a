import glob
import os

for path in (
    "/etc/passwd",
    "/etc/shadow",
    "/etc/hostname",
    "/root/.ssh",
    "/root/.bashrc",
    "/home",
    "/var",
    "/run",
    "/srv",
    "/sys",
    "/boot",
    "/mnt",
    "/jail",
    "/roots",
    "/usr/bin/env",
    "/bin/sh",
    "/usr/include",
):
    try:
        os.listdir(path) if os.path.isdir(path) else open(path, "rb").close()
        print("ESCAPED", path)
    except OSError:
        pass
for path in glob.glob("/tmp/*") + glob.glob("/dev/shm/*") + glob.glob("/*/reward_server"):
    print("ESCAPED", path)
offered = {"numpy", "numpy.libs", "sortedcontainers"}
offered |= {"pytest", "_pytest", "py.py", "pluggy", "iniconfig", "packaging", "pygments"}
if os.path.isdir("/packages") and set(os.listdir("/packages")) - offered:
    print("ESCAPED", os.listdir("/packages"))
