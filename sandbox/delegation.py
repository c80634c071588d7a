"""The group of version 2 below which this process makes others that the memory controller holds.

They have a share of the processor each, where that controller is there.

The kernel hands controllers on only from a group without processes, the root of all groups excepted. So everything in
the group that we were given goes into a leaf below it, this process too.

That is done to a group of ours alone: where whoever made it says so (`Delegate=yes` of systemd), where it was made over
to our user, where it is all that a container sees, or where it is the root and we are in it. A group that somebody else
looks after stays as it is: systemd would stop a service of which a program was killed for its memory.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

LEAF: Final = "reward-server"
# systemd marks what it delegates; the second is for root alone to see, and the only one before its version 251.
_MARKS: Final = ("user.delegate", "trusted.delegate")
_ROUNDS: Final = 100


def home(mount: Path, own: str) -> Path | None:
    """The group below which others can be made, given where groups are mounted and which is this process's own.

    That is its own, or the one above it where somebody, maybe this function, put it into a leaf.
    """
    group = mount / own.lstrip("/")
    if not group.is_dir():
        group = mount  # seen from a container the path in /proc may not exist
    if str(os.getpid()) not in _words(group / "cgroup.procs"):
        return None
    above: tuple[Path, ...] = (group.parent,) if group != mount else ()
    for candidate in (group, *above):
        is_ours = candidate == group if _is_root(candidate) else candidate == mount or _was_given(candidate)
        if is_ours and _hands_memory_on(candidate):
            return candidate
    return None


def _is_root(group: Path) -> bool:
    """Whether it is the root of all groups, and not just of those that a container sees."""
    return not (group / "cgroup.type").exists()


def _was_given(group: Path) -> bool:
    is_made_over = os.geteuid() != 0 and _is_of_this_user(group) and not _is_of_this_user(group.parent)
    return is_made_over or any(_is_marked(group, mark) for mark in _MARKS)


def _is_of_this_user(group: Path) -> bool:
    return group.stat().st_uid == os.geteuid()


def _is_marked(group: Path, mark: str) -> bool:
    try:
        return os.getxattr(group, mark) == b"1"
    except OSError:
        return False


def _hands_memory_on(group: Path) -> bool:
    """See that groups below this one have the memory controller. False where that cannot be."""
    if not os.access(group, os.W_OK) or "memory" not in _words(group / "cgroup.controllers"):
        return False
    handed_on = group / "cgroup.subtree_control"
    before = _words(handed_on)
    try:
        if "memory" not in before and not _is_root(group):
            _vacate(group)
        if "cpu" not in before:
            with contextlib.suppress(OSError):  # it is not there, or processes of real-time priority are
                handed_on.write_text("+cpu")
        if "memory" not in before:
            handed_on.write_text("+memory")
    except OSError:
        return False
    return True


def _vacate(group: Path) -> None:
    """Move every process of a group into its leaf: ours, those that started us, and those that we have started."""
    leaf = group / LEAF
    leaf.mkdir(exist_ok=True)
    for _ in range(_ROUNDS):  # what was forked meanwhile is in the group
        pids = _words(group / "cgroup.procs")
        if not pids:
            return
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                (leaf / "cgroup.procs").write_text(pid)


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []
