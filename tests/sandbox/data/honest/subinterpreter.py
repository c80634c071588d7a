# needs: processes
# stdin: "6\n"
# stdout: "36\n"
import subprocess
import sys

code = "print(int(input()) ** 2)"
print(subprocess.run([sys.executable, "-c", code], input=input(), capture_output=True, text=True).stdout.strip())
