"""The warm interpreter of one slot: forks the init of a submission into namespaces of its own.

Started by bubblewrap inside the jail; or without one where there are no namespaces, and then `lone` says what is
different. It joins the slot's control groups, gives up root where it was started as root, imports what competition
programs import, and then only clones: a number with one end of a socket makes an init that talks over it, and the same
number comes back when the init and everything below it has ended. The end of the control socket is its own end, and
with it, of everything it started.
"""

from __future__ import annotations

import gc
import importlib
import os
import select
import sys
from typing import Any, Final, Protocol

from sandbox.inside import init, kernel, native, program, syscalls, wire
from sandbox.inside.wire import Socket

# What most programs import. More would not be free: every fork copies, and every exit frees, the tables of its pages.
_PRELOADED: Final = (
    "atexit bisect codecs collections collections.abc contextlib copy enum "
    "functools heapq io itertools json linecache math operator os re string struct sys threading time traceback types "
    "typing warnings weakref"
)

_NAMESPACES: Final = kernel.CLONE_NEWUSER | kernel.CLONE_NEWPID | kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC


def main() -> None:
    """Become ready and serve until the control socket closes."""
    control = Socket(fileno=int(sys.argv[1]))
    native.load(sys.argv[2])
    init.heed_no_signal()
    setup, cgroups = wire.receive(control)
    for fd in cgroups:
        os.write(fd, b"0")
        os.close(fd)
    user, view = setup["user"], setup.get("view")
    assert user is None or isinstance(user, int)
    nursery = _ready_to_fork(user, view) if view else _ready_to_clone(user, setup["core"])
    _preload()
    nursery.learn()
    control.send(wire.READY)
    _serve(control, nursery)


class _Nursery(Protocol):
    """How inits are started, and what is done when they have ended."""

    def learn(self) -> None:
        """Find out what may be done ahead, when everything is loaded."""

    def start(self, number: int, socket_fd: int) -> int:
        """Start one; its process id."""

    def ended(self, pid: int) -> None:
        """Clear up after one that was awaited."""

    def close(self) -> None:
        """Clear up after all."""


class _Namespaces:
    def __init__(self, core: int) -> None:
        # Made here once: an init finds them as they are, and writes to none of the interpreter's pages for them.
        self._context = init.with_filters(native.new_context())
        native.pin(self._context, core)
        self._run = native.new_run()

    def learn(self) -> None:
        with program.on_stage(program.LEAST, b"1\n"):
            native.learn_what_is_written(self._context, program.perform)

    def start(self, number: int, socket_fd: int) -> int:
        user, group = os.getuid(), os.getgid()  # here: in a new user namespace both are nobody's
        pid = native.clone(_NAMESPACES)
        if pid == 0:
            init.main(self._context, self._run, socket_fd, user=user, group=group)
        return pid

    def ended(self, pid: int) -> None:
        """The kernel has."""

    def close(self) -> None:
        """The kernel will."""


def _ready_to_clone(user: int | None, core: Any) -> _Nursery:
    if user is not None:
        _leave_root(user)
    kernel.forbid_new_privileges()
    kernel.Filter(syscalls.slot_filter()).install()
    sys.path.append("/packages")
    return _Namespaces(core)


def _ready_to_fork(user: int | None, told: Any) -> _Nursery:
    from sandbox.inside import lone  # with much that is of no use to the others, and which every fork would pay for

    view = lone.View.of(told)
    lone.stand_guard(user)
    sys.meta_path.append(lone.OfferedPackages(view.packages))
    return lone.Nursery(view)


def _leave_root(user: int) -> None:
    # Mounted here and not by bubblewrap, which as root covers parts of /proc; the kernel then refuses the fresh /proc
    # that each submission mounts.
    kernel.mount("proc", "/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    native.drop_bounding_set()
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    kernel.drop_capabilities()
    # Changing the user made /proc/self root's; an init writes its own uid_map there.
    kernel.set_dumpable(True)


def _preload() -> None:
    _import_random()
    for name in _PRELOADED.split():
        importlib.import_module(name)
    program.prepare(ours=sys.path[0])
    # Objects that no collection visits are not written to, so their pages stay shared with every fork.
    gc.collect()
    gc.freeze()


def _import_random() -> None:
    """Import `random` without its wish to be seeded anew in every fork.

    The same input gives the same reward: neither does a random choice differ between two runs.
    """
    assert "random" not in sys.modules
    register = os.register_at_fork
    os.register_at_fork = lambda **_: None
    importlib.import_module("random").seed(0)
    os.register_at_fork = register


def _serve(control: Socket, nursery: _Nursery) -> None:
    children: dict[int, tuple[int, int]] = {}  # pidfd -> (pid, the number that the far side gave it)
    poller = select.poll()
    poller.register(control, select.POLLIN)
    while True:
        for fd, _ in poller.poll():
            if fd == control.fileno():
                _spawn(control, children, poller, nursery)
            else:
                poller.unregister(fd)
                pid, number = children.pop(fd)
                os.close(fd)
                os.waitpid(pid, 0)
                nursery.ended(pid)
                control.send(wire.numbered(number))


def _spawn(control: Socket, children: dict[int, tuple[int, int]], poller: select.poll, nursery: _Nursery) -> None:
    try:
        message, fds = wire.receive_bytes(control)
    except (EOFError, ConnectionError):
        nursery.close()
        sys.exit(0)
    number = wire.number_of(message)
    pid = nursery.start(number, fds[0])
    os.close(fds[0])
    pidfd = os.pidfd_open(pid)
    children[pidfd] = (pid, number)
    poller.register(pidfd, select.POLLIN)


if __name__ == "__main__":
    main()
