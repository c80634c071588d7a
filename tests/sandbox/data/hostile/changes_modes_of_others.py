import os


def seen():
    return {path: (os.stat(path).st_mode, os.stat(path).st_mtime_ns) for path in paths if os.path.exists(path)}


paths = [os.__file__, os.path.dirname(os.__file__), "/etc/passwd", "..", "/proc/self/exe"]
before = seen()
for path in paths:
    for action in (
        lambda: os.chmod(path, 0o777),
        lambda: os.utime(path, (1, 1)),
        lambda: os.chown(path, os.getuid(), os.getgid()),
        lambda: os.setxattr(path, "user.mark", b"x"),
        lambda: os.fchmod(os.open(path, os.O_RDONLY), 0o777),
    ):
        try:
            action()
        except OSError:
            pass
if seen() != before:
    print("ESCAPED", before, seen())
