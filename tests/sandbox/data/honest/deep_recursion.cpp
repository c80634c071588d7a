// stdin: "1000000\n"
// stdout: "1000000\n"
#include <cstdio>
int depth(int n) {
    volatile char frame[64];
    frame[0] = 1;
    return n ? frame[0] + depth(n - 1) : 0;
}
int main() {
    int n;
    scanf("%d", &n);
    printf("%d\n", depth(n));
}
