// expect: security_violation
#include <cstdio>
#include <sys/ptrace.h>
int main() { printf("ESCAPED %ld\n", ptrace(PTRACE_TRACEME, 0, 0, 0)); }
