"""Compiled programs on disk, by the hash of everything that decides what they are.

An entry is written whole or not at all. The directory belongs to the server alone: what is in it is run as it is.
When it grows beyond its limit the entries used longest ago go first.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path


class ProgramCache:
    """A directory of compiled programs."""

    def __init__(self, directory: Path, limit_bytes: int) -> None:
        self._directory = directory
        self._limit_bytes = limit_bytes
        self._size_bytes = 0

    @staticmethod
    def key(*parts: bytes) -> str:
        """The name of an entry: a hash over the parts and their borders."""
        digest = hashlib.sha256()
        for part in parts:
            digest.update(len(part).to_bytes(8, "little"))
            digest.update(part)
        return digest.hexdigest()

    def open(self) -> None:
        """Make the directory, and measure what it holds. Raises OSError where others could put programs into it."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        status = self._directory.stat()
        if status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise PermissionError(f"{self._directory} must belong to this user alone")
        self._size_bytes = sum(size for _, size, _ in self._entries())

    def find(self, key: str) -> Path | None:
        """The file of the entry, if it is there. It stays as long as it is not among those used longest ago."""
        path = self._directory / key
        try:
            os.utime(path)
        except FileNotFoundError:
            return None
        except OSError:  # it cannot be marked as used, and is there
            pass
        return path

    def put(self, key: str, content: bytes) -> None:
        """Keep an entry. A full disk loses it, and nothing else."""
        with contextlib.suppress(OSError):
            with tempfile.NamedTemporaryFile(dir=self._directory, prefix=".", delete=False) as file:
                file.write(content)
            os.replace(file.name, self._directory / key)
            self._size_bytes += len(content)
            if self._size_bytes > self._limit_bytes:
                self._shrink()

    def _shrink(self) -> None:
        self._size_bytes = sum(size for _, size, _ in self._entries())
        for _, size, path in sorted(self._entries()):
            if self._size_bytes <= self._limit_bytes * 3 // 4:
                return
            path.unlink(missing_ok=True)
            self._size_bytes -= size

    def _entries(self) -> list[tuple[float, int, Path]]:
        """When last used, size and path of every entry."""
        found = []
        for path in self._directory.iterdir():
            with contextlib.suppress(OSError):
                status = path.stat()
                found.append((status.st_mtime, status.st_size, path))
        return found
