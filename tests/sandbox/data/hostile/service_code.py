import importlib
import sys

for name in ("sandbox", "sandbox.inside", "sandbox.models", "reward_server", "pydantic", "fastapi", "pip"):
    try:
        importlib.import_module(name)
        print("ESCAPED", name)
    except ImportError:
        pass
print(sys.path)
