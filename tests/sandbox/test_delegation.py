"""Which group of version 2 is divided, told on directories that look like groups."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sandbox import delegation

UNIT = "/system.slice/reward.service"


class Tree:
    """Groups below `mount`; this process is in one of them."""

    def __init__(self, mount: Path, *, is_root: bool) -> None:
        self.mount = mount
        self._fill(mount)
        if is_root:
            (mount / "cgroup.type").unlink()

    def holds_us(self, own: str) -> Path:
        group = self.mount
        for name in own.strip("/").split("/"):
            group = group / name
            if not group.is_dir():
                group.mkdir()
                self._fill(group)
        (group / "cgroup.procs").write_text(f"{os.getpid()}\n")
        return group

    @staticmethod
    def _fill(group: Path) -> None:
        (group / "cgroup.type").write_text("domain\n")
        (group / "cgroup.procs").write_text("")
        (group / "cgroup.controllers").write_text("cpu memory pids\n")
        (group / "cgroup.subtree_control").write_text("")


@pytest.fixture
def machine(tmp_path: Path) -> Tree:
    return Tree(tmp_path, is_root=True)


@pytest.fixture
def container(tmp_path: Path) -> Tree:
    return Tree(tmp_path, is_root=False)


@pytest.fixture
def marks(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What systemd has written on which group, by its name."""
    found: dict[str, bytes] = {}

    def getxattr(path: Path, name: str) -> bytes:
        if name != "user.delegate" or path.name not in found:
            raise OSError
        return found[path.name]

    monkeypatch.setattr(os, "getxattr", getxattr)
    return found


def divided(group: Path) -> bool:
    return (group / "cgroup.subtree_control").read_text() == "+memory"


@pytest.mark.parametrize(
    "mark",
    [pytest.param(None, id="no mark"), pytest.param(b"0", id="a mark that says no")],
)
def test_a_group_that_nobody_gave_us_stays_as_it_is(machine: Tree, marks: dict[str, bytes], mark: bytes | None) -> None:
    """Whoever made it looks after it: systemd stops a service of which a program was killed for its memory."""
    group = machine.holds_us(UNIT)
    if mark is not None:
        marks[group.name] = mark
    before = sorted(machine.mount.rglob("*"))
    assert delegation.home(machine.mount, UNIT) is None
    assert sorted(machine.mount.rglob("*")) == before
    assert not divided(group)


def test_a_group_that_was_given_is_vacated_and_divided(machine: Tree, marks: dict[str, bytes]) -> None:
    """Its processes go into a leaf, for the kernel hands controllers on from a group without processes alone."""
    group = machine.holds_us(UNIT)
    marks[group.name] = b"1"
    assert delegation.home(machine.mount, UNIT) == group
    assert (group / delegation.LEAF / "cgroup.procs").read_text() == str(os.getpid())
    assert divided(group)


def test_where_memory_is_handed_on_the_processor_is_too(machine: Tree, marks: dict[str, bytes]) -> None:
    """Whoever started us may have divided the group for its memory alone; who is in it stays there."""
    group = machine.holds_us(f"{UNIT}/{delegation.LEAF}").parent
    marks[group.name] = b"1"
    (group / "cgroup.subtree_control").write_text("memory")
    assert delegation.home(machine.mount, f"{UNIT}/{delegation.LEAF}") == group
    assert (group / "cgroup.subtree_control").read_text() == "+cpu"


@pytest.mark.parametrize("leaf", [delegation.LEAF, "made-by-hand"])
def test_from_a_leaf_the_group_above_is_divided(machine: Tree, marks: dict[str, bytes], leaf: str) -> None:
    """Whoever put us there: this very function, for another judge of this process, or what started the server."""
    group = machine.holds_us(f"{UNIT}/{leaf}").parent
    marks[group.name] = b"1"
    assert delegation.home(machine.mount, f"{UNIT}/{leaf}") == group
    assert divided(group)


@pytest.mark.parametrize("own", [pytest.param("/", id="its own"), pytest.param(UNIT, id="a path of the host")])
def test_all_that_a_container_sees_is_its_own(container: Tree, own: str) -> None:
    """The group at the mount is not the root, so it was made for what is in it; the path may be one of outside."""
    (container.mount / "cgroup.procs").write_text(f"{os.getpid()}\n")
    assert delegation.home(container.mount, own) == container.mount
    assert (container.mount / delegation.LEAF).is_dir()


def test_at_the_root_nobody_is_moved(machine: Tree) -> None:
    """The kernel hands controllers on from there, whoever is in it."""
    (machine.mount / "cgroup.procs").write_text(f"1\n{os.getpid()}\n")
    assert delegation.home(machine.mount, "/") == machine.mount
    assert not (machine.mount / delegation.LEAF).exists()
    assert divided(machine.mount)


def test_the_root_is_nobodys_from_below(machine: Tree) -> None:
    """Groups there would be out of every limit that this process was given."""
    machine.holds_us("/ours")
    assert delegation.home(machine.mount, "/ours") is None
    assert not divided(machine.mount)


def test_a_mount_that_does_not_show_our_group_is_not_divided(machine: Tree) -> None:
    """A container may see the whole machine's groups, and none of its own."""
    (machine.mount / "cgroup.procs").write_text("1\n")
    assert delegation.home(machine.mount, "/") is None


def test_without_the_memory_controller_there_is_no_use(machine: Tree, marks: dict[str, bytes]) -> None:
    """As on a machine whose memory is in a hierarchy of version 1; nobody is moved for nothing."""
    group = machine.holds_us(UNIT)
    marks[group.name] = b"1"
    (group / "cgroup.controllers").write_text("cpu pids\n")
    assert delegation.home(machine.mount, UNIT) is None
    assert not (group / delegation.LEAF).exists()
