"""One core's worth of running: a jail with a warm interpreter, and the submissions in it, one at a time.

A `Session` is one submission: an init in namespaces of its own, started ahead so that nobody waits for it. `run` starts
the program once. When `Session.close` returns, every process of the submission is dead and its files are gone.

A slot whose processes die, for whatever reason, raises `SlotDiedError` and says nothing about the program; `start`
makes it whole again. Everything runs on the event loop and nothing blocks it for longer than a fork takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from sandbox import cgroup, jail
from sandbox.inside import wire
from sandbox.runs import SlotDiedError

_START_SECONDS: Final = 30.0
_END_SECONDS: Final = 10.0
_PRELOADED_BYTES: Final = 48 * 1024 * 1024  # what inits may hold that imported something ahead
_GRACE_SECONDS: Final = 20.0  # beyond the wall limit of a run, which the init enforces


@dataclass(frozen=True, slots=True)
class Jail:
    """What it takes to start a slot."""

    bubblewrap: str
    interpreter: jail.Interpreter
    precompiled: Path | None
    first_user: int
    use_cgroups: bool = True


@dataclass(frozen=True, slots=True)
class Ending:
    """How one run ended, as its init saw it."""

    status: int
    reason: str | None  # cpu | wall | memory | output | processes | disk: why the init ended it
    cpu_seconds: float
    wall_seconds: float
    rss_bytes: int
    peak_bytes: int | None  # of the control group, where there is one
    memory_kills: int
    starved_seconds: float  # ready to run while others had the core
    product: int | None  # a descriptor of the file that was asked for
    one_process: bool = False  # the program could start no other


class Slot:
    """A jail. Not safe for two sessions at once."""

    def __init__(self, index: int, spec: Jail) -> None:
        self.index = index
        self._spec = spec
        self._process: subprocess.Popen[bytes] | None = None
        self._said: int | None = None  # what bubblewrap and our own code inside wrote to stderr
        self._control: socket.socket | None = None
        self._listener: asyncio.Task[None] | None = None
        self._spawned = 0
        self._gone: dict[int, asyncio.Future[None]] = {}
        self._spare: Session | None = None
        self._least_held_bytes = sys.maxsize
        self.memory: cgroup.Group | None = None

    @property
    def alive(self) -> bool:
        """Whether the jail takes sessions."""
        return self._listener is not None and not self._listener.done()

    @property
    def pid(self) -> int | None:
        """The process id of the jail's outermost process."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Start the jail, ending what is left of an earlier one. Raises SlotDiedError when it does not come up."""
        await self.stop()
        self._least_held_bytes = sys.maxsize
        if self._spec.use_cgroups:
            self.memory = cgroup.create()
        self._control, theirs = _socket_pair()
        with theirs:
            self._process = self._launch(theirs)
        try:
            async with asyncio.timeout(_START_SECONDS):
                self._set_up()
                ready, _ = await _receive(self._control)
        except (TimeoutError, EOFError, OSError) as error:
            complaint = await self._complaint()
            await self.stop()
            raise SlotDiedError(f"the jail did not start: {complaint or repr(error)}") from error
        assert ready["ready"]
        self._listener = asyncio.create_task(self._listen(self._control))
        self._spare = self._spawn()

    def _launch(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        texts = jail.inside_files()
        files = {name: _sealed(name, text) for name, text in texts.items()}
        command = jail.command(
            bubblewrap=self._spec.bubblewrap,
            interpreter=self._spec.interpreter,
            precompiled=self._spec.precompiled,
            control_fd=theirs.fileno(),
            files=files,
        )
        self._said = os.memfd_create("said", os.MFD_CLOEXEC)  # a pipe that nobody empties would block them one day
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._said,
                pass_fds=(theirs.fileno(), *files.values()),
                env={},
                start_new_session=True,
            )
        finally:
            for fd in files.values():
                os.close(fd)

    def _set_up(self) -> None:
        assert self._control is not None
        joined = self.memory.procs_paths if self.memory is not None else ()
        groups = [os.open(path, os.O_WRONLY | os.O_CLOEXEC) for path in joined]
        user = self._spec.first_user + self.index if os.geteuid() == 0 else None
        wire.send(self._control, {"user": user}, groups)
        for fd in groups:
            os.close(fd)

    async def _complaint(self) -> str:
        if self._process is None or self._said is None:
            return ""
        self._process.kill()
        await asyncio.to_thread(self._process.wait)
        return os.pread(self._said, 2000, 0).decode(errors="replace").strip()

    async def _listen(self, control: socket.socket) -> None:
        try:
            while True:
                message, _ = await _receive(control)
                gone = self._gone.pop(int(str(message["gone"])), None)
                if gone is not None and not gone.done():
                    gone.set_result(None)
        except (EOFError, OSError):
            pass
        finally:
            for gone in self._gone.values():
                if not gone.done():
                    gone.set_result(None)  # the jail takes everything in it along
            self._gone.clear()

    def _spawn(self) -> Session:
        if not self.alive or self._control is None:
            raise SlotDiedError("the jail is gone")
        ours, theirs = _socket_pair()
        self._spawned += 1
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._gone[self._spawned] = gone
        try:
            with theirs:
                wire.send(self._control, {"spawn": self._spawned}, [theirs.fileno()])
        except OSError as error:
            ours.close()
            raise SlotDiedError("the jail is gone") from error
        return Session(ours, gone, self)

    def session(self) -> Session:
        """A fresh submission."""
        spare, self._spare = self._spare, None
        return spare if spare is not None and self.alive else self._spawn()

    def prepare_next(self) -> None:
        """Start the init of the next submission ahead of time."""
        if self._spare is None and self.alive:
            with contextlib.suppress(SlotDiedError):
                self._spare = self._spawn()

    def idle_bytes(self, held_bytes: int) -> int:
        """What the slot holds without a program: `held_bytes`, unless something of an earlier one is not gone yet."""
        self._least_held_bytes = min(self._least_held_bytes, held_bytes)
        return min(held_bytes, self._least_held_bytes + _PRELOADED_BYTES)

    def kill(self) -> None:
        """End the jail and everything in it, without waiting."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()

    async def stop(self) -> None:
        """End the jail and wait until nothing of it is left."""
        if self._spare is not None:
            self._spare.abandon()
            self._spare = None
        await self._end_processes()
        if self.memory is not None:
            await self._remove_group(self.memory)
            self.memory = None

    async def _end_processes(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listener
            self._listener = None
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            self.kill()
            await asyncio.to_thread(self._process.wait)
            self._process = None
        if self._said is not None:
            os.close(self._said)
            self._said = None

    async def _remove_group(self, group: cgroup.Group) -> None:
        # The kernel reports the jail's first process gone a moment before the last one has left the group.
        for _ in range(200):
            if group.remove():
                return
            await asyncio.sleep(0.01)


class Session:
    """One submission in a slot."""

    def __init__(self, channel: socket.socket, gone: asyncio.Future[None], slot: Slot) -> None:
        self._channel = channel
        self._gone = gone
        self._slot = slot

    def load(self, *, root: str, disk_bytes: int, preload: tuple[str, ...] = ()) -> None:
        """Choose the root directory and the size of /tmp. Once, before the first run."""
        self._send(
            {
                "op": "load",
                "root": root,
                "disk_bytes": disk_bytes,
                "inodes": max(1024, disk_bytes // 16384),
                "memory_is_accounted": self._slot.memory is not None,
                "preload": list(preload),
            },
            {},
        )

    async def run(self, request: Mapping[str, Any], fds: Mapping[str, int], *, counted: bool = True) -> Ending:
        """Run the program once. The caller keeps its descriptors. `counted`: the slot's memory is that of this run."""
        memory_bytes = int(request["memory_bytes"])
        group = self._slot.memory if counted else None
        try:
            before = _Reading.of(group) if group is not None else None
            if group is not None and before is not None:
                group.set_limit(self._slot.idle_bytes(before.held_bytes) + memory_bytes)
                group.reset_peak()
            watched = memory_bytes if self._slot.memory is None else None
            self._send({**request, "op": "run", "fds": list(fds), "watched_memory_bytes": watched}, fds)
            async with asyncio.timeout(float(request["wall_seconds"]) * wire.WALL_STRETCH + _GRACE_SECONDS):
                answer, products = await _receive(self._channel)
            after = _Reading.of(group) if group is not None else None
        except (TimeoutError, EOFError, OSError) as error:
            raise SlotDiedError(f"no answer from the submission's init: {error!r}") from error
        if "failure" in answer:
            for fd in products:
                os.close(fd)
            raise SlotDiedError(f"the run could not be set up: {answer['failure']}")
        ending = _ending(answer, products, uncounted_peak=None if watched else 0)
        return ending if before is None or after is None else after.judged_by(before, ending)

    def abandon(self) -> None:
        """Let go: the init ends, and the kernel ends what is below it."""
        self._channel.close()

    async def close(self) -> None:
        """End the submission and wait until nothing of it is left."""
        self.abandon()
        try:
            async with asyncio.timeout(_END_SECONDS):
                await asyncio.shield(self._gone)
        except TimeoutError:
            self._slot.kill()

    def _send(self, message: wire.Message, fds: Mapping[str, int]) -> None:
        try:
            wire.send(self._channel, message, list(fds.values()))
        except OSError as error:
            raise SlotDiedError("the submission's init is gone") from error


