"""A jail of this machine as a slot: sessions for the rooms of a submission, and runs in them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from sandbox import runner
from sandbox.inside import wire
from sandbox.models import Limits, Verdict
from sandbox.runs import Outcome, Program, Room, Run
from sandbox.slot import Session, Slot

_SHARED_MB: Final = 64  # at most, of what a process holds: the interpreter, and what was imported ahead


class JailSlot(Slot):
    """A slot in a jail."""

    runs_series = True
    rooms_apart = True  # whether the rooms of two submissions have nothing in common
    _last_rooms: tuple[Room, ...] = ()

    def submission(self, *rooms: Room) -> JailSubmission:
        """Open a session a room."""
        # Two alike are followed by a third, as a rule: it finds its room made.
        alike = rooms == self._last_rooms and not rooms[0].preload
        expected = rooms[0] if alike and self.rooms_apart else None
        self._last_rooms = rooms
        longest_series = wire.LONGEST_SERIES if self.runs_series else 1
        submission = JailSubmission(longest_series, lambda: self.prepare_next(expected))
        try:
            for room in rooms:
                submission.sessions.append(self._session_in(room))
        except BaseException:
            submission.abandon()
            raise
        return submission

    def _session_in(self, room: Room) -> Session:
        session = self.session()
        if session.room not in (None, room):
            session.abandon()
            session = self.session()
        if session.room is None:
            session.load(room)
        return session


class JailSubmission:
    """A submission in a jail; a session is a room.

    The init of the next one is started when this one is done: what runs is waited for, and starting it takes as long as
    two tests.
    """

    def __init__(self, longest_series: int, prepare_next: Callable[[], None]) -> None:
        self.longest_series = longest_series
        self.sessions: list[Session] = []
        self._prepare_next = prepare_next

    async def run(self, run: Run, *, room: int = 0) -> Outcome:
        """Run a program once."""
        return await runner.run(self.sessions[room], run.program, run.stdin, run.limits)

    async def run_series(self, program: Program, inputs: Sequence[bytes], limits: Limits) -> list[Outcome]:
        """Run a program on the first inputs."""
        return await runner.run_series(self.sessions[0], program, inputs, limits)

    async def run_joined(self, candidate: Run, asserting: Run) -> tuple[Outcome, Outcome]:
        """Run both at once. Each has its own limit of memory; the slot holds what both may have.

        The group tells only what both held. The program had at least what is left when all is taken off that the other
        one can have had.
        """
        slot_mb = candidate.limits.memory_mb + asserting.limits.memory_mb
        near, far = socket.socketpair()
        running: list[asyncio.Task[Outcome]] = []
        try:
            with near, far:
                running.append(self._start(candidate, 0, far, slot_mb=slot_mb))
                await asyncio.sleep(0)  # both descriptors are on their way before either copy here is closed
                running.append(self._start(asserting, 1, near, slot_mb=0))
                await asyncio.sleep(0)
            return _told_apart(candidate.limits, *await asyncio.gather(*running))
        finally:
            for task in running:
                task.cancel()

    def _start(self, run: Run, room: int, channel: socket.socket, *, slot_mb: int) -> asyncio.Task[Outcome]:
        running = runner.run(
            self.sessions[room], run.program, run.stdin, run.limits, channel=channel.fileno(), slot_mb=slot_mb
        )
        return asyncio.create_task(running)

    def abandon(self) -> None:
        """Let go of all of it at once."""
        for session in self.sessions:
            session.abandon()

    async def close(self) -> None:
        """End every session and wait until nothing of them is left."""
        self._prepare_next()
        self.abandon()  # all of them at once: a cancellation may come between two waits
        for session in self.sessions:
            await session.close()


def _told_apart(limits: Limits, candidate: Outcome, asserting: Outcome) -> tuple[Outcome, Outcome]:
    """The outcomes of two that shared a slot, each held to the limit of memory that both have."""
    verdict, message = runner.too_much_memory(limits)
    held = max(candidate.slot_mb - asserting.memory_mb, candidate.memory_mb - _SHARED_MB)
    if candidate.slot_mb and held > limits.memory_mb:
        return replace(candidate, verdict=verdict, message=message), asserting
    was_killed = asserting.unexplained and asserting.memory_mb > limits.memory_mb
    if was_killed and candidate.verdict is verdict and candidate.exit_code == 0:  # it was this one of both
        candidate = replace(candidate, verdict=Verdict.ACCEPTED, message=None)
        asserting = replace(asserting, verdict=verdict, message=message, unexplained=False)
    return candidate, asserting
