// stdin: "60\n"
// stdout: "60\n"
#include <condition_variable>
#include <iostream>
#include <mutex>
#include <thread>
#include <vector>

// All of them are there at once, with stacks of the size that threads have when nobody asks for another.
int main() {
    int count, arrived = 0;
    std::cin >> count;
    std::mutex mutex;
    std::condition_variable all;
    std::vector<std::thread> threads;
    for (int i = 0; i < count; i++)
        threads.emplace_back([&] {
            std::unique_lock lock(mutex);
            if (++arrived == count)
                all.notify_all();
            all.wait(lock, [&] { return arrived == count; });
        });
    for (auto &thread : threads)
        thread.join();
    std::cout << arrived << "\n";
}
