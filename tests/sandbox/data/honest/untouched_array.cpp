// stdin: ""
// stdout: "7\n"
#include <cstdio>
static char big[350 << 20];
int main() {
    big[1000] = 7;
    printf("%d\n", big[1000]);
}
