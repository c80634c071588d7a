# expect: security_violation
import os

os.mkdir("/tmp/deeper")
os.chroot("/tmp/deeper")
for _ in range(20):
    os.chdir("..")
os.chroot(".")
print("ESCAPED", os.listdir("/"))
