"""The first process of a submission: pid 1 of its own namespaces, holding the program down from inside.

Reads requests from its socket: the first chooses the root directory, each further one starts the program once and is
answered with how it ended. When an answer is sent, every process of that run is dead, or killed and dead before the
next run begins; /tmp is as new, and what the run used has been added up over all of its processes. CPU time decides:
whoever runs over it is killed, whichever process spent it. What runs like most is served by `native.c` alone; here is
what needs an interpreter.

The program cannot signal this process (pid 1 of its namespace), read it (not dumpable, and it has capabilities that the
program lacks) or reach its socket (closed before the first line of the program). When the socket closes this process
ends, and the kernel ends the rest of the namespace with it.

No expected output ever comes here.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import math
import os
import resource
import signal
import stat
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

from sandbox.inside import kernel, native, program, syscalls, wire
from sandbox.inside.wire import Socket

_TICK_SECONDS: Final = 0.05
_MEMORY_TICK_SECONDS: Final = 0.004
_CORES: Final = len(os.sched_getaffinity(0))
_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = resource.getpagesize()


def main(context: native.Context, run: native.Run, event: int) -> NoReturn:
    """Serve one submission. Called in the child of `native.nurse`, which needs the interpreter for `event`."""
    try:
        _NamespaceInit(context, run).serve(native.found(context, event))
    except BaseException as error:  # noqa: BLE001 - nobody above us: the far side reads the end of the socket, and this for the reason
        os.write(2, "".join(traceback.format_exception(error)).encode())
    finally:
        # Neither handlers nor buffers of the zygote are ours to run or flush.
        os._exit(0)


def heed_no_signal() -> None:
    """Leave no handler: the kernel keeps signals of its own namespace from a pid 1 that has none for them.

    Called in the zygote, for every init to come.
    """
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)


class Init:
    """Serves one submission: what does not depend on what isolates it."""

    one_process = False  # whether a program may start no other

    def __init__(self, context: native.Context, run: native.Run) -> None:
        self.context = context
        self._run = run

    def serve(self, event: int) -> None:
        """Do what `event` asks for, and answer requests until the far side hangs up."""
        while event != native.CLOSED:
            if event in (native.BECAME_SCRIPT, native.BECAME_HEARD_SCRIPT):
                program.become_script(heard=event == native.BECAME_HEARD_SCRIPT)
            if event == native.BECAME:
                program.become(self._run.task)
            if event == native.TO_ENTER:
                # Without its room it may run nothing: what fails here ends it.
                self.load(self._run.setting())
                gc.freeze()
            else:
                try:
                    self._attend(event)
                except ConnectionError:
                    return
                except Exception as error:  # noqa: BLE001 - the far side must hear of it; it is ours, and no verdict
                    channel = Socket(fileno=self.context.channel)
                    wire.send(channel, {"failure": f"{type(error).__name__}: {error}"})
                    channel.detach()
                finally:
                    native.close_descriptors(self._run)
            event = native.serve(self.context, self._run)

    def _attend(self, event: int) -> None:
        """Do what is not done without the interpreter."""
        request = self._run.request()
        if event == native.TO_START:
            if self._too_large(request.task):
                native.refuse(self._run, wire.REASONS.index("disk"))
                native.answer(self.context, self._run, None)
                return
            request = self._started(request)
        untouched = False
        if event != native.ENDED:
            self._watch(request, at_once=event == native.RUNNING)
            untouched = native.finish(self.context, self._run)
        native.check_complaint(self.context)
        produced = _open_product(request.task.product)
        if not untouched:
            self.clean()
        native.answer(self.context, self._run, produced)
        if produced is not None:
            os.close(produced)

    def _too_large(self, task: wire.Task) -> bool:
        """Whether the program is larger than its /tmp. That it cannot be written for another reason is our failure."""
        sizes = [os.fstat(fd).st_size for name, fd in self._named(task).items() if name in task.copies]
        return sum(math.ceil(size / _PAGE_BYTES) * _PAGE_BYTES for size in sizes) > self.context.disk_bytes

    def _named(self, task: wire.Task) -> dict[str, int]:
        return dict(zip(task.names, self._run.fds, strict=False))

    def _started(self, request: wire.Request) -> wire.Request:
        """The request as it is on this host, started."""
        task, walls = self.prepare(request, self._run)
        fds = self._named(task)
        for name, path in task.copies.items():
            program.copy(fds[name], path)
        if native.start(self.context, self._run) == 0:
            if walls is not None:
                self._put_up(walls)
            program.become(lambda: task)
        return request._replace(task=task)

    def _put_up(self, walls: Callable[[], None]) -> None:
        """Confine this fork, where it is not confined yet."""
        try:
            walls()
        except BaseException as error:  # noqa: BLE001 - it happened before the program began, and is ours
            native.complain(self.context, f"{type(error).__name__}: {error}")
            os._exit(1)
        native.confined(self.context)

    def _watch(self, request: wire.Request, *, at_once: bool) -> None:
        """Wait for the program, or end it; then end whatever else it started. `at_once` is when it is looked at first.

        Looking takes memory, and a program at its limit has left none: what the kernel ends then may be us.
        """
        run = self._run
        watch = self.watch(run, request)
        reason = watch.wait(self.context, at_once=at_once)
        run.reason = wire.REASONS.index(reason or watch.at_the_end())
        run.starved_us = round(watch.starved_seconds * 1e6)
        run.one_process = self.one_process
        self.end_the_rest(run)

    def load(self, setting: wire.Setting) -> None:
        """Make ready for the submission's language."""
        raise NotImplementedError

    def prepare(self, request: wire.Request, run: native.Run) -> tuple[wire.Task, Callable[[], None] | None]:
        """The task as it is on this host, and the walls that the program's own process has to put up."""
        return request.task, None

    def watch(self, run: native.Run, request: wire.Request) -> Watch:
        """What looks at a run."""
        return Watch(run, request)

    def end_the_rest(self, run: native.Run) -> None:
        """End whatever else the program started and namespaces do not end, and add what it has used."""

    def clean(self) -> None:
        """Leave nothing of a run for the next one to find."""
        raise NotImplementedError

    @staticmethod
    def preload(names: Sequence[str]) -> None:
        """Import once what every run of the submission would."""
        # One thread: a pool in this process would not survive the fork, and cores are ours to share out.
        os.environ["OPENBLAS_NUM_THREADS"] = "1"
        for name in names:
            with contextlib.suppress(ImportError):  # not on this host; the program will hear of it
                importlib.import_module(name)


