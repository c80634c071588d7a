"""Zygote and init of a host without namespaces: the same work behind other walls.

The program has the user of the service, or one that all programs share. What holds it is taken on by the program
itself, in the fork that becomes it, and cannot be put off again: Landlock for files, a filter for system calls, one
process with threads. Its init and the zygote are closed to it: not dumpable, out of its Landlock domain, never the
target of its signals. When its init ends, the kernel kills it; no call can take that back.

Where there is no Landlock, and its loss is accepted, programs are closed to each other as far as dumpability goes, and
change no file.

A directory takes the place of /tmp: paths there are rewritten in what the far side sends, and emptied after every run.
Disk and threads are counted from outside and a program that has too many is ended. Compilers start processes: the
init adopts what they leave behind, and a run has ended when nothing below the init is alive.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import os
import resource
import select
import signal
import time
import traceback
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Final, NamedTuple, NoReturn

from sandbox.inside import family, init, kernel, landlock, native, shared_host, wire
from sandbox.inside.scratch import Allowance, Scratch

# A look into the scratch directory may cost this share of a core.
_LOOKING_SHARE: Final = 0.2
_LOOK_SECONDS: Final = 0.008


class Root(NamedTuple):
    """What programs of one kind may reach: the counterpart of a root directory."""

    read: tuple[str, ...]
    execute: tuple[str, ...]


class View(NamedTuple):
    """What there is for programs on this host, as the far side found it."""

    roots: Mapping[str, Root]
    devices: tuple[str, ...]
    loaders: tuple[str, ...]  # what starts an executable that is not whole by itself
    packages: Mapping[str, str]  # an offered package -> its directory, or a module -> its file
    aliases: Mapping[str, str]  # paths as the far side writes them -> where that is
    scratch: str
    exclusive: bool  # programs have the scratch directory itself, not one below it
    landlock: int  # the version; 0 where it is known and accepted that there is none

    @classmethod
    def of(cls, message: Any) -> View:
        """Read the part of the set-up message."""
        roots = {name: Root(tuple(root["read"]), tuple(root["execute"])) for name, root in message["roots"].items()}
        return cls(
            roots=roots,
            devices=tuple(message["devices"]),
            loaders=tuple(message["loaders"]),
            packages=message["packages"],
            aliases=message["aliases"],
            scratch=message["scratch"],
            exclusive=message["exclusive"],
            landlock=message["landlock"],
        )


class Nursery:
    """What the zygote does differently: it starts inits as mere forks, and answers for what is left of them."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._scratches: dict[int, Scratch] = {}
        self._inits: dict[int, tuple[int, int]] = {}  # pidfd -> (pid, the number that the far side gave it)

    def learn(self) -> None:
        """Nothing: what is done ahead there is done in namespaces."""

    def serve(self, control: wire.Socket) -> None:
        """Start the inits that are asked for, until nobody is there to ask."""
        poller = select.poll()
        poller.register(control, select.POLLIN)
        while True:
            for fd, _ in poller.poll():
                if fd != control.fileno():
                    poller.unregister(fd)
                    pid, number = self._inits.pop(fd)
                    os.close(fd)
                    self._ended(pid)
                    control.send(wire.numbered(number))
                    continue
                try:
                    message, (socket_fd,) = wire.receive_bytes(control)
                except (EOFError, ConnectionError):
                    self._close()
                    return
                number = wire.number_of(message)
                pid = self._start(number, socket_fd)
                os.close(socket_fd)
                pidfd = os.pidfd_open(pid)
                self._inits[pidfd] = pid, number
                poller.register(pidfd, select.POLLIN)

    def _start(self, number: int, socket_fd: int) -> int:
        """Start the init that the far side gave this number; its process id."""
        scratch = Scratch(self._view.scratch if self._view.exclusive else f"{self._view.scratch}/{number}")
        if not self._view.exclusive:
            os.mkdir(scratch.path, 0o700)
        pid = native.clone(0)
        if pid == 0:
            _main(socket_fd, self._view, scratch)
        self._scratches[pid] = scratch
        return pid

    def _ended(self, pid: int) -> None:
        """Leave nothing of an init that has ended."""
        os.waitpid(pid, 0)
        scratch = self._scratches.pop(pid)
        family.end_children(spare=self._scratches)
        if not self._view.exclusive:
            scratch.remove()

    def _close(self) -> None:
        """Leave nothing of any."""
        family.end_children()
        for scratch in self._scratches.values():
            if not self._view.exclusive:
                scratch.remove()


