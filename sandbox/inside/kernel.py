"""The system calls that Python has no name for.

Every function raises OSError when the kernel refuses. What every test goes through is in `native`.
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

_libc: Final = ctypes.PyDLL(None, use_errno=True)

CLONE_NEWNS: Final = 0x0002_0000
CLONE_NEWIPC: Final = 0x0800_0000
CLONE_NEWUSER: Final = 0x1000_0000
CLONE_NEWPID: Final = 0x2000_0000

MS_NOSUID: Final = 0x2
MS_NODEV: Final = 0x4
MS_NOEXEC: Final = 0x8

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_SECCOMP: Final = 22
_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_GET_CHILD_SUBREAPER: Final = 37
_PR_SET_NO_NEW_PRIVS: Final = 38
_SECCOMP_MODE_FILTER: Final = 2
_LINUX_CAPABILITY_VERSION_3: Final = 0x2008_0522


def mount(source: str, target: str, filesystem: str, flags: int, options: str = "") -> None:
    """mount(2)."""
    _check(
        _libc.mount(source.encode(), target.encode(), filesystem.encode(), ctypes.c_ulong(flags), options.encode()),
        f"mount {filesystem} on {target}",
    )


def die_with_parent(signal_number: int) -> None:
    """Ask for a signal when the thread that started this process ends."""
    _prctl("parent death signal", _PR_SET_PDEATHSIG, signal_number)


def set_dumpable(dumpable: bool) -> None:
    """Say whether processes of the same user may look into this one."""
    _prctl("dumpable", _PR_SET_DUMPABLE, int(dumpable))


def adopt_orphans() -> None:
    """Become the parent of every process below whose own parent ends."""
    _prctl("child subreaper", _PR_SET_CHILD_SUBREAPER, 1)


def can_adopt_orphans() -> bool:
    """Whether this kernel knows `adopt_orphans`."""
    return bool(_libc.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(ctypes.c_int()), *[ctypes.c_ulong(0)] * 3) == 0)


def forbid_new_privileges() -> None:
    """From here on no exec gives a privilege."""
    _prctl("no new privileges", _PR_SET_NO_NEW_PRIVS, 1)


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

    @property
    def address(self) -> int:
        """Where the `struct sock_fprog` is."""
        return ctypes.addressof(self._program)

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
