"""A jail of this machine as a slot: sessions for the rooms of a submission, and runs in them."""

from __future__ import annotations

import asyncio
import socket

from sandbox import runner
from sandbox.runs import Outcome, Room, Run
from sandbox.slot import Session, Slot


class JailSlot(Slot):
    """A slot in a jail."""

    def submission(self, *rooms: Room) -> JailSubmission:
        """Open a session a room, and start the init of the next submission ahead of time."""
        submission = JailSubmission()
        try:
            for room in rooms:
                session = self.session()
                submission.sessions.append(session)
                session.load(root=room.root, disk_bytes=room.disk_bytes, preload=room.preload)
        except BaseException:
            submission.abandon()
            raise
        self.prepare_next()
        return submission


class JailSubmission:
    """A submission in a jail; a session is a room."""

    def __init__(self) -> None:
        self.sessions: list[Session] = []

    async def run(self, run: Run, *, room: int = 0) -> Outcome:
        """Run a program once."""
        return await runner.run(self.sessions[room], run.program, run.stdin, run.limits)

    async def run_joined(self, candidate: Run, asserting: Run) -> tuple[Outcome, Outcome]:
        """Run both at once; what the second uses is not counted."""
        near, far = socket.socketpair()
        with near, far:
            first = self._start(candidate, 0, far)
            await asyncio.sleep(0)  # both descriptors are on their way before either copy here is closed
            second = self._start(asserting, 1, near)
            await asyncio.sleep(0)
        try:
            return await asyncio.gather(first, second)
        finally:
            for task in (first, second):
                task.cancel()

    def _start(self, run: Run, room: int, channel: socket.socket) -> asyncio.Task[Outcome]:
        running = runner.run(
            self.sessions[room], run.program, run.stdin, run.limits, channel=channel.fileno(), counted=room == 0
        )
        return asyncio.create_task(running)

    def abandon(self) -> None:
        """Let go of all of it at once."""
        for session in self.sessions:
            session.abandon()

    async def close(self) -> None:
        """End every session and wait until nothing of them is left."""
        self.abandon()  # all of them at once: a cancellation may come between two waits
        for session in self.sessions:
            await session.close()
