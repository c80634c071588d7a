"""The control group of one slot, version 1 or 2, where this process may make one: memory is held, CPU time counted.

A slot has one share of the processor with it, like every other slot and the server: a program of a hundred processes
is no more than a program of one to those beside it.

The whole slot lives in the group, its warm interpreter too, so that nothing a program does with its processes gets out
of it; the limit of a run is set on top of what the idle slot holds. Page cache is given back under pressure, so it is
nobody's.

With version 1 each controller has a group of its own of one name; CPU time is counted and shared, and the slot can be
frozen, where its controller is writable too. With version 2 one group has them all; where it can be made says
`delegation`. A group that a killed server left behind is removed by the next one: `sweep`.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
from pathlib import Path
from typing import Final

from sandbox import delegation
from sandbox.inside import wire

_PREFIX: Final = "reward-sandbox"
# In a container every server may have the same process id; the token tells this life of it from the one before.
_TOKEN: Final = secrets.token_hex(4)
_numbers: Final = itertools.count()
_V1: Final = {
    "limit": "memory.limit_in_bytes",
    "usage": "memory.usage_in_bytes",
    "peak": "memory.max_usage_in_bytes",
    "events": "memory.oom_control",
    "stat": "memory.stat",
}
_V2: Final = {
    "limit": "memory.max",
    "usage": "memory.current",
    "peak": "memory.peak",
    "events": "memory.events",
    "stat": "memory.stat",
    "cpu": "cpu.stat",
}
_V1_FREEZER: Final = "freezer.state"
_V2_FREEZER: Final = "cgroup.freeze"  # since Linux 5.2
_V1_CPU: Final = {"usage": "cpuacct.usage", "cpu": "cpuacct.usage"}
# What there is in every group of a controller of version 1, in which others can be made.
_V1_MARKS: Final = {
    "memory": "memory.usage_in_bytes",
    "cpuacct": "cpuacct.usage",
    "cpu": "cpu.shares",
    "freezer": "cgroup.procs",
}


class Group:
    """One group. `names` are the control files of its version; version 1 counts CPU time and freezes elsewhere.

    `others` are joined, and that is all.
    """

    def __init__(
        self,
        path: Path,
        names: dict[str, str],
        cpu_path: Path | None = None,
        freezer_path: Path | None = None,
        others: tuple[Path, ...] = (),
    ) -> None:
        self.path = path
        self._names = names
        self._cpu_path = cpu_path
        self._freezer_path = freezer_path
        self._others = others
        self._fds: dict[str, int] = {}

    @property
    def procs_paths(self) -> tuple[Path, ...]:
        """Where a process joins by writing 0, once to each."""
        return tuple(path / "cgroup.procs" for path in self._paths)

    @property
    def _paths(self) -> tuple[Path, ...]:
        apart = (self._cpu_path, self._freezer_path)
        return (self.path, *(path for path in apart if path is not None), *self._others)

    @property
    def can_freeze(self) -> bool:
        """Whether everything in it can be stopped for a while, without its knowing."""
        return self._freezer_path is not None or (self.path / _V2_FREEZER).exists()

    def freeze(self) -> bool:
        """Stop everything in it. False where that cannot be done."""
        return self._freezer_says("FROZEN", "1")

    def thaw(self) -> None:
        """Let everything in it go on."""
        self._freezer_says("THAWED", "0")

    def _freezer_says(self, word: str, digit: str) -> bool:
        try:
            if self._freezer_path is not None:
                (self._freezer_path / _V1_FREEZER).write_text(word)
            else:
                (self.path / _V2_FREEZER).write_text(digit)
        except OSError:
            return False
        return True

    def open(self) -> dict[str, int]:
        """The files that `wire.GROUP_FILES` names, opened once. They are the group's, and closed with it."""
        for name in wire.GROUP_FILES:
            if name not in self._fds and (path := self._path_of(name)) is not None:
                self._fds |= _opened(name, path)
        return dict(self._fds)

    def _path_of(self, name: str) -> Path | None:
        if name in self._names:
            return self.path / self._names[name]
        return self._cpu_path / _V1_CPU[name] if self._cpu_path is not None else None

    def remove(self) -> bool:
        """Remove the group. False while it is not empty; what stays is for the next sweep."""
        for fd in self._fds.values():
            os.close(fd)
        self._fds.clear()
        removed = [_removed(path) for path in self._paths]
        return all(removed)


