// stdin: "3,1,2\n"
// stdout: "1 2 3 6 caught 3 1.50 true 8 hi\n"
#include <bits/stdc++.h>
#include <filesystem>
thread_local int mine = 1;
struct AtExit {
    ~AtExit() { std::cout << " hi\n"; }
} at_exit;
int main() {
    std::string line;
    std::getline(std::cin, line);
    std::vector<int> v;
    std::istringstream numbers(line);
    for (std::string number; std::getline(numbers, number, ',');) v.push_back(std::stoi(number));
    std::sort(v.begin(), v.end());
    for (int x : v) std::cout << x << ' ';
    auto sum = std::async(std::launch::async, [&] { return std::accumulate(v.begin(), v.end(), 0); });
    std::cout << sum.get() << ' ';
    std::promise<int> promise;
    std::thread thrower([&] {
        mine = 2;
        try {
            std::vector<int>().at(1);
        } catch (const std::out_of_range &) {
            promise.set_exception(std::current_exception());
        }
    });
    thrower.join();
    try {
        promise.get_future().get();
    } catch (const std::exception &) {
        std::cout << "caught ";
    }
    std::once_flag once;
    int times = 0;
    std::vector<std::jthread> threads;
    std::mutex mutex;
    std::condition_variable turn;
    for (int i = 0; i < 3; i++)
        threads.emplace_back([&, i] {
            std::call_once(once, [&] { times = 0; });
            std::unique_lock lock(mutex);
            turn.wait(lock, [&] { return times == i; });
            times++;
            turn.notify_all();
        });
    threads.clear();
    std::cout.imbue(std::locale("C"));
    std::cout << times << ' ' << std::fixed << std::setprecision(2) << 1.5 << ' ' << std::boolalpha
              << (std::filesystem::exists("/tmp") && mine == 1) << ' ';
    std::random_device seed;
    seed();
    std::time_t zero = 0;
    std::ostringstream hour;
    hour << std::put_time(std::gmtime(&zero), "%H");
    std::cout << std::stoi(hour.str()) + 8;
}