def _open_product(path: str | None) -> int | None:
    if path is None:
        return None
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return None


def with_filters(context: native.Context) -> native.Context:
    """The context with what closes system calls to what is in namespaces."""
    context.submission_filter = _SUBMISSION_FILTER.address
    context.program_filters[:] = [one.address for one in _PROGRAM_FILTERS]
    return context


# Made once, in the zygote.
_SUBMISSION_FILTER: Final = kernel.Filter(syscalls.submission_filter())
_PROGRAM_FILTERS: Final = [kernel.Filter(syscalls.program_filter(memory_is_accounted=held)) for held in (False, True)]


class _NamespaceInit(Init):
    def load(self, setting: wire.Setting) -> None:
        """Enter the room when what programs import is imported; one without such wishes is entered in C."""
        self.preload(setting.preload)
        native.enter(self.context, self._run)
        native.unpin(self.context)

    def clean(self) -> None:
        """Renew /tmp."""
        native.renew_tmp(self.context)


class Watch:
    """Looks at one run from time to time, just often enough that no limit is passed by much."""

    def __init__(self, run: native.Run, request: wire.Request) -> None:
        self.pid: int = run.pid
        self._run = run
        limits, task, *_ = request
        self._stdout: int = run.fds[task.names.index("stdout")]
        self._cpu_seconds = limits.cpu_seconds
        self._output_bytes = limits.output_bytes
        self._watched_memory = limits.memory_bytes if limits.memory_is_watched else None
        self._started = run.started_ns / 1e9
        self._wall_seconds = limits.wall_seconds
        self._deadline = self._started + self._wall_seconds
        self.starved_seconds = 0.0
        self._ahead_cpu, self._ahead_waited = 0.0, 0.0  # what its process did before it was told what to become
        self._is_waited_for = task.mode == "assert"  # by a program, whose time passes meanwhile

    def wait(self, context: native.Context, *, at_once: bool) -> str | None:
        """Wait until the program has ended. It is killed when it passes a limit; which one, or None."""
        self._ahead_cpu, self._ahead_waited = native.ahead_seconds(context)
        if not at_once and native.wait(context, self._run, self._pause(0.0)):
            return None
        while True:
            spent = self._cpu_spent(context)
            reason = self.exceeded(spent)
            if reason is not None or self._is_waited_for:
                self.starved_seconds = self._starved_for()
            if reason is not None:
                os.kill(self.pid, signal.SIGKILL)
                native.wait(context, self._run, None)
                return reason
            if native.wait(context, self._run, self._pause(spent)):
                return None

    def _pause(self, spent: float) -> float:
        longest = _TICK_SECONDS if self._watched_memory is None else _MEMORY_TICK_SECONDS
        until_cpu = (self._cpu_seconds - spent) / _CORES
        until_wall = self._deadline - time.monotonic()
        return max(0.002, min(longest, until_cpu, until_wall))

    def exceeded(self, spent: float) -> str | None:
        """Which limit is passed, if one is."""
        if spent > self._cpu_seconds:
            return "cpu"
        if self._watched_memory is not None and self._memory_held() > self._watched_memory:
            return "memory"
        if os.fstat(self._stdout).st_size > self._output_bytes:
            return "output"
        if time.monotonic() > self._deadline and not self._was_starved():
            return "wall"
        return None

    def _was_starved(self) -> bool:
        """Whether others had the core for so long that the wall limit is not reached; it is moved by that time."""
        longest = self._wall_seconds * wire.WALL_STRETCH
        self._deadline = self._started + min(self._wall_seconds + self._starved_for(), longest)
        return time.monotonic() <= self._deadline

    def at_the_end(self) -> str | None:
        """Which limit is found to be passed when the program has ended, by what it left."""
        return None

    def _cpu_spent(self, context: native.Context) -> float:
        """What the program has used; below its limit it may be what the slot has used with it."""
        slot = native.group_cpu_seconds(context, self._run)
        if slot is not None and slot <= self._cpu_seconds:
            return slot
        return self._cpu_of_everybody()

    def _cpu_of_everybody(self) -> float:
        return sum(map(self._cpu_of, self.everybody())) - self._ahead_cpu

    def everybody(self) -> list[int]:
        """Every process of the run."""
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if pid != 1]

    @staticmethod
    def _cpu_of(pid: int) -> float:
        """What a process has spent, its ended children included."""
        try:
            own = time.clock_gettime(((~pid) << 3) | 2)  # the process's CPU clock, see clock_getcpuclockid(3)
            with open(f"/proc/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:  # it has ended meanwhile; whoever waits for it is charged
            return 0.0
        return own + (int(fields[13]) + int(fields[14])) / _TICKS_PER_SECOND

    def _memory_held(self) -> int:
        resident = {pid: self._resident(pid) for pid in self.everybody()}
        assert self._watched_memory is not None
        if sum(resident.values()) <= self._watched_memory or len(resident) == 1:
            return sum(resident.values())
        return sum(map(self._proportional, resident))  # dearer, but shared pages count once

    @staticmethod
    def _resident(pid: int) -> int:
        try:
            with open(f"/proc/{pid}/statm", "rb") as file:
                return int(file.read().split()[1]) * _PAGE_BYTES
        except OSError:
            return 0

    @staticmethod
    def _proportional(pid: int) -> int:
        try:
            with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
                return next(int(line.split()[1]) * 1024 for line in file if line.startswith(b"Pss:"))
        except (OSError, StopIteration):
            return 0

    def _starved_for(self) -> float:
        """For how long a thread was ready to run while something else than the program had the core.

        What a thread waits for the program's other threads is at most what those have run. Of the program's threads the
        one counts that was kept waiting longest by others: a thousand that sleep and wake wait for each other.
        """
        spent = self._cpu_of_everybody()  # not of the slot, in which a test may be at work beside the program
        longest = 0.0
        for pid in self.everybody():
            try:
                for task in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{task}/schedstat", "rb") as file:
                        ran, waited = (int(field) / 1e9 for field in file.read().split()[:2])
                    if int(task) == self.pid:
                        ran, waited = ran - self._ahead_cpu, waited - self._ahead_waited
                    longest = max(longest, waited - max(0.0, spent - ran))
            except (OSError, ValueError):
                continue
        return longest
