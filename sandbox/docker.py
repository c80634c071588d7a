"""The judge over containers: one slot each, started ahead of the programs and never for one of them.

A container has no network, no capabilities, no writable file but a /tmp in memory, one core, a user id of its own and
limits on memory and processes; in it an agent runs programs at the tier that the container allows (`sandbox.agent`).
A container that is doubted in any way is removed and another one takes its place, and so is one that has served long.

What a server leaves behind when it is killed goes by itself, for its containers end with their standard input and
remove themselves; one that could not is found by its label at the next start. A neighbour's containers are left alone.

Not promised: that the agent is out of reach for a program that breaks out of the tier inside. It then owns that
container, with the programs and inputs that are sent there until it is recycled, and may lie about their outcomes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from sandbox.engine import Engine, Mould
from sandbox.languages import Tools
from sandbox.models import BadJobError, Limits, SandboxUnavailableError
from sandbox.pool import Opened, PoolJudge, PoolSettings
from sandbox.remote import Agent, Introduction, RemoteSubmission, UnfitError
from sandbox.runs import Outcome, Program, Room, Run, SlotDiedError
from sandbox.verdicts import CacheObserver

log = logging.getLogger(__name__)

_LONGEST_PAUSE_SECONDS: Final = 15.0
_OVERHEAD_MB: Final = 192  # what the agent, its warm interpreter and a program's /tmp may take beside its memory


@dataclass(frozen=True, slots=True)
class DockerSettings(PoolSettings):
    """What a `DockerJudge` may use."""

    image: str = "reward-sandbox:local"
    runtime: str = ""  # as dockerd knows it, `runsc` for example; empty for its default
    accept_lost: tuple[str, ...] = ()  # in a container whose kernel has no Landlock, see `bare.LOSSES`
    seccomp: Path | None = None  # a profile that allows user namespaces; None for Docker's default, which does not
    memory_mb: int = 2048  # of a container; the compiler needs 1024 and its files
    processes: int = 512  # of a container
    submissions: int = 2000  # a container serves so many, about, and is replaced
    silence_seconds: float = 10.0  # an agent that has said nothing for so long is doubted
    start_seconds: float = 60.0
    docker_host: str | None = None  # where dockerd listens; None for what the environment says


class DockerJudge(PoolJudge):
    """Judges in containers."""

    def __init__(self, settings: DockerSettings, observer: CacheObserver | None = None) -> None:
        super().__init__(ContainerSlots(settings), settings, observer)


class ContainerSlots:
    """Containers, one a worker."""

    def __init__(self, settings: DockerSettings) -> None:
        self._settings = settings
        self._engine: Engine | None = None
        self._slots: list[ContainerSlot] = []

    async def open(self) -> Opened:
        """Remove what dead servers left, start the containers and see them ready. Raises SandboxUnavailableError."""
        self._engine = engine = Engine(await asyncio.to_thread(_mould, self._settings), self._settings.docker_host)
        await engine.open()
        self._slots = [ContainerSlot(index, engine, self._settings) for index in range(self._settings.workers)]
        try:
            await asyncio.gather(*(slot.start() for slot in self._slots))
        except SlotDiedError as error:
            raise SandboxUnavailableError(f"no container came up: {error}") from error
        return Opened(self._slots, self._slots[0].introduction.tools)

    async def close(self) -> None:
        """Remove every container."""
        await asyncio.gather(*(slot.stop() for slot in self._slots))
        if self._engine is not None:
            await self._engine.close()
            self._engine = None

    @property
    def tier(self) -> str:
        """What isolates the programs: the run-time around the container, and the tier in it."""
        inside = self._slots[0].introduction.tier if self._slots else "none"
        return f"docker-{self._settings.runtime or 'runc'}-{inside}"

    @property
    def problem(self) -> str | None:
        """Why no container can be had, if that is so."""
        if not self._slots or any(slot.alive for slot in self._slots):
            return None
        return next((slot.problem for slot in self._slots if slot.problem), None)


def _mould(settings: DockerSettings) -> Mould:
    try:
        profile = json.dumps(json.loads(settings.seccomp.read_text())) if settings.seccomp is not None else None
    except (OSError, ValueError) as error:
        raise SandboxUnavailableError(f"the seccomp profile cannot be used: {error}") from error
    return Mould(
        image=settings.image,
        runtime=settings.runtime,
        accept_lost=settings.accept_lost,
        seccomp=profile,
        memory_mb=settings.memory_mb,
        processes=settings.processes,
    )


class ContainerSlot:
    """A slot whose container is replaced when it is doubted or old, ahead of whoever needs it next."""

    def __init__(self, index: int, engine: Engine, settings: DockerSettings) -> None:
        self._index = index
        self._engine = engine
        self._settings = settings
        self._current: _Container | None = None
        self._spare: _Container | None = None
        self._served = 0
        # Not all at once: the first containers of a server would otherwise be replaced together.
        self._serves = settings.submissions - index * settings.submissions // (2 * settings.workers)
        self._keeper: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        self._hurry = asyncio.Event()
        self._attempt: asyncio.Future[None] | None = None
        self._removals: set[asyncio.Task[None]] = set()
        self.problem: str | None = None

    @property
    def alive(self) -> bool:
        """Whether its container is trusted."""
        return self._current is not None and self._current.agent.trusted

    @property
    def introduction(self) -> Introduction:
        """What the agent said of itself."""
        return self._current.introduction if self._current is not None else Introduction(Tools({}, {}), "none")

    async def start(self) -> None:
        """Wait for a container. Raises SlotDiedError when the next attempt at one fails."""
        if self._keeper is None:
            self._wanted.set()
            self._keeper = asyncio.create_task(self._keep())
        if self.alive:
            return
        if self._attempt is None or self._attempt.done():
            self._attempt = asyncio.get_running_loop().create_future()
            self._attempt.add_done_callback(_heard)
        self._hurry.set()
        await asyncio.shield(self._attempt)

    async def _keep(self) -> None:
        """Have a container ready whenever one is wanted."""
        pause_seconds = 0.5
        while True:
            await self._wanted.wait()
            self._hurry.clear()
            try:
                self._welcome(await self._launch())
            except SlotDiedError as error:
                self._settle(error)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._hurry.wait(), pause_seconds)
                pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
            else:
                pause_seconds = 0.5

    async def _launch(self) -> _Container:
        container = await _Container.launch(self._engine, self._index, self._settings)
        container.agent.ended.add_done_callback(lambda ended: self._doubted(container, ended.result()))
        return container

    def _welcome(self, container: _Container) -> None:
        self._wanted.clear()
        if self.alive:
            self._spare = container
            return
        self._current = container
        self._served = 0
        self._settle(None)

    def _settle(self, error: SlotDiedError | None) -> None:
        self.problem = None if error is None else str(error)
        if self._attempt is None or self._attempt.done():
            return
        if error is None:
            self._attempt.set_result(None)
        else:
            self._attempt.set_exception(error)

    def _doubted(self, container: _Container, reason: str) -> None:
        if container is self._current or container is self._spare:
            log.warning("sandbox container replaced", extra={"container": container.name, "reason": reason})
            self._spare = None if container is self._spare else self._spare
            self._wanted.set()
        removal = asyncio.create_task(container.remove())
        self._removals.add(removal)
        removal.add_done_callback(self._removals.discard)

    def pause(self) -> bool:
        """Never: dockerd takes longer for it than it would last."""
        return False

    def resume(self) -> None:
        """It was not paused."""

    def submission(self, *rooms: Room) -> ContainerSubmission:
        """A fresh submission. Raises SlotDiedError."""
        if self._spare is not None and self._spare.agent.trusted:
            old, self._current, self._spare = self._current, self._spare, None
            self._served, self._serves = 0, self._settings.submissions
            if old is not None:
                old.agent.doubt("it has served long enough")
        if self._current is None:
            raise SlotDiedError("no container")
        submission = ContainerSubmission(self._current.agent.submission(*rooms), self._settings.memory_mb)
        self._served += 1
        if self._served == self._serves:
            self._wanted.set()
        return submission

    async def stop(self) -> None:
        """Remove its containers."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None
        current, spare, self._current, self._spare = self._current, self._spare, None, None
        for container in filter(None, (current, spare)):
            container.agent.doubt("the judge is closing")
        await asyncio.sleep(0)  # until the doubts are heard
        await asyncio.gather(*self._removals)


