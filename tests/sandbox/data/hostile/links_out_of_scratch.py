import os
import sys

targets = ["/etc/passwd", "/etc/shadow", os.__file__, f"/proc/{os.getppid()}/environ", "/proc/1/environ", "/", ".."]
targets += [os.path.dirname(os.__file__)]
for number, target in enumerate(targets):
    for what, link in (("hard", os.link), ("symbolic", os.symlink)):
        name = f"{what}-{number}"
        try:
            link(target, name)
        except OSError:
            continue
        if what == "hard":
            print("ESCAPED", target)
        for flags in (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY | os.O_TRUNC, os.O_RDONLY | os.O_TRUNC):
            try:
                os.open(name, flags)
                if target != os.__file__ and os.path.isfile(name) or flags != os.O_RDONLY:
                    print("ESCAPED", target, flags)
            except OSError:
                pass
for target in (os.__file__, "/etc/passwd"):
    for action in (
        lambda: os.rename(target, "mine"),
        lambda: os.truncate(target, 0),
        lambda: os.unlink(target),
        lambda: os.replace("symbolic-0", target),
    ):
        try:
            action()
            print("ESCAPED", target)
        except OSError:
            pass
if os.stat(os.__file__).st_size == 0:
    print("ESCAPED")
