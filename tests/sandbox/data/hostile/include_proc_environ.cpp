// expect: compile_error accepted
// says-not: PATH
#include "/proc/self/environ"
int main() {}
