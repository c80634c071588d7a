// expect: compile_error
#include "/dev/stdin"
int main() { return missing; }
