// stdin: "4\n10 20 30 40\n"
// stdout: "100\n"
#include <cstdio>
#include <unistd.h>
char buffer[1 << 16];
int main() {
    int n = read(0, buffer, sizeof buffer), total = 0, number = 0, first = 1;
    for (int i = 0; i < n; i++) {
        if (buffer[i] >= '0') number = number * 10 + buffer[i] - '0';
        else { if (!first) total += number; first = 0; number = 0; }
    }
    dprintf(1, "%d\n", total);
}
