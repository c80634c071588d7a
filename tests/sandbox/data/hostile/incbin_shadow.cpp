// expect: compile_error
asm(".incbin \"/etc/shadow\"");
int main() {}
