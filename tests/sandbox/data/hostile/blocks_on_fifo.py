# expect: time_limit_exceeded
# limits: cpu_seconds=0.3 wall_seconds=0.4
import os

os.mkfifo("/tmp/pipe")
open("/tmp/pipe").read()
