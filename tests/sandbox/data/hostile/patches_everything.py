# expect-not: security_violation
import builtins
import os
import sys

builtins.print = lambda *a, **k: None
sys.exit = os._exit = os.kill = lambda *a: None
builtins.exec = builtins.compile = builtins.open = None
sys.modules.clear()
