# stdout: 'done\n'
import os
import sys

sys.exit = os._exit = os.kill = lambda *arguments: None
print("done")
