# stdin: ""
# stdout: "kept 3\n"
import os
import tempfile

with tempfile.TemporaryDirectory() as directory:
    for name in "abc":
        with open(os.path.join(directory, name), "w") as file:
            file.write(name * 1000)
    print("kept", len(os.listdir(directory)))
