"""Executables: where they are until somebody starts one, and the sealed copy that is started."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class ImageGoneError(Exception):
    """The file that an executable was kept in is no more; whoever needs it makes it again."""


class Image:
    """An executable, in memory or in a file, of which one sealed copy is shared by all who hold it.

    The copy is there only while somebody does, and no file is open before: thousands wait for a slot, and few run.
    """

    def __init__(self, source: bytes | Path) -> None:
        self._source = source
        self._copy = -1
        self._holders = 0

    @property
    def is_kept(self) -> bool:
        """Whether it takes no memory while nobody holds it."""
        return not isinstance(self._source, bytes)

    def hold(self) -> int:
        """The descriptor of the copy, for as long as it is not let go of. Raises ImageGoneError."""
        if self._holders == 0:
            source = self._source
            self._copy = sealed("program", source) if isinstance(source, bytes) else _sealed_copy("program", source)
        self._holders += 1
        return self._copy

    def let_go(self) -> None:
        """Undo one `hold`."""
        self._holders -= 1
        if self._holders == 0:
            os.close(self._copy)

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
