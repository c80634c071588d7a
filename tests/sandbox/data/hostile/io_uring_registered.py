import ctypes

libc = ctypes.CDLL(None)
for number in (425, 426, 427):
    if libc.syscall(number, 1, ctypes.create_string_buffer(512), 0, 0, 0) >= 0:
        print("ESCAPED", number)
