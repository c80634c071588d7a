// stdin: "12 30\n"
// stdout: "6\n"
#include <stdio.h>
#include <math.h>
int gcd(int a, int b) { return b ? gcd(b, a % b) : a; }
int main(void) {
    int a, b;
    scanf("%d %d", &a, &b);
    printf("%.0f\n", sqrt(gcd(a, b) * gcd(a, b)));
    return 0;
}
