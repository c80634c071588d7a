// stdin: "21\n"
// stdout: "42 1 1\n"
#include <bits/stdc++.h>
static char pool[64 << 20];
static size_t used, given;
void *malloc(size_t size) noexcept {
    size_t *place = (size_t *)(pool + (used = (used + 15) / 16 * 16));
    used += size + 16;
    *place = size;
    return place + 2;
}
void free(void *) noexcept {}
void *calloc(size_t count, size_t size) noexcept { return memset(malloc(count * size), 0, count * size); }
void *realloc(void *old, size_t size) noexcept {
    void *fresh = malloc(size);
    return old ? memcpy(fresh, old, std::min(size, ((size_t *)old)[-2])) : fresh;
}
void *operator new(size_t size) {
    given++;
    return malloc(size);
}
void operator delete(void *) noexcept {}
void operator delete(void *, size_t) noexcept {}
int main() {
    int n;
    std::cin >> n;
    std::string text;
    for (int i = 0; i < 1000; i++) text += std::to_string(i);
    std::map<int, std::string> map{{1, text}, {2, text}};
    std::cout << 2 * n << ' ' << (given > 3) << ' ' << (map[1].data() >= pool && map[1].data() < pool + sizeof pool) << '\n';
}
