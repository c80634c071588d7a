# stdin: ""
# stdout: "True\n"
import subprocess

print(sorted({"a", "b", "c"}) == ["a", "b", "c"] and subprocess.DEVNULL == -3)
