import socket

for family in (16, 17, 38, 40):  # netlink, packet, alg, vsock
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET, socket.SOCK_STREAM):
        try:
            socket.socket(family, kind)
            print("ESCAPED", family)
        except OSError:
            pass
