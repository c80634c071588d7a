"""Who was started by whom, where no pid namespace says so and none ends everybody at once.

A process that adopts orphans (`kernel.adopt_orphans`) finds everything that was ever started below it among its
descendants: `end_children` returns when none is left.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import time
from collections.abc import Callable, Collection
from typing import Final

_END_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 0.001


class StillAliveError(Exception):
    """Processes that were killed do not end."""


def children(pid: int) -> list[int]:
    """The living and the ended but not awaited children of a process."""
    listed: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(ProcessLookupError), open(f"/proc/{pid}/task/{task}/children", "rb") as file:
                listed += map(int, file.read().split())
    except FileNotFoundError:  # it is gone, or the kernel keeps no such list
        return [other for other in map(int, filter(str.isdigit, os.listdir("/proc"))) if parent(other) == pid]
    return listed


def parent(pid: int) -> int | None:
    """Who started a process, or has adopted it; None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, IndexError):
        return None


def descendants(pid: int) -> list[int]:
    """Everything below a process, as far as it holds still."""
    found = children(pid)
    for one in found:
        found += children(one)
    return found


def end_children(
    count: Callable[[resource.struct_rusage], object] = lambda used: None, *, spare: Collection[int] = ()
) -> None:
    """Kill and await the children of this process but for `spare`, and those who become its children by that.

    `count` hears what each has used. Raises StillAliveError.
    """
    deadline = time.monotonic() + _END_SECONDS
    own = os.getpid()
    while left := [pid for pid in children(own) if pid not in spare]:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        ended = [_awaited(pid, count) for pid in left]
        if not any(ended):
            if time.monotonic() > deadline:
                raise StillAliveError(f"processes {left} were killed and do not end")
            time.sleep(_PAUSE_SECONDS)


def _awaited(pid: int, count: Callable[[resource.struct_rusage], object]) -> bool:
    try:
        ended, _, used = os.wait4(pid, os.WNOHANG)
    except ChildProcessError:
        return True
    if ended:
        count(used)
    return bool(ended)
