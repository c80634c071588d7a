# expect: compile_error runtime_error memory_limit_exceeded
exec("(" * 100000)
