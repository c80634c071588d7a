// stdin: "21\n"
// stdout: "42\n"
#include <iostream>
// What the C library calls functions, a program may call what it likes, as long as it declares none of them.
int read = 0, write, open[26], close[26];
bool poll(true);
int link(3), truncate(0);
int main() {
    std::ios::sync_with_stdio(false);
    std::cin >> read;
    open[0] = close[0] = read;
    write = open[0] + close[0];
    std::cout << write * poll + 0 * (link + truncate) << std::endl;
}
