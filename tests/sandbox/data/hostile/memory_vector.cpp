// expect: memory_limit_exceeded
#include <vector>
int main() {
    std::vector<char> v(400u << 20, 1);
    return v[12345] - 1;
}
