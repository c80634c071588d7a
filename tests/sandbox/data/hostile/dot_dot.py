import os

os.chdir("/")
for _ in range(20):
    os.chdir("..")
names = set(os.listdir("."))
print("ESCAPED" if names & {"home", "jail", "roots", "var", "sys"} else "held", names)
