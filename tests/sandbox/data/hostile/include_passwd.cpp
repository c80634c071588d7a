// expect: compile_error
// says-not: root:
#include "/etc/passwd"
int main() {}
