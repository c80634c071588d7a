import os

pids = {int(name) for name in os.listdir("/proc") if name.isdigit()}
print("ESCAPED" if pids - {1, os.getpid()} else "alone")
