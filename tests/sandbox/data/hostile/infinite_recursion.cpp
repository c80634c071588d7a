// expect: runtime_error memory_limit_exceeded
int depth(int n) {
    volatile int frame[100];
    frame[n % 100] = n;
    return depth(n + 1) + frame[n % 100];
}
int main() { return depth(0); }