def _heard(attempt: asyncio.Future[None]) -> None:
    if not attempt.cancelled():
        attempt.exception()


@dataclass(frozen=True, slots=True)
class ContainerSubmission:
    """A submission in a container."""

    remote: RemoteSubmission
    container_mb: int

    async def run(self, run: Run, *, room: int = 0) -> Outcome:
        """Run a program once."""
        self._check(run)
        return await self.remote.run(run, room=room)

    @property
    def longest_series(self) -> int:
        """One: each run is told to the agent by itself."""
        return self.remote.longest_series

    async def run_series(self, program: Program, inputs: Sequence[bytes], limits: Limits) -> list[Outcome]:
        """Run a program on the first input."""
        return [await self.run(Run(program, inputs[0], limits))]

    async def run_joined(self, candidate: Run, asserting: Run) -> tuple[Outcome, Outcome]:
        """Run both at once."""
        self._check(candidate)
        return await self.remote.run_joined(candidate, asserting)

    def _check(self, run: Run) -> None:
        # The container's own limit would kill the program, and that be taken for the program's fault.
        offered = self.container_mb - _OVERHEAD_MB
        if run.limits.memory_mb > offered:
            raise BadJobError(f"a program may have {offered} MiB here, not {run.limits.memory_mb}")

    async def close(self) -> None:
        """End the submission."""
        await self.remote.close()


