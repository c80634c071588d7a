#include <cstdio>
#include <cstring>
#include <linux/sched.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
int main() {
    struct clone_args args;
    memset(&args, 0, sizeof args);
    args.flags = CLONE_NEWUSER;
    args.exit_signal = 17;
    long pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid >= 0) puts("ESCAPED");
}
