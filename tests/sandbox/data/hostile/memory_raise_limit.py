# expect: memory_limit_exceeded
import resource

for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
    soft, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (hard, hard))
data = b"x" * (1 << 30)
