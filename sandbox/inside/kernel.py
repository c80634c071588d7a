"""The system calls that Python has no name for.

Every function raises OSError when the kernel refuses. The library is called through `PyDLL`, with the interpreter
lock held: `clone` would otherwise leave the child with a lock that nobody holds.
"""

from __future__ import annotations

import ctypes
import os
import platform
from typing import Final

_libc: Final = ctypes.PyDLL(None, use_errno=True)

CLONE_NEWNS: Final = 0x0002_0000
CLONE_NEWIPC: Final = 0x0800_0000
CLONE_NEWUSER: Final = 0x1000_0000
CLONE_NEWPID: Final = 0x2000_0000

MS_RDONLY: Final = 0x1
MS_NOSUID: Final = 0x2
MS_NODEV: Final = 0x4
MS_NOEXEC: Final = 0x8
MNT_DETACH: Final = 0x2

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_SECCOMP: Final = 22
_PR_CAPBSET_DROP: Final = 24
_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_SET_NO_NEW_PRIVS: Final = 38
_SECCOMP_MODE_FILTER: Final = 2
_LINUX_CAPABILITY_VERSION_3: Final = 0x2008_0522

_SYS_CLONE: Final = {"x86_64": 56, "aarch64": 220}
_SIGCHLD: Final = 17


def clone(flags: int) -> int:
    """Fork into new namespaces: 0 in the child, its pid in the parent. The caller has one thread."""
    arguments = [ctypes.c_ulong(flags | _SIGCHLD), *(ctypes.c_ulong(0) for _ in range(4))]
    ctypes.pythonapi.PyOS_BeforeFork()
    pid = int(_libc.syscall(ctypes.c_long(_SYS_CLONE[platform.machine()]), *arguments))
    if pid == 0:
        ctypes.pythonapi.PyOS_AfterFork_Child()
        return 0
    error = ctypes.get_errno()
    ctypes.pythonapi.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(error, f"clone: {os.strerror(error)}")
    return pid


def mount(source: str, target: str, filesystem: str, flags: int, options: str = "") -> None:
    """mount(2)."""
    _check(
        _libc.mount(source.encode(), target.encode(), filesystem.encode(), ctypes.c_ulong(flags), options.encode()),
        f"mount {filesystem} on {target}",
    )


def unmount(target: str) -> None:
    """Detach a mount; what still uses it keeps it until it ends."""
    _check(_libc.umount2(target.encode(), MNT_DETACH), f"unmount {target}")


def die_with_parent(signal_number: int) -> None:
    """Ask for a signal when the thread that started this process ends."""
    _prctl("parent death signal", _PR_SET_PDEATHSIG, signal_number)


def set_dumpable(dumpable: bool) -> None:
    """Say whether processes of the same user may look into this one."""
    _prctl("dumpable", _PR_SET_DUMPABLE, int(dumpable))


def adopt_orphans() -> None:
    """Become the parent of every process below whose own parent ends."""
    _prctl("child subreaper", _PR_SET_CHILD_SUBREAPER, 1)


def forbid_new_privileges() -> None:
    """From here on no exec gives a privilege."""
    _prctl("no new privileges", _PR_SET_NO_NEW_PRIVS, 1)


def drop_bounding_set() -> None:
    """Take every capability out of what an exec could give back."""
    with open("/proc/sys/kernel/cap_last_cap") as file:
        last = int(file.read())
    for capability in range(last + 1):
        _prctl("bounding set", _PR_CAPBSET_DROP, capability)


_CAPABILITY_HEADER: Final = (ctypes.c_uint32 * 2)(_LINUX_CAPABILITY_VERSION_3, 0)
_NO_CAPABILITIES: Final = (ctypes.c_uint32 * 6)()


def drop_capabilities() -> None:
    """Give up every capability of this process, for good. The ambient set goes with the permitted one."""
    _check(_libc.capset(_CAPABILITY_HEADER, _NO_CAPABILITIES), "capset")


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


class Filter:
    """A seccomp filter made from an array of `struct sock_filter`, ready to be installed by any fork."""

    def __init__(self, instructions: bytes) -> None:
        self._program = _FilterProgram(len(instructions) // 8, instructions)
        self._arguments = (_PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), ctypes.byref(self._program), 0, 0)

    def install(self) -> None:
        """Install it for this process and what it starts."""
        _check(_libc.prctl(*self._arguments), "seccomp")


def _prctl(what: str, option: int, value: int) -> None:
    arguments = [ctypes.c_ulong(value), *(ctypes.c_ulong(0) for _ in range(3))]
    _check(_libc.prctl(option, *arguments), what)


def _check(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
