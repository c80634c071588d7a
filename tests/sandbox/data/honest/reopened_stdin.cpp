// stdin: "7\n"
// stdout: "7\n"
#include <cstdio>
int main() {
    int n;
    if (!freopen("/dev/stdin", "r", stdin) || scanf("%d", &n) != 1) return 1;
    printf("%d\n", n);
}
