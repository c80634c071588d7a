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
    nursery.serve(control)


class _Nursery(Protocol):
    """How inits are started."""

    def learn(self) -> None:
        """Find out what may be done ahead, when everything is loaded."""

    def serve(self, control: Socket) -> None:
        """Start the inits that are asked for, until nobody is there to ask. In an init this does not return."""


class _Namespaces:
    def __init__(self, core: int) -> None:
        # Made here once: an init finds them as they are, and writes to none of the interpreter's pages for them.
        self._context = init.with_filters(native.new_context())
        native.pin(self._context, core)
        self._run = native.new_run()

    def learn(self) -> None:
        with program.on_stage(program.LEAST, b"1\n"):
            native.learn_what_is_written(self._context, program.perform)

    def serve(self, control: Socket) -> None:
        event = native.nurse(self._context, self._run, control.fileno(), _NAMESPACES)
        if event is not None:
            init.main(self._context, self._run, event)


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


if __name__ == "__main__":
    main()
