"""The server's side of an agent: submissions that run wherever two byte streams lead.

An agent is trusted until the first doubt: it ends, breaks the protocol, falls silent, says that its slot died, or does
not answer in the time that a run may take. From then on everything asked of it raises SlotDiedError, and `ended` says
why; it is for the owner to replace it. No answer of an agent is larger than what was asked for allows.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sandbox import frames
from sandbox.frames import Frame
from sandbox.languages import Tools
from sandbox.models import Limits
from sandbox.runs import Outcome, Program, Room, Run, SlotDiedError

_GRACE_SECONDS: Final = 30.0  # beyond the wall limit of a run: the agent gives up sooner
_END_SECONDS: Final = 20.0
_SMALL_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Introduction:
    """What an agent says of itself at first."""

    tools: Tools
    tier: str


class UnfitError(SlotDiedError):
    """The agent says why its container does not isolate."""


class Agent:
    """An agent at the far end of two streams."""

    def __init__(self, reader: frames.Reader, writer: asyncio.StreamWriter, *, silence_seconds: float) -> None:
        self._reader = reader
        self._writer = writer
        self._silence_seconds = silence_seconds
        self._ids = itertools.count()
        self._asked: dict[int, asyncio.Future[Frame]] = {}
        self._expected_bytes = _SMALL_BYTES
        self._heard = asyncio.get_running_loop().time()
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def trusted(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.ended.done()

    async def introduce(self, within_seconds: float) -> Introduction:
        """Wait until it is ready. Raises SlotDiedError, UnfitError."""
        try:
            async with asyncio.timeout(within_seconds):
                frame = await frames.receive(self._reader, at_most=lambda: _SMALL_BYTES)
            if frame.op == "unfit":
                self.doubt("it is unfit")
                raise UnfitError(str(frame.fields.get("reason")))
            if frame.op != "ready":
                raise frames.MalformedError(f"{frame.op} before it was ready")
            introduction = Introduction(frames.read_tools(frame.fields.get("tools")), str(frame.fields.get("tier")))
        except (TimeoutError, EOFError, OSError, frames.MalformedError) as error:
            self.doubt(f"it did not become ready: {error!r}")
            raise SlotDiedError(f"the agent did not become ready: {error}") from error
        self._heard = asyncio.get_running_loop().time()
        self._tasks = asyncio.create_task(self._listen()), asyncio.create_task(self._watch())
        return introduction

    async def _listen(self) -> None:
        try:
            while True:
                frame = await frames.receive(self._reader, at_most=lambda: self._expected_bytes)
                self._heard = asyncio.get_running_loop().time()
                asked = self._asked.get(frame.fields.get("id", -1))
                if asked is not None and not asked.done():
                    asked.set_result(frame)
        except (EOFError, OSError, frames.MalformedError, TypeError) as error:
            self.doubt(f"it ended: {error!r}")

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._silence_seconds / 4)
            if loop.time() - self._heard > self._silence_seconds:
                # Were it this loop that was late, what the agent has said meanwhile is read now.
                heard = self._heard
                await asyncio.sleep(self._silence_seconds / 20)
                if self._heard == heard:
                    self.doubt(f"it has been silent for {self._silence_seconds:g} s")
                    return

    def doubt(self, reason: str) -> None:
        """Trust it no more. The first reason counts."""
        if not self.trusted:
            return
        self.ended.set_result(reason)
        self._writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        for asked in self._asked.values():
            if not asked.done():
                asked.set_exception(SlotDiedError(reason))

    def tell(self, op: str, *blobs: bytes, **fields: Any) -> None:
        """Say something that needs no answer."""
        if not self.trusted:
            raise SlotDiedError(self.ended.result())
        self._writer.writelines(frames.encode(op, *blobs, **fields))

    async def ask(self, op: str, *blobs: bytes, within_seconds: float, answer_bytes: int = 0, **fields: Any) -> Frame:
        """Say something and wait for what it says to that. Raises SlotDiedError."""
        number = next(self._ids)
        self._asked[number] = asyncio.get_running_loop().create_future()
        self._expected_bytes += answer_bytes
        try:
            async with asyncio.timeout(within_seconds):
                self.tell(op, *blobs, id=number, **fields)
                await self._writer.drain()
                frame = await self._asked[number]
        except (TimeoutError, OSError) as error:
            self.doubt(f"no answer to {op}: {error!r}")
            raise SlotDiedError(f"no answer to {op}") from error
        finally:
            self._asked.pop(number).cancel()
            self._expected_bytes -= answer_bytes
        if frame.op == "died":
            self.doubt(str(frame.fields.get("reason")))
            raise SlotDiedError(self.ended.result())
        return frame

    def submission(self, *rooms: Room) -> RemoteSubmission:
        """A fresh submission."""
        self.tell("open", rooms=frames.described_rooms(rooms))
        return RemoteSubmission(self)


class RemoteSubmission:
    """A submission that an agent holds. Its first program crosses the border once."""

    longest_series = 1

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._kept: Program | None = None

    async def run(self, run: Run, *, room: int = 0) -> Outcome:
        """Run a program once."""
        described, blobs = frames.described_run(run, with_program=run.program is not self._kept)
        outcome, *_ = await self._outcomes("run", (run,), blobs, run=described, room=room)
        return outcome

    async def run_series(self, program: Program, inputs: Sequence[bytes], limits: Limits) -> list[Outcome]:
        """Run the program on the first input."""
        return [await self.run(Run(program, inputs[0], limits))]

    async def run_joined(self, candidate: Run, asserting: Run) -> tuple[Outcome, Outcome]:
        """Run both at once."""
        one, blobs = frames.described_run(candidate, with_program=candidate.program is not self._kept)
        other, beside = frames.described_run(asserting)
        both = (candidate, asserting)
        first, second = await self._outcomes("join", both, [*blobs, *beside], runs=[one, other], border=len(blobs))
        return first, second

    async def _outcomes(self, op: str, wanted: Sequence[Run], blobs: list[bytes], **fields: Any) -> list[Outcome]:
        keep = self._kept is None
        if keep:
            self._kept = wanted[0].program
        frame = await self._agent.ask(
            op,
            *blobs,
            keep=keep,
            within_seconds=max(run.limits.wall for run in wanted) + _GRACE_SECONDS,
            answer_bytes=sum(frames.outcome_bytes(run.limits) for run in wanted),
            **fields,
        )
        try:
            return _read_outcomes(frame, len(wanted))
        except frames.MalformedError as error:
            self._agent.doubt(str(error))
            raise SlotDiedError(str(error)) from error

    async def close(self) -> None:
        """End the submission and wait until nothing of it is left."""
        try:
            frame = await self._agent.ask("close", within_seconds=_END_SECONDS)
        except SlotDiedError:
            return  # and what was in it ends with its container
        if frame.fields.get("alive") is not True:
            self._agent.doubt("its slot died")


def _read_outcomes(frame: Frame, count: int) -> list[Outcome]:
    described, border = frame.fields.get("outcomes"), frame.fields.get("border")
    if frame.op != "outcome" or not isinstance(described, list) or type(border) is not int or len(described) != count:
        raise frames.MalformedError("an answer that is no outcome")
    shares = (frame.blobs[:border], frame.blobs[border:])
    return [frames.read_outcome(one, blobs) for one, blobs in zip(described, shares, strict=False)]
