import glob

print("ESCAPED" if glob.glob("/sys/fs/cgroup/*") else "held")
