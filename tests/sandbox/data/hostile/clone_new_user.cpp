// expect: security_violation
#include <cstdio>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
int main() { printf("ESCAPED %ld\n", syscall(SYS_clone, CLONE_NEWUSER | 17, 0, 0, 0, 0)); }
