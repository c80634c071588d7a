# expect: runtime_error
import os
import resource

try:
    resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20))
    print("ESCAPED")
except (ValueError, OSError):
    pass
os.abort()
