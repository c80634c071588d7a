// expect: compile_error
constexpr int spin(long n) {
    int total = 0;
    for (long i = 0; i < n; i++)
        for (long j = 0; j < n; j++) total ^= i * j;
    return total;
}
constexpr int result = spin(1000000000);
int main() { return result; }
