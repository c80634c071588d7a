"""One core's worth of running: a jail with a warm interpreter, and the submissions in it, one at a time.

A `Session` is one submission: an init in namespaces of its own, started ahead so that nobody waits for it. `run` starts
the program once. When `Session.close` returns, every process of the submission is dead and its files are gone.

A slot whose processes die, for whatever reason, raises `SlotDiedError` and says nothing about the program; `start`
makes it whole again. Everything runs on the event loop and nothing blocks it for longer than a fork takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox import cgroup, jail
from sandbox.image import Image, sealed
from sandbox.inside import wire
from sandbox.models import Limits
from sandbox.runs import Room, SlotDiedError

_Answered = tuple[wire.Answer | wire.Series | wire.Message, list[int]]

_START_SECONDS: Final = 30.0
_LAST_WORDS_SECONDS: Final = 1.0
_END_SECONDS: Final = 10.0
_PRELOADED_BYTES: Final = 48 * 1024 * 1024  # what inits may hold that imported something ahead
# What the warm interpreter and the inits may use beside a run, an import of numpy for the next one included.
_OUR_OWN_CPU_SECONDS: Final = 0.5
_MIB: Final = 1024 * 1024
_UNKNOWN_BYTES: Final = 1 << 60
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
    peak_bytes: int | None  # of the control group, where there is one; 0 where it does not tell
    slot_bytes: int  # the same, of a run with what was beside it
    memory_kills: int
    starved_seconds: float  # ready to run while others had the core
    product: int | None  # a descriptor of the file that was asked for
    one_process: bool = False  # the program could start no other
    paused: bool = False  # the slot was, meanwhile

    @classmethod
    def of(
        cls, answer: wire.Answer, product: int | None, *, memory_is_watched: bool, paused: bool, joined: bool
    ) -> Ending:
        """What an answer says.

        Processes that nobody waits for are charged to nobody, so a program can hide their CPU time from its init, but
        not from its group. That counts our own work too, and decides only where the difference cannot be ours. Neither
        CPU time nor memory of the group are those of a program that is `joined` by another one in the slot.
        """
        cpu = answer.cpu_us / 1e6
        of_group = 0.0 if joined else answer.group_cpu_us / 1e6
        peak_bytes = max(0, answer.peak_bytes)
        return cls(
            status=answer.status,
            reason=wire.REASONS[answer.reason],
            cpu_seconds=of_group if of_group > cpu + _OUR_OWN_CPU_SECONDS else cpu,
            wall_seconds=answer.wall_us / 1e6,
            rss_bytes=answer.rss_kb * 1024,
            peak_bytes=None if memory_is_watched else 0 if joined else peak_bytes,
            slot_bytes=peak_bytes,
            memory_kills=max(0, answer.kills),
            starved_seconds=answer.starved_us / 1e6,
            product=product,
            one_process=bool(answer.one_process),
            paused=paused,
        )


class Slot:
    """A jail. Not safe for two sessions at once."""

    def __init__(self, index: int, spec: Jail) -> None:
        self.index = index
        self.pauses = 0
        self._spec = spec
        self._process: subprocess.Popen[bytes] | None = None
        self._said: int | None = None  # what bubblewrap and our own code inside wrote to stderr
        self._control: socket.socket | None = None
        self._listener: asyncio.Task[None] | None = None
        self._spawned = 0
        self._gone: dict[int, asyncio.Future[None]] = {}
        self._spare: Session | None = None
        self._was_killed = False
        self._least_held_bytes = _UNKNOWN_BYTES
        self.memory: cgroup.Group | None = None

    @property
    def user(self) -> int | None:
        """The user and group id that programs have outside, where these are their own."""
        return self._spec.first_user + self.index if os.geteuid() == 0 else None

    @property
    def alive(self) -> bool:
        """Whether the jail takes sessions."""
        return self._listener is not None and not self._listener.done() and not self._was_killed

    @property
    def pid(self) -> int | None:
        """The process id of the jail's outermost process."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Start the jail, ending what is left of an earlier one. Raises SlotDiedError when it does not come up."""
        await self.stop()
        self._was_killed = False
        self._least_held_bytes = _UNKNOWN_BYTES
        if self._spec.use_cgroups:
            self.memory = cgroup.create()
        self._control, far = _socket_pair()
        # By a number that no descriptor of a program has: the zygote puts those up and down while it warms up.
        with far:
            theirs = socket.socket(fileno=fcntl.fcntl(far, fcntl.F_DUPFD_CLOEXEC, wire.FIRST_FREE_FD))
        with theirs:
            self._process = self._launch(theirs)
        try:
            async with asyncio.timeout(_START_SECONDS):
                self._set_up()
                ready, _ = await _received(self._control)
        except (TimeoutError, EOFError, OSError) as error:
            complaint = await self._complaint()
            await self.stop()
            raise SlotDiedError(f"the jail did not start: {complaint or repr(error)}") from error
        assert ready == wire.READY
        self._listener = asyncio.create_task(self._listen(self._control))
        self._spare = self._spawn()

    def _launch(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        texts = jail.inside_files()
        files = {name: sealed(name, text) for name, text in texts.items()}
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
        wire.send(self._control, {"user": self.user, "core": self.index}, groups)
        for fd in groups:
            os.close(fd)

    async def _complaint(self) -> str:
        """What it said, or how it ended, if it did."""
        if self._process is None or self._said is None:
            return ""
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._process.wait, _LAST_WORDS_SECONDS)
        status = self._process.poll()
        self._process.kill()
        await asyncio.to_thread(self._process.wait)
        said = os.pread(self._said, 2000, 0).decode(errors="replace").strip()
        return said or (_how_it_ended(status) if status is not None else "")

    async def _listen(self, control: socket.socket) -> None:
        try:
            while True:
                message, _ = await _received(control)
                gone = self._gone.pop(wire.number_of(message), None)
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
                wire.send_bytes(self._control, wire.numbered(self._spawned), [theirs.fileno()])
        except OSError as error:
            ours.close()
            raise SlotDiedError("the jail is gone") from error
        return Session(ours, gone, self)

    def session(self) -> Session:
        """A fresh submission."""
        spare, self._spare = self._spare, None
        if spare is not None and self.alive:
            return spare
        if spare is not None:
            spare.abandon()
        return self._spawn()

    def prepare_next(self, room: Room | None) -> None:
        """Start the init of the next submission ahead of time, and make its room where that is known."""
        if self._spare is None and self.alive:
            with contextlib.suppress(SlotDiedError):
                spare = self._spawn()
                if room is not None:
                    spare.load(room, standby=room.root == jail.PYTHON_ROOT)
                self._spare = spare

    @property
    def idle_ceiling_bytes(self) -> int:
        """What the slot holds at most without a program, unless something of an earlier one is not gone yet."""
        return self._least_held_bytes + _PRELOADED_BYTES

    def note_idle(self, held_bytes: int) -> None:
        """Learn what the slot held before a run."""
        self._least_held_bytes = min(self._least_held_bytes, held_bytes)

    def pause(self) -> bool:
        """Stop everything in it until `resume`, without its knowing. False where this host cannot."""
        if self.memory is None or not self.memory.freeze():
            return False
        self.pauses += 1
        return True

    def resume(self) -> None:
        """Let it go on."""
        if self.memory is not None:
            self.memory.thaw()

    def kill(self) -> None:
        """End the jail and everything in it, without waiting."""
        self._was_killed = True
        self.resume()
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
        self.room: Room | None = None
        self.user = slot.user
        self._asked: deque[asyncio.Future[_Answered]] = deque()  # in the order of their requests, and so of the answers
        self._kept: dict[int, tuple[bytes, int]] = {}
        self._images: list[Image] = []  # those that it holds
        self._tickets = 0
        self._held: set[int] = set()  # tickets of runs whose descriptors are open
        self._waiting: list[asyncio.Future[None]] = []
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(channel.fileno(), self._answered)

    def load(self, room: Room, *, standby: bool = False) -> None:
        """Make the room, and a process that waits for the first run. Once, before that.

        Raises SlotDiedError; then the session is let go of.
        """
        self.room = room
        group = self._slot.memory.open() if self._slot.memory is not None else {}
        setting = wire.Setting(
            root=room.root,
            disk_bytes=room.disk_bytes,
            inodes=max(1024, room.disk_bytes // 16384),
            memory_is_accounted=self._slot.memory is not None,
            preload=room.preload,
            standby=standby,
        )
        try:
            wire.send_bytes(self._channel, setting.encoded(list(group)), list(group.values()))
        except OSError as error:
            self.abandon()
            raise SlotDiedError("the submission's init is gone") from error

    def hold(self) -> int:
        """A ticket for a run whose descriptors are about to be made; to be given back when they are closed."""
        self._tickets += 1
        self._held.add(self._tickets)
        return self._tickets

    def release(self, ticket: int) -> None:
        """What the run had printed takes no memory any more."""
        self._held.discard(ticket)
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def _until_first(self, ticket: int) -> None:
        """Wait until the runs before have given back what they had."""
        while min(self._held) < ticket:
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._waiting.append(waiter)
            await waiter

    async def run(
        self,
        ticket: int,
        task: wire.Task,
        fds: Mapping[str, int],
        limits: Limits,
        least_processes: int,
        *,
        slot_mb: int | None = None,
    ) -> Ending:
        """Run the program once. The caller keeps its descriptors.

        `slot_mb` is what the slot may hold with it and what runs beside it, 0 where the other one of the two says that.
        """
        held_to = self._held_to(limits, max(limits.processes, least_processes), slot_mb=slot_mb)
        pauses = self._slot.pauses
        answer, products = await self._answer_to(ticket, wire.Request(held_to, task), list(fds.values()), limits)
        if not isinstance(answer, wire.Answer):
            raise self._broken(answer, products)
        return self._ending(answer, products[0] if products else None, pauses, joined="channel" in task.names)

    async def run_series(
        self,
        ticket: int,
        task: wire.Task,
        program: int,
        inputs: Sequence[bytes],
        limits: Limits,
        least_processes: int,
    ) -> tuple[list[tuple[Ending, wire.Printed | None]], list[int]]:
        """Run the program on the first of the inputs, or on more of them, as long as it ends well and at once.

        What the last has printed may come as descriptors of standard output, standard error and report, which are the
        caller's then.
        """
        held_to = self._held_to(limits, max(limits.processes, least_processes))
        request = wire.Request(held_to, task, inputs=inputs)
        pauses = self._slot.pauses
        answer, products = await self._answer_to(ticket, request, [program], limits)
        if not isinstance(answer, list) or not 0 < len(answer) <= len(inputs):
            raise self._broken(answer, products)
        return [(self._ending(one, None, pauses), printed) for one, printed in answer], products

    def _held_to(self, limits: Limits, processes: int, *, slot_mb: int | None = None) -> wire.Limits:
        return wire.Limits(
            cpu_seconds=limits.cpu_seconds,
            wall_seconds=limits.wall,
            memory_bytes=limits.memory_mb * _MIB,
            output_bytes=limits.output_bytes,
            processes=processes,
            memory_is_watched=self._slot.memory is None,
            slot_bytes=(limits.memory_mb if slot_mb is None else slot_mb) * _MIB,
            idle_ceiling_bytes=self._slot.idle_ceiling_bytes,
        )

    def _ending(self, answer: wire.Answer, product: int | None, pauses: int, *, joined: bool = False) -> Ending:
        """What an answer says to what was asked when the slot had been paused so often."""
        paused = self._slot.pauses > pauses
        if answer.held_bytes >= 0:
            self._slot.note_idle(answer.held_bytes)
        return Ending.of(answer, product, memory_is_watched=self._slot.memory is None, paused=paused, joined=joined)

    @staticmethod
    def _broken(answer: object, products: list[int]) -> SlotDiedError:
        for fd in products:
            os.close(fd)
        reason = answer.get("failure") if isinstance(answer, dict) else "an answer to something else"
        return SlotDiedError(f"the run could not be set up: {reason}")

    async def _answer_to(self, ticket: int, request: wire.Request, fds: list[int], limits: Limits) -> _Answered:
        """What the init says to a request. Raises SlotDiedError."""
        seconds = max(1, len(request.inputs)) * (limits.wall * wire.WALL_STRETCH + _GRACE_SECONDS)
        try:
            ahead = min(self._held) < ticket
            answer, products = await self._exchange(request._replace(ahead=ahead), fds, seconds)
            if isinstance(answer, wire.Answer) and answer.reason == wire.ASK_AGAIN:
                await self._until_first(ticket)
                answer, products = await self._exchange(request, fds, seconds)
        except (TimeoutError, EOFError, OSError) as error:
            raise SlotDiedError(f"no answer from the submission's init: {error!r}") from error
        if _lacked_memory(answer):
            for fd in products:
                os.close(fd)
            raise SlotDiedError("memory ran out in a group above the slot's, or on this machine")
        return answer, products

    async def _exchange(self, request: wire.Request, fds: list[int], seconds: float) -> _Answered:
        answered: asyncio.Future[_Answered] = self._loop.create_future()
        wire.send_bytes(self._channel, request.encoded(), fds)
        self._asked.append(answered)
        try:
            # A request before it may be waiting in the socket, too.
            async with asyncio.timeout(len(self._asked) * seconds):
                return await answered
        except BaseException:
            # It may have been answered in the moment of giving it up.
            if answered.done() and not answered.cancelled() and answered.exception() is None:
                for fd in answered.result()[1]:
                    os.close(fd)
            raise

    def _answered(self) -> None:
        """Hand an answer to whoever asked first, or tell everybody that there will be none."""
        try:
            answer, products = wire.receive_answer(self._channel)
        except BlockingIOError:
            return
        except (EOFError, OSError) as error:
            self._loop.remove_reader(self._channel.fileno())
            for asked in self._asked:
                if not asked.done():
                    asked.set_exception(SlotDiedError(f"no answer from the submission's init: {error!r}"))
            return
        if not self._asked:  # an answer to nothing that was asked: whatever it is, this session is no more
            self.abandon()
        elif not (asked := self._asked.popleft()).done():
            asked.set_result((answer, products))
            return
        for fd in products:  # it has been given up
            os.close(fd)

    def sealed(self, content: bytes) -> int:
        """A descriptor of `content` that nobody can change, made once and kept as long as the session."""
        kept = self._kept.get(id(content))
        if kept is None:
            kept = self._kept[id(content)] = content, sealed("program", content)
        return kept[1]

    def held(self, image: Image) -> int:
        """The descriptor of an executable, held as long as the session. Raises ImageGoneError."""
        fd = image.hold()
        if image in self._images:
            image.let_go()
        else:
            self._images.append(image)
        return fd

    def abandon(self) -> None:
        """Let go: the init ends, and the kernel ends what is below it."""
        if self._channel.fileno() >= 0:
            self._loop.remove_reader(self._channel.fileno())
        self._channel.close()
        for asked in self._asked:
            if not asked.done():
                asked.set_exception(SlotDiedError("the submission was let go of"))
        self._asked.clear()
        for _, fd in self._kept.values():
            os.close(fd)
        self._kept.clear()
        for image in self._images:
            image.let_go()
        self._images.clear()

    async def close(self) -> None:
        """End the submission and wait until nothing of it is left."""
        self.abandon()
        try:
            async with asyncio.timeout(_END_SECONDS):
                await asyncio.shield(self._gone)
        except TimeoutError:
            self._slot.kill()


def _lacked_memory(answer: wire.Answer | wire.Series | wire.Message) -> bool:
    """Whether something of a run was killed for memory that it was allowed, but that was not there."""
    series = answer if isinstance(answer, list) else [(answer, None)]
    return any(isinstance(ending, wire.Answer) and ending.others_kills > 0 for ending, _ in series)


def _how_it_ended(status: int) -> str:
    return f"it ended with status {status}" if status >= 0 else f"it was ended by signal {-status}"


def _socket_pair() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    return ours, theirs


async def _received(channel: socket.socket) -> tuple[bytes, list[int]]:
    while True:
        try:
            return wire.receive_bytes(channel)
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
