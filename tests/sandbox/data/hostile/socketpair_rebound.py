import socket

one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
for action in (lambda: one.bind("\0listening"), lambda: one.connect("\0listening"), lambda: one.bind("/tmp/s")):
    try:
        action()
        print("ESCAPED")
    except OSError:
        pass
