import fcntl
import os
import socket
import struct

for victim in (os.getppid(), 1, -os.getppid()):
    one, other = socket.socketpair()
    for action in (
        lambda: fcntl.fcntl(one, fcntl.F_SETSIG, 9),
        lambda: fcntl.fcntl(one, fcntl.F_SETOWN, victim),
        lambda: fcntl.fcntl(one, 15, struct.pack("ii", 1, victim)),  # F_SETOWN_EX
        lambda: fcntl.ioctl(one, 0x8901, struct.pack("i", victim)),  # FIOSETOWN
        lambda: fcntl.ioctl(one, 0x8902, struct.pack("i", victim)),  # SIOCSPGRP
        lambda: fcntl.fcntl(one, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK),
    ):
        try:
            action()
        except OSError:
            pass
    other.send(b"boo")
print("still here")
