"""The sandbox inside a container: one slot, driven over standard input and output.

`python -m sandbox agent` starts a slot of whatever tier the container allows, shows that it holds, says `ready` and
then answers: `open` a submission, `run` a program in it, `join` two, `close` it. It gets programs and inputs; expected
outputs stay with the server, save those that a task's own checker program reads. Every second it says that it lives.

Nothing else writes to standard output, which is the protocol. The end of standard input is the end of the agent and,
as it is the container's first process, of everything in it. Two byte streams are all it needs, so it works the same
under run-times that share no sockets with the host.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

from sandbox import frames
from sandbox.frames import Frame
from sandbox.host import Isolation
from sandbox.local import LocalSettings, LocalSlots
from sandbox.models import SandboxUnavailableError
from sandbox.pool import Opened
from sandbox.runs import Outcome, Program, Run, Slot, SlotDiedError, Submission

log = logging.getLogger(__name__)

_BEAT_SECONDS: Final = 1.0


def main(cache_dir: Path, isolation: Isolation) -> int:
    """Serve until standard input ends. Returns 1 where this container does not isolate."""
    # A print of a library must not get into the protocol: what is called standard output now is standard error.
    protocol = os.dup(1)
    os.dup2(2, 1)
    return asyncio.run(_serve(LocalSettings(cache_dir, workers=1, isolation=isolation), protocol))


async def _serve(settings: LocalSettings, protocol: int) -> int:
    reader, writer = await _streams(protocol)
    source = LocalSlots(settings)
    serving = asyncio.current_task()
    assert serving is not None
    # A container's first process has no default action for signals: without a handler it would outlive `docker stop`.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
    try:
        opened = await source.open()
        await _Agent(reader, writer, opened, source.tier).serve()
    except SandboxUnavailableError as error:
        writer.writelines(frames.encode("unfit", reason=str(error)))
        await writer.drain()
        return 1
    except (ConnectionError, asyncio.CancelledError):
        return 0
    finally:
        await source.close()
    return 0


async def _streams(protocol: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    transport, flow = await loop.connect_write_pipe(
        lambda: asyncio.streams.FlowControlMixin(loop=loop), os.fdopen(protocol, "wb", buffering=0)
    )
    return reader, asyncio.StreamWriter(transport, flow, None, loop)


class _Agent:
    """Obeys one server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, opened: Opened, tier: str) -> None:
        self._reader = reader
        self._writer = writer
        self._slot: Slot = opened.slots[0]
        self._ready = {"tools": frames.described_tools(opened.tools), "tier": tier}
        self._submission: Submission | None = None
        self._kept: Program | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._tasks = asyncio.TaskGroup()

    async def serve(self) -> None:
        """Answer until the server goes. Whatever fails ends the agent: the server has others."""
        try:
            async with self._tasks:
                await self._send("ready", **self._ready)
                beating = self._tasks.create_task(self._beat())
                await self._obey_all()
                for task in (beating, *self._running):
                    task.cancel()
        except* ConnectionError:  # the server has gone while it was told something
            pass

    async def _obey_all(self) -> None:
        while True:
            try:
                frame = await frames.receive(self._reader)
            except EOFError:
                return
            await self._obey(frame)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            await self._send("beat")

    async def _obey(self, frame: Frame) -> None:
        if frame.op == "open":
            self._open(frame)
        elif frame.op == "run":
            self._start(frame, self._run(frame))
        elif frame.op == "join":
            self._start(frame, self._join(frame))
        elif frame.op == "close":
            await self._close(frame)
        else:
            raise frames.MalformedError(f"an order that is none: {frame.op}")

    def _open(self, frame: Frame) -> None:
        if self._submission is not None:
            raise frames.MalformedError("a submission beside another")
        # Where that fails the runs say so.
        try:
            self._submission = self._slot.submission(*frames.read_rooms(frame.fields["rooms"]))
        except SlotDiedError as error:
            log.warning("no submission: %s", error)

    def _start(self, frame: Frame, work: Coroutine[Any, Any, None]) -> None:
        task = self._tasks.create_task(self._answered(frame, work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _answered(self, frame: Frame, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except SlotDiedError as error:
            await self._send("died", id=frame.fields["id"], reason=str(error))

    async def _run(self, frame: Frame) -> None:
        run = frames.read_run(frame.fields["run"], frame.blobs, self._kept)
        if frame.fields["keep"]:
            self._kept = run.program
        outcome = await self._opened().run(run, room=frame.fields["room"])
        await self._tell(frame, outcome)

    async def _join(self, frame: Frame) -> None:
        one, other = frame.fields["runs"]
        border = frame.fields["border"]
        candidate = self._read(one, frame.blobs[:border])
        asserting = self._read(other, frame.blobs[border:])
        if frame.fields["keep"]:
            self._kept = candidate.program
        await self._tell(frame, *await self._opened().run_joined(candidate, asserting))

    def _read(self, described: dict[str, Any], blobs: tuple[bytes, ...]) -> Run:
        return frames.read_run(described, blobs, self._kept)

    def _opened(self) -> Submission:
        if self._submission is None:
            raise SlotDiedError("no submission was opened")
        return self._submission

    async def _tell(self, frame: Frame, *outcomes: Outcome) -> None:
        described = [frames.described_outcome(outcome) for outcome in outcomes]
        blobs = [blob for _, beside in described for blob in beside]
        border = len(described[0][1])
        await self._send(
            "outcome", *blobs, id=frame.fields["id"], outcomes=[one for one, _ in described], border=border
        )

    async def _close(self, frame: Frame) -> None:
        """End the submission, whatever runs in it."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        submission, self._submission, self._kept = self._submission, None, None
        if submission is not None:
            await submission.close()
        await self._send("closed", id=frame.fields["id"], alive=self._slot.alive)

    async def _send(self, op: str, *blobs: bytes, **fields: Any) -> None:
        # Written in one go, before anything else can run: two answers never mix.
        self._writer.writelines(frames.encode(op, *blobs, **fields))
        await self._writer.drain()
