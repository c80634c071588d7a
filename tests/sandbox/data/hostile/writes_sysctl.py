for name in ("user/max_user_namespaces", "kernel/core_pattern", "vm/overcommit_memory", "kernel/pid_max"):
    try:
        with open("/proc/sys/" + name, "w") as file:
            file.write("1000")
            file.flush()
            print("ESCAPED", name)
    except OSError:
        pass
