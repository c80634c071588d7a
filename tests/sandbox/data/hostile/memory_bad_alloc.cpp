// expect: memory_limit_exceeded
#include <vector>
int main() {
    std::vector<std::vector<char>> all;
    for (;;) all.emplace_back(64 << 20, 1);
}