def _ending(answer: Mapping[str, Any], products: list[int], *, uncounted_peak: int | None) -> Ending:
    return Ending(
        status=int(answer["status"]),
        reason=answer["reason"],
        cpu_seconds=float(answer["cpu_seconds"]),
        wall_seconds=float(answer["wall_seconds"]),
        rss_bytes=int(answer["rss_kb"]) * 1024,
        peak_bytes=uncounted_peak,
        memory_kills=0,
        starved_seconds=float(answer["starved_seconds"]),
        product=products[0] if products else None,
        one_process=bool(answer.get("one_process")),
    )


# What the warm interpreter and the inits may use beside a run, an import of numpy for the next one included.
_OUR_OWN_CPU_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class _Reading:
    """A control group before or after a run."""

    usage_bytes: int
    held_bytes: int  # without page cache
    peak_bytes: int
    kills: int
    cpu_seconds: float | None

    @classmethod
    def of(cls, group: cgroup.Group) -> _Reading:
        usage = group.usage_bytes()
        held = max(0, usage - group.cached_bytes())
        return cls(usage, held, group.peak_bytes(), group.kills(), group.cpu_seconds())

    def judged_by(self, before: _Reading, ending: Ending) -> Ending:
        """`ending` with what the group knows of the run.

        Processes that nobody waits for are charged to nobody, so a program can hide their CPU time from its init, but
        not from its group. That counts our own work too, and decides only where the difference cannot be ours.
        """
        cpu = ending.cpu_seconds
        if self.cpu_seconds is not None and before.cpu_seconds is not None:
            used = self.cpu_seconds - before.cpu_seconds
            cpu = used if used > cpu + _OUR_OWN_CPU_SECONDS else cpu
        return replace(
            ending,
            cpu_seconds=cpu,
            peak_bytes=max(0, self.peak_bytes - before.usage_bytes),
            memory_kills=self.kills - before.kills,
        )


def _socket_pair() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    return ours, theirs


async def _receive(channel: socket.socket) -> tuple[wire.Message, list[int]]:
    while True:
        try:
            return wire.receive(channel)
        except BlockingIOError:
            await _readable(channel)


async def _readable(channel: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(channel.fileno(), _set, ready)
    try:
        await ready
    finally:
        loop.remove_reader(channel.fileno())


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _sealed(name: str, content: bytes) -> int:
    fd = os.memfd_create(name, os.MFD_CLOEXEC)
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
