# needs: shared memory
# stdin: ""
# stdout: "hello\n"
from multiprocessing import shared_memory

memory = shared_memory.SharedMemory(create=True, size=16)
memory.buf[:5] = b"hello"
print(bytes(memory.buf[:5]).decode())
memory.close()
memory.unlink()
