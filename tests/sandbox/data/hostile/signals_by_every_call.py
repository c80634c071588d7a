import ctypes
import os
import signal
import struct

libc = ctypes.CDLL(None, use_errno=True)
information = ctypes.create_string_buffer(struct.pack("iii", 9, 0, -1) + bytes(116))
others = {os.getppid(), 1, *(pid for pid in range(2, 400) if pid != os.getpid())}
for pid in others:
    for what, call in (
        ("kill", lambda pid: libc.kill(pid, 9)),
        ("kill group", lambda pid: libc.kill(-pid, 9)),
        ("tkill", lambda pid: libc.syscall(200, pid, 9)),
        ("tgkill", lambda pid: libc.syscall(234, pid, pid, 9)),
        ("sigqueue", lambda pid: libc.syscall(129, pid, 9, information)),
        ("tgsigqueue", lambda pid: libc.syscall(297, pid, pid, 9, information)),
    ):
        if call(pid) == 0 and pid not in (1, os.getppid()):
            print("ESCAPED", what, pid)
    try:
        signal.pidfd_send_signal(os.pidfd_open(pid), 9)
    except OSError:
        pass
libc.kill(-1, 9)
os.kill(os.getpid(), 0)
