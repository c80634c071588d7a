# expect: time_limit_exceeded
# limits: cpu_seconds=0.3
import re

re.match(r"(a+)+$", "a" * 60 + "b")
