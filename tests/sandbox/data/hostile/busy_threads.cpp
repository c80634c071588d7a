// expect: time_limit_exceeded
// limits: cpu_seconds=0.3
#include <thread>
volatile int n;
int main() {
    std::thread a([] { for (;;) n++; }), b([] { for (;;) n++; });
    a.join();
}
