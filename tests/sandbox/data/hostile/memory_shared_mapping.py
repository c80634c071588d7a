# expect: memory_limit_exceeded
import mmap

held = mmap.mmap(-1, 600 << 20)
for at in range(0, len(held), 4096):
    held[at] = 1
