// expect: compile_error accepted runtime_error
#pragma GCC dependency "/etc/shadow"
#pragma comment(lib, "/etc/shadow")
int main() {}
