// stdin: ""
// stdout: "caught out\n"
#include <iostream>
#include <stdexcept>
#include <vector>
int main() {
    try {
        std::vector<int>().at(1);
    } catch (const std::out_of_range &) {
        std::cout << "caught out\n";
    }
}
