// expect: security_violation runtime_error
#include <cstdio>
int main() {
    long result;
    asm volatile("int $0x80" : "=a"(result) : "a"(20) : "memory");
    printf("ESCAPED %ld\n", result);
}
