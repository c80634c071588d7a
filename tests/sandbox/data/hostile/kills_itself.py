# expect: runtime_error
import os

os.kill(os.getpid(), 9)
