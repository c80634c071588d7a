"""Landlock: a process gives up, for good, all files but those it names.

Called by number, for neither Python nor the C library has names for it. What a `Ruleset` does not grant is refused to
whoever entered it, whatever the user and the permissions of a file say: opening, listing, making, removing, renaming,
linking, truncating, executing; binding and connecting TCP; with version 6 and later signals to processes outside and
their abstract Unix sockets.

Not covered by any version, and so for the system call filter to hold: asking what a file is (`stat`, `readlink`),
entering a directory, modes, owners, times and attributes; with versions before 3 truncation.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from typing import Final

_libc: Final = ctypes.PyDLL(None, use_errno=True)

_CREATE_RULESET: Final = 444  # of every architecture
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446

_ASK_VERSION: Final = 1
_RULE_PATH_BENEATH: Final = 1
_LOG_SAME_EXEC_OFF: Final = 1

_EXECUTE: Final = 1 << 0
_WRITE_FILE: Final = 1 << 1
_READ_FILE: Final = 1 << 2
_READ_DIR: Final = 1 << 3
_REMOVE_DIR: Final = 1 << 4
_REMOVE_FILE: Final = 1 << 5
_MAKE_DIR: Final = 1 << 7
_MAKE_REG: Final = 1 << 8
_MAKE_FIFO: Final = 1 << 10
_MAKE_SYM: Final = 1 << 12
_REFER: Final = 1 << 13
_TRUNCATE: Final = 1 << 14

# Of files alone: a rule that grants more for one is refused.
_OF_FILES: Final = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
_READ: Final = _READ_FILE | _READ_DIR
# Neither sockets nor devices: nothing of a program's own makes them.
_WRITE: Final = (
    _WRITE_FILE | _TRUNCATE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _MAKE_FIFO | _MAKE_SYM | _REFER
)

_FILE_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 4: 15}  # version -> how many rights it knows; 16 from version 5 on
_TCP: Final = 0b11
_ABSTRACT_SOCKETS_AND_SIGNALS: Final = 0b11


def version() -> int:
    """What the kernel speaks; 0 where it has none, or has it turned off."""
    return max(0, int(_libc.syscall(ctypes.c_long(_CREATE_RULESET), None, ctypes.c_size_t(0), _ASK_VERSION)))


class Ruleset:
    """What may still be reached. Everything that the version `known` can refuse is refused until granted."""

    def __init__(self, known: int) -> None:
        self._handled = (1 << _FILE_RIGHTS.get(known, 16)) - 1
        self._flags = _LOG_SAME_EXEC_OFF if known >= 7 else 0  # hostile programs would fill the audit log
        attributes = struct.pack("=Q", self._handled)
        if known >= 4:
            attributes += struct.pack("=Q", _TCP)
        if known >= 6:
            attributes += struct.pack("=Q", _ABSTRACT_SOCKETS_AND_SIGNALS)
        arguments = (ctypes.c_char_p(attributes), ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
        self.fd = _checked(_libc.syscall(ctypes.c_long(_CREATE_RULESET), *arguments), "landlock_create_ruleset")

    def allow_reading(self, paths: Iterable[str]) -> None:
        """Files, or everything below directories. What is not there is left out."""
        self._grant(paths, _READ)

    def allow_executing(self, paths: Iterable[str]) -> None:
        """As reading, and starting what is there."""
        self._grant(paths, _READ | _EXECUTE)

    def allow_devices(self, paths: Iterable[str]) -> None:
        """Reading and writing of files that are there already."""
        self._grant(paths, _READ_FILE | _WRITE_FILE)

    def allow_everything_but_executing(self, path: str) -> None:
        """A directory to work in: whatever a program does with files of its own."""
        self._grant([path], _READ | _WRITE)

    def enter(self, fd: int) -> None:
        """Take it on, for this thread and whatever it starts, by a descriptor of it, which is closed.

        Needs no privilege but `no_new_privs`.
        """
        arguments = (ctypes.c_int(fd), ctypes.c_uint32(self._flags))
        _checked(_libc.syscall(ctypes.c_long(_RESTRICT_SELF), *arguments), "landlock_restrict_self")
        os.close(fd)

    def _grant(self, paths: Iterable[str], rights: int) -> None:
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                self._grant_one(path, rights & self._handled)

    def _grant_one(self, path: str, rights: int) -> None:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISDIR(os.fstat(fd).st_mode):
                rights &= _OF_FILES
            rule = ctypes.c_char_p(struct.pack("=Qi", rights, fd))
            arguments = (ctypes.c_int(self.fd), ctypes.c_int(_RULE_PATH_BENEATH), rule, ctypes.c_uint32(0))
            _checked(_libc.syscall(ctypes.c_long(_ADD_RULE), *arguments), f"landlock_add_rule for {path}")
        finally:
            os.close(fd)


def _checked(result: int, what: str) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
    return int(result)
