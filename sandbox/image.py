"""Executables: where they are until somebody starts one, and the sealed copy that is started."""

from __future__ import annotations

import fcntl
import os
from collections import OrderedDict
from pathlib import Path


class ImageGoneError(Exception):
    """The file that an executable was kept in is no more; whoever needs it makes it again."""


class Shelf:
    """Sealed copies that nobody holds, those that were let go of last: who comes next for one need not copy.

    A program is judged again for another rollout that says the same, and a checker for every rollout of its task.
    """

    def __init__(self, limit_bytes: int, limit: int) -> None:
        self._limit_bytes = limit_bytes
        self._limit = limit  # of descriptors
        self._size_bytes = 0
        self._copies: OrderedDict[Path, int] = OrderedDict()

    def take(self, path: Path) -> int | None:
        """The descriptor of a copy of what is in the file, for the caller to close or to put back."""
        copy = self._copies.pop(path, None)
        if copy is not None:
            self._size_bytes -= os.fstat(copy).st_size
        return copy

    def put(self, path: Path, copy: int) -> None:
        """Take over a copy of what is in the file."""
        former = self.take(path)
        if former is not None:
            os.close(former)
        self._copies[path] = copy
        self._size_bytes += os.fstat(copy).st_size
        while self._size_bytes > self._limit_bytes or len(self._copies) > self._limit:
            self._close_oldest()

    def close(self) -> None:
        """Keep none, from now on."""
        self._limit_bytes = 0
        while self._copies:
            self._close_oldest()

    def _close_oldest(self) -> None:
        _, copy = self._copies.popitem(last=False)
        self._size_bytes -= os.fstat(copy).st_size
        os.close(copy)


class Image:
    """An executable, in memory or in a file, of which one sealed copy is shared by all who hold it.

    The copy is there only while somebody does, or on the shelf, and no file is open before: thousands wait for a slot,
    and few run. What is in a file never changes.
    """

    def __init__(self, source: bytes | Path, shelf: Shelf | None = None) -> None:
        self._source = source
        self._shelf = shelf
        self._copy = -1
        self._holders = 0

    @property
    def is_kept(self) -> bool:
        """Whether it takes no memory while nobody holds it."""
        return not isinstance(self._source, bytes)

    def hold(self) -> int:
        """The descriptor of the copy, for as long as it is not let go of. Raises ImageGoneError."""
        if self._holders == 0:
            self._copy = self._taken()
        self._holders += 1
        return self._copy

    def _taken(self) -> int:
        source = self._source
        if isinstance(source, bytes):
            return sealed("program", source)
        kept = self._shelf.take(source) if self._shelf is not None else None
        return _sealed_copy("program", source) if kept is None else kept

    def let_go(self) -> None:
        """Undo one `hold`."""
        self._holders -= 1
        if self._holders > 0:
            return
        if self._shelf is None or isinstance(self._source, bytes):
            os.close(self._copy)
        else:
            self._shelf.put(self._source, self._copy)

    def content(self) -> bytes:
        """All of it. Raises ImageGoneError."""
        if isinstance(self._source, bytes):
            return self._source
        try:
            return self._source.read_bytes()
        except FileNotFoundError as error:
            raise ImageGoneError(str(self._source)) from error


def sealed(name: str, content: bytes) -> int:
    """A descriptor of `content`, at its beginning, that nobody can change. The caller closes it."""
    fd = _file_in_memory(name)
    view = memoryview(content)
    position = 0
    while position < len(view):
        position += os.pwrite(fd, view[position:], position)
    return _sealed(fd)


def _sealed_copy(name: str, path: Path) -> int:
    """`sealed` of the content of a file, which never is in this process. Raises ImageGoneError."""
    try:
        source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise ImageGoneError(str(path)) from error
    fd = _file_in_memory(name)
    try:
        while os.sendfile(fd, source, None, 1 << 30):
            pass
        os.lseek(fd, 0, os.SEEK_SET)
        return _sealed(fd)
    except BaseException:  # whatever it is goes on, without the descriptor
        os.close(fd)
        raise
    finally:
        os.close(source)


def _file_in_memory(name: str) -> int:
    return os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)


def _sealed(fd: int) -> int:
    os.fchmod(fd, 0o555)  # its attributes are closed as well: in them one test could leave something for the next
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
    return fd
