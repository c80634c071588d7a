"""A directory that programs write to, where no file system of their own holds them.

`Scratch.exceeds` says whether more is in it than a submission may have; `empty` leaves nothing in it, whatever a
program did: modes that forbid everything, thousands of nested directories, names that no path can hold, links to
elsewhere. Links are never followed. `empty` is for when no process of the program is left; `exceeds` for any time.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from collections.abc import Generator, Iterator
from typing import Final, NamedTuple

_DEEPEST: Final = 100  # a descriptor is held for each level; deeper nests are past any limit
_BLOCK_BYTES: Final = 512


class Allowance(NamedTuple):
    """How much may be in a scratch directory."""

    size_bytes: int
    inodes: int


class TooMuchError(Exception):
    """More is there than is allowed."""


class Scratch:
    """One directory, by its path. It is there already."""

    def __init__(self, path: str) -> None:
        self.path = path

    def mark(self) -> None:
        """Remember it as it is. Programs cannot set times, so any change that they make is one of this mark, too."""
        with contextlib.suppress(PermissionError):  # the directory of somebody else: then it always counts as touched
            os.utime(self.path, ns=(0, 0))

    def is_untouched(self) -> bool:
        """Whether nothing was made or removed in it since it was marked."""
        return os.stat(self.path).st_mtime_ns == 0

    def exceeds(self, allowance: Allowance, holder: int) -> bool:
        """Whether more is in it, or was removed and is still held by the process `holder`, than is allowed."""
        try:
            return self._measure(allowance, self._deleted_files(holder) + self._deleted_mappings(holder))
        except TooMuchError:
            return True

    def _measure(self, allowance: Allowance, size: int) -> bool:
        count = 0
        top = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        with contextlib.closing(_walk(top, 0)) as found:
            for status in found:
                count += 1
                size += status.st_blocks * _BLOCK_BYTES
                if count > allowance.inodes or size > allowance.size_bytes:
                    return True
        return size > allowance.size_bytes

    def _deleted_files(self, pid: int) -> int:
        """What files without a name take that a process has open."""
        device = os.stat(self.path).st_dev
        held = {}
        with contextlib.suppress(OSError):
            for fd in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    status = os.stat(f"/proc/{pid}/fd/{fd}")
                    if status.st_nlink == 0 and status.st_dev == device:
                        held[status.st_ino] = status.st_blocks * _BLOCK_BYTES
        return sum(held.values())

    def _deleted_mappings(self, pid: int) -> int:
        """The same for those that it has mapped."""
        size = 0
        ours = os.fsencode(self.path) + b"/"
        with contextlib.suppress(OSError), open(f"/proc/{pid}/maps", "rb") as file:
            for line in file:
                span, *_, path = line.split(None, 5)
                if path.startswith(ours) and path.endswith(b" (deleted)\n"):
                    start, _, end = span.partition(b"-")
                    size += int(end, 16) - int(start, 16)
        return size

    def empty(self) -> None:
        """Remove everything that is in it."""
        top = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        numbers = itertools.count()
        try:
            while names := os.listdir(top):
                for name in names:
                    _remove(top, top, name, 0, numbers)
        finally:
            os.close(top)

    def remove(self) -> None:
        """Remove it and everything that is in it."""
        with contextlib.suppress(FileNotFoundError):
            self.empty()
            os.rmdir(self.path)


def _walk(directory: int, depth: int) -> Generator[os.stat_result, None, None]:
    """What is below the open `directory`, which is closed at the end. A program may change it meanwhile."""
    try:
        if depth > _DEEPEST:
            raise TooMuchError
        for name in os.listdir(directory):
            with contextlib.suppress(OSError):  # gone meanwhile, or closed to us: that hides less than an inode costs
                status = os.stat(name, dir_fd=directory, follow_symlinks=False)
                yield status
                if stat.S_ISDIR(status.st_mode):
                    yield from _walk(_opened(directory, name), depth + 1)
    finally:
        os.close(directory)


def _opened(directory: int, name: str) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(name, flags, dir_fd=directory)


def _remove(top: int, directory: int, name: str, depth: int, numbers: Iterator[int]) -> None:
    """Remove one entry of `directory`; what lies too deep is moved to the top instead, to be met there again."""
    if not stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=directory)
        return
    os.chmod(name, stat.S_IRWXU, dir_fd=directory)
    if depth == _DEEPEST:
        os.rename(name, _free_name(top, numbers), src_dir_fd=directory, dst_dir_fd=top)
        return
    inner = _opened(directory, name)
    try:
        for child in os.listdir(inner):
            _remove(top, inner, child, depth + 1, numbers)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=directory)


def _free_name(top: int, numbers: Iterator[int]) -> str:
    """A name that is not taken: no program writes here now."""
    for number in numbers:
        name = f"moved-{number}"
        try:
            os.stat(name, dir_fd=top, follow_symlinks=False)
        except FileNotFoundError:
            return name
    raise AssertionError("numbers do not end")
