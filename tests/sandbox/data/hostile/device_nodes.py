import os
import stat

for kind, number in ((stat.S_IFBLK, os.makedev(254, 0)), (stat.S_IFCHR, os.makedev(1, 1))):
    try:
        os.mknod("/tmp/node", kind | 0o600, number)
        print("ESCAPED")
    except OSError:
        pass
for name in os.listdir("/dev"):
    if name not in {"null", "zero", "full", "random", "urandom", "fd", "stdin", "stdout", "stderr", "shm"}:
        print("ESCAPED", name)
