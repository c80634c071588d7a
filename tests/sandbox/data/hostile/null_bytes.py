# expect: compile_error runtime_error
exec("print(1)\0")
