#include <cstdio>
#include <fcntl.h>
#include <unistd.h>
int main() {
    int fd = open("/proc/self/exe", O_RDWR);
    if (fd >= 0 && write(fd, "x", 1) == 1) puts("ESCAPED");
    fd = open("/proc/self/exe", O_RDONLY);
    if (fd >= 0 && ftruncate(fd, 0) == 0) puts("ESCAPED");
}
