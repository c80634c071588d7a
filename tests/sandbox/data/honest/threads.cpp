// stdin: ""
// stdout: "4000\n"
#include <bits/stdc++.h>
int main() {
    std::atomic<int> n{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++) threads.emplace_back([&] { for (int j = 0; j < 1000; j++) n++; });
    for (auto &thread : threads) thread.join();
    std::cout << n << "\n";
}
