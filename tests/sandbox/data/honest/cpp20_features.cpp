// stdin: "6\n"
// stdout: "even 3\n"
#include <bits/stdc++.h>
template <typename T> concept Number = std::integral<T>;
auto half(Number auto n) { return n / 2; }
int main() {
    int n;
    std::cin >> n;
    auto order = n <=> 6;
    if (order == 0 && std::popcount(6u) == 2) std::cout << (n % 2 ? "odd " : "even ") << half(n) << "\n";
}
