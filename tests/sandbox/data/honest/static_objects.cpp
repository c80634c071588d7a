// stdin: ""
// stdout: "before main after"
#include <cstdio>
struct Noisy {
    Noisy() { fputs("before ", stdout); }
    ~Noisy() { fputs("after", stdout); }
} noisy;
int main() { fputs("main ", stdout); }
