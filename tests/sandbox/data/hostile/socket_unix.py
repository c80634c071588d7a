import socket

for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    try:
        socket.socket(socket.AF_UNIX, kind).connect("\0abstract")
        print("ESCAPED")
    except OSError:
        pass
