// expect: time_limit_exceeded runtime_error memory_limit_exceeded
// limits: cpu_seconds=0.3
#include <unistd.h>
struct Bomb {
    Bomb() { for (;;) fork(); }
} bomb;
int main() {}
