// expect: runtime_error
int main() { *(volatile int *)0 = 1; }
