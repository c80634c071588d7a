// limits: cpu_seconds=0.3 wall_seconds=0.6
#include <cstdio>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
int main() {
    long flags[] = {17, 0, CLONE_PARENT | 17, CLONE_FILES | CLONE_FS | 17};
    for (long flag : flags)
        if (syscall(SYS_clone, flag, 0, 0, 0, 0) == 0)
            for (;;) pause();
    for (int n = 0; n < 3; n++)
        if (fork() == 0)
            for (;;) pause();
}