def _opened(name: str, path: Path) -> dict[str, int]:
    """The descriptor of one file. None of a peak that cannot be reset before each run, as in version 2 before Linux
    6.12: it would be that of another program."""
    if name != "peak":
        return {name: os.open(path, (os.O_RDWR if name == "limit" else os.O_RDONLY) | os.O_CLOEXEC)}
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        return {}
    try:
        os.pwrite(fd, b"0", 0)
    except OSError:
        os.close(fd)
        return {}
    return {name: fd}


def _removed(path: Path) -> bool:
    try:
        path.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def create() -> Group | None:
    """Make a group for a slot of this process, or None where that is not allowed."""
    name = f"{_PREFIX}-{os.getpid()}-{_TOKEN}-{next(_numbers)}"
    parents = {controller: _v1_parent(controller) for controller in _V1_MARKS}
    paths = {controller: parent / name for controller, parent in parents.items() if parent is not None}
    if (home := _v2_parent()) is not None:
        names, group = _V2, Group(home / name, _V2)
    elif "memory" in paths:
        # Most hosts have `cpu` and `cpuacct` in one place.
        apart = (paths["cpu"],) if "cpu" in paths and paths["cpu"] != paths.get("cpuacct") else ()
        names, group = _V1, Group(paths["memory"], _V1, paths.get("cpuacct"), paths.get("freezer"), apart)
    else:
        return None
    try:
        for procs in group.procs_paths:
            procs.parent.mkdir(exist_ok=True)
        group.open()
        if names is _V2:
            (group.path / "memory.swap.max").write_text("0")
        else:
            (group.path / "memory.swappiness").write_text("0")
    except (OSError, ValueError, KeyError):
        group.remove()
        return None
    return group


def sweep() -> None:
    """Remove the groups of processes that are no more."""
    for parent in filter(None, (*map(_v1_parent, _V1_MARKS), _v2_parent())):
        for path in parent.glob(f"{_PREFIX}-*-*-*"):
            pid, token = path.name.split("-")[2:4]
            is_ours = pid == str(os.getpid()) and token == _TOKEN
            its_maker_lives = pid != str(os.getpid()) and Path(f"/proc/{pid}").exists()
            if not is_ours and not its_maker_lives:
                for name, said in ((_V1_FREEZER, "THAWED"), (_V2_FREEZER, "0")):
                    with contextlib.suppress(OSError):  # what was killed while it was frozen ends now
                        if (path / name).exists():
                            (path / name).write_text(said)
                _removed(path)  # False: not empty yet


def freezes() -> bool:
    """Whether the groups of this process can be frozen."""
    group = create()
    if group is None:
        return False
    try:
        return group.can_freeze
    finally:
        group.remove()


def _v1_parent(controller: str) -> Path | None:
    """The group of version 1 below which this process makes others."""
    own = _own_groups()
    for mount, version in _mounts(controller):
        # Seen from a container the path in /proc may not exist: then the mount itself is our group.
        for path in (Path(mount + own.get(version, "/")), Path(mount)):
            if version and os.access(path, os.W_OK) and (path / _V1_MARKS[controller]).exists():
                return path
    return None


def _v2_parent() -> Path | None:
    """The group of version 2 below which this process makes others that hold memory."""
    own = _own_groups()
    homes = (delegation.home(Path(mount), own.get("", "/")) for mount, version in _mounts("memory") if not version)
    return next(filter(None, homes), None)


def _own_groups() -> dict[str, str]:
    found = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            for controller in controllers.split(","):
                found[controller] = path
    return found


def _mounts(controller: str) -> list[tuple[str, str]]:
    """Where groups may be: the mount, and the controller for version 1, the empty string for version 2."""
    found = []
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mounts").read_text().splitlines():
            _, mount, kind, options, *_ = line.split()
            if kind == "cgroup" and controller in options.split(","):
                found.append((mount, controller))
            elif kind == "cgroup2":
                found.append((mount, ""))
    return found