def stand_guard(user: int | None) -> None:
    """Make the zygote one whom programs of the same user can neither read nor outlive."""
    if user is not None:
        with contextlib.suppress(OSError):  # what cannot be dropped cannot be regained either: see below
            native.drop_bounding_set()
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        kernel.drop_capabilities()
    kernel.forbid_new_privileges()
    kernel.die_with_parent(signal.SIGKILL)
    kernel.set_dumpable(False)
    kernel.adopt_orphans()


class OfferedPackages:
    """Finds the offered packages, and nothing that stands beside them."""

    def __init__(self, directories: Mapping[str, str]) -> None:
        self._directories = dict(directories)

    def find_spec(
        self, name: str, path: object = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """As `importlib.abc.MetaPathFinder` has it."""
        directory = self._directories.get(name)
        if directory is None:
            return None
        if directory.endswith(".py"):
            return importlib.util.spec_from_file_location(name, directory)
        location = f"{directory}/__init__.py"
        return importlib.util.spec_from_file_location(name, location, submodule_search_locations=[directory])


def _main(socket_fd: int, view: View, scratch: Scratch) -> NoReturn:
    """Serve one submission."""
    try:
        context = native.new_context()
        native.stand_alone(context, socket_fd)
        kernel.adopt_orphans()
        run = native.new_run()
        _LoneInit(context, run, view, scratch).serve(native.serve(context, run))
    except BaseException as error:  # noqa: BLE001 - nobody above us: the far side reads the end of the socket, and this for the reason
        os.write(2, "".join(traceback.format_exception(error)).encode())
    finally:
        os._exit(0)


class _LoneInit(init.Init):
    one_process = True

    def __init__(self, context: native.Context, run: native.Run, view: View, scratch: Scratch) -> None:
        super().__init__(context, run)
        self._view = view
        self._scratch = scratch
        self._root = Root((), ())
        self._allowance = Allowance(0, 0)
        self._compiling = False
        self._aliases = {**view.aliases, "/tmp": scratch.path}  # noqa: S108 - the name of it
        self._walls: dict[str, _Walls] = {}
        self._pid = os.getpid()

    def load(self, setting: wire.Setting) -> None:
        """Choose what the language may reach, and take an empty scratch directory."""
        if setting.preload:
            self.preload(setting.preload)
        self._root = self._view.roots[setting.root]
        self.context.disk_bytes = setting.disk_bytes
        self._allowance = Allowance(setting.disk_bytes, setting.inodes)
        self.context.proc_fd = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        os.chdir(self._scratch.path)
        self.clean()
        native.make_ready(self.context)

    def prepare(self, request: wire.Request, run: native.Run) -> tuple[wire.Task, Callable[[], None]]:
        """Put paths where they are, and make what the walls are made of, so that the next run finds it made."""
        task = self._task_here(request.task)
        if task.mode == "exec" and not task.image and not os.access(task.argv[0], os.X_OK):
            raise FileNotFoundError(task.argv[0])  # a tool that was there is gone; behind the walls that cannot be said
        walls = self._walls_for(task)
        if walls.ruleset is not None:
            run.add(walls.ruleset.fd, wire.WALLS_FD)
        run.uncount_processes()  # others count for the same user; the watch counts threads
        return task, lambda: walls.close_around(self._pid)

    def watch(self, run: native.Run, request: wire.Request) -> init.Watch:
        """What looks at a run."""
        kind = _Compilation if request.task.product is not None else _LoneWatch
        return kind(run, request, self._scratch, self._allowance)

    def end_the_rest(self, run: native.Run) -> None:
        """Kill what a compiler left. A program had no way to leave anything."""

        def add(used: resource.struct_rusage) -> None:
            run.cpu_us += round((used.ru_utime + used.ru_stime) * 1e6)
            run.rss_kb = max(run.rss_kb, used.ru_maxrss)

        if self._compiling:
            family.end_children(add)

    def clean(self) -> None:
        """Empty the scratch directory."""
        if not self._scratch.is_untouched():
            self._scratch.empty()
            self._scratch.mark()

    def _task_here(self, task: wire.Task) -> wire.Task:
        self._compiling = task.product is not None
        return task._replace(
            argv=tuple(map(self._here, task.argv)),
            environment={name: self._here(value) for name, value in task.environment.items()},
            copies={name: self._here(path) for name, path in task.copies.items()},
            product=self._here(task.product) if task.product is not None else None,
        )

    def _here(self, word: str) -> str:
        """A word of a command with the paths that it names put where they are."""
        option = "-I" if word.startswith("-I") else ""
        path = word.removeprefix(option)
        for alias, real in self._aliases.items():
            if path == alias or path.startswith(f"{alias}/"):
                return option + real + path.removeprefix(alias)
        return word

    def _walls_for(self, task: wire.Task) -> _Walls:
        kind = "compile" if self._compiling else task.mode
        if kind not in self._walls:
            self._walls[kind] = self._build(kind, list(task.argv))
        return self._walls[kind]

    def _build(self, kind: str, argv: list[str]) -> _Walls:
        version = self._view.landlock
        system_calls: shared_host.SignalsToSelf | bytes
        if kind == "compile":
            system_calls = shared_host.compiler_filter(version)
        else:
            system_calls = shared_host.lone_process_filter(executes=kind == "exec", landlock=version)
        return _Walls(self._ruleset(kind, argv) if version else None, system_calls)

    def _ruleset(self, kind: str, argv: list[str]) -> landlock.Ruleset:
        rules = landlock.Ruleset(self._view.landlock)
        rules.allow_reading(self._root.read)
        rules.allow_devices(self._view.devices)
        if kind == "compile":
            rules.allow_executing(self._root.execute)
        elif kind == "exec":
            # Its own image, in memory, is no file. Whatever it starts in its own place has the same walls.
            rules.allow_executing([*self._view.loaders, *(word for word in argv[:1] if word.startswith("/"))])
        if not (kind == "assert" and self._view.exclusive):  # beside the program that it judges, in one directory
            rules.allow_everything_but_executing(self._scratch.path)
        return rules


class _Walls(NamedTuple):
    """What a process takes on to become a program."""

    ruleset: landlock.Ruleset | None
    system_calls: shared_host.SignalsToSelf | bytes

    def close_around(self, parent: int) -> None:
        """Take it on, in the fork. `parent` is who must be alive for it to live."""
        kernel.die_with_parent(signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        if self.ruleset is not None:
            self.ruleset.enter(wire.WALLS_FD)
        else:
            kernel.set_dumpable(False)  # or who is judged would read who judges: both have one user
        code = self.system_calls
        kernel.Filter(code if isinstance(code, bytes) else code.of(os.getpid())).install()


class _LoneWatch(init.Watch):
    """Looks at one process: its threads and its scratch directory too."""

    def __init__(self, run: native.Run, request: wire.Request, scratch: Scratch, allowance: Allowance) -> None:
        super().__init__(run, request)
        self._threads = request.limits.processes
        self._scratch = scratch
        self._allowance = allowance
        self._next_look = self._started

    def everybody(self) -> list[int]:
        """Every process of the run."""
        return [self.pid]

    def exceeded(self, spent: float) -> str | None:
        """Which limit is passed, if one is."""
        if self._running() > self._threads:
            return "processes"
        if time.monotonic() >= self._next_look and self._looks_too_full():
            return "disk"
        return super().exceeded(spent)

    def at_the_end(self) -> str | None:
        """Which limit is found to be passed when the program has ended, by what it left."""
        return "disk" if self._too_full() else None

    def _running(self) -> int:
        return sum(map(_threads_of, self.everybody()))

    def _looks_too_full(self) -> bool:
        began = time.monotonic()
        too_full = self._too_full()
        ended = time.monotonic()
        self._next_look = ended + max(_LOOK_SECONDS, (ended - began) / _LOOKING_SHARE)
        return too_full

    def _too_full(self) -> bool:
        return not self._scratch.is_untouched() and self._scratch.exceeds(self._allowance, self.pid)


class _Compilation(_LoneWatch):
    """Looks at a compiler and what it has started."""

    def everybody(self) -> list[int]:
        """Every process of the run."""
        return [self.pid, *family.descendants(self.pid)]


def _threads_of(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[17])
    except (OSError, IndexError):
        return 0
