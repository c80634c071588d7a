#include <cstdio>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>
extern char **environ;
int main() {
    const char *paths[] = {"/bin/sh", "/bin/busybox", "/usr/bin/env", "/bin/true", "/usr/bin/python3"};
    for (const char *path : paths) {
        char *arguments[] = {(char *)"sh", (char *)"-c", (char *)"echo ESCAPED", nullptr};
        execve(path, arguments, environ);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            syscall(SYS_execveat, fd, "", arguments, environ, AT_EMPTY_PATH);
            fexecve(fd, arguments, environ);
        }
        char *by_loader[] = {(char *)"ld.so", (char *)path, (char *)"-c", (char *)"echo ESCAPED", nullptr};
        if (access(path, R_OK) == 0 && fd >= 0) execve("/lib64/ld-linux-x86-64.so.2", by_loader, environ);
    }
}