@dataclass(frozen=True, slots=True)
class _Container:
    """A container with an agent that is ready, or was."""

    engine: Engine
    name: str
    agent: Agent
    introduction: Introduction

    @classmethod
    async def launch(cls, engine: Engine, index: int, settings: DockerSettings) -> Self:
        """Start one. Raises SlotDiedError; then nothing is left of it."""
        name = engine.new_name()
        try:
            stream = await engine.start(name, index)
            try:
                multiplexed, writer = await asyncio.open_connection(sock=stream, limit=1 << 20)
            except BaseException:
                stream.close()
                raise
            reader = MultiplexedReader(multiplexed)
            agent = Agent(reader, writer, silence_seconds=settings.silence_seconds)
            try:
                introduction = await agent.introduce(settings.start_seconds)
            except UnfitError:
                raise
            except SlotDiedError as error:
                raise SlotDiedError(f"{error} {reader.complaint}".strip()) from error
            except BaseException:
                agent.doubt("nobody waits for it any more")
                raise
        except BaseException:
            await asyncio.shield(engine.remove(name))
            raise
        return cls(engine, name, agent, introduction)

    async def remove(self) -> None:
        """End it and everything in it."""
        await self.engine.remove(self.name)


class MultiplexedReader:
    """Standard output, out of the stream in which dockerd sends it together with standard error."""

    def __init__(self, stream: asyncio.StreamReader) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self._said = b""

    @property
    def complaint(self) -> str:
        """The end of what was written to standard error."""
        return self._said.decode(errors="replace").strip()

    async def readexactly(self, n: int) -> bytes:
        """The next `n` bytes of standard output."""
        while len(self._buffer) < n:
            head = await self._stream.readexactly(8)
            data = await self._stream.readexactly(int.from_bytes(head[4:], "big"))
            if head[0] == 1:
                self._buffer += data
            else:
                self._said = (self._said + data)[-2000:]
        taken = bytes(memoryview(self._buffer)[:n])
        del self._buffer[:n]
        return taken
