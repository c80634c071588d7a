"""Who gets a slot next.

Slots are granted in turns between the callers' keys (one key a request), first come first served within a key, so that
a request with a thousand programs and a request with one wait for each other's next program, not for each other's end.
A slot whose jail has died is started again before it is granted.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Final

from sandbox.runs import Slot, SlotDiedError

# Whose work this is. A server sets it once a request; without it everybody shares one turn.
request_key: Final[ContextVar[str]] = ContextVar("request_key", default="")
# When it must be done, in unix seconds; without it the backend decides.
request_expires: Final[ContextVar[float | None]] = ContextVar("request_expires", default=None)
# Whether somebody sits and waits for it: a queue lets it pass bulk.
request_urgent: Final[ContextVar[bool]] = ContextVar("request_urgent", default=False)

_Waiter = asyncio.Future[Slot]
_STARTS: Final = 3


class Dispatcher:
    """Hands out slots."""

    def __init__(self, slots: Sequence[Slot], *, rest_seconds: float = 0.0) -> None:
        self._count = len(slots)
        self._rest_seconds = rest_seconds
        self._idle = [(slot, -math.inf) for slot in slots]  # and since when, longest first
        self._waiting: OrderedDict[str, deque[_Waiter]] = OrderedDict()
        self._alone = asyncio.Lock()

    @property
    def busy(self) -> int:
        """How many slots are at work."""
        return self._count - len(self._idle)

    @property
    def waiting(self) -> int:
        """How many wait for a slot."""
        return sum(map(len, self._waiting.values()))

    def others_wait(self, slot: Slot) -> bool:
        """Whether somebody with another key waits."""
        return any(key != request_key.get() and queue for key, queue in self._waiting.items())

    @property
    def spare(self) -> bool:
        """Whether there is a slot that nobody waits for, and nobody has come for since it began to rest."""
        if not self._idle or self._waiting:
            return False
        return time.monotonic() - self._idle[0][1] >= self._rest_seconds

    def take_spare(self) -> Slot | None:
        """A slot that is spare; give it to `slot(granted)` at once."""
        return self._idle.pop(0)[0] if self.spare else None

    @asynccontextmanager
    async def slot(self, granted: Slot | None = None) -> AsyncIterator[Slot]:
        """A slot for as long as the block lasts, alive when the block begins."""
        own = granted if granted is not None else await self._acquire()
        try:
            if not own.alive:
                await _started(own)
            yield own
        finally:
            self._release(own)

    @asynccontextmanager
    async def everything(self) -> AsyncIterator[Slot]:
        """One slot, while all the others rest."""
        async with self._alone, contextlib.AsyncExitStack() as stack:
            slots = [await stack.enter_async_context(self.slot()) for _ in range(self._count)]
            yield slots[0]

    async def _acquire(self) -> Slot:
        if self._idle and not self._waiting:
            return self._idle.pop()[0]
        waiter: _Waiter = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(request_key.get(), deque()).append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._release(waiter.result())
            raise
        finally:
            self._forget(waiter)

    def _release(self, slot: Slot) -> None:
        while self._waiting:
            key, queue = next(iter(self._waiting.items()))
            waiter = queue.popleft()
            # To the end of the line, behind the other keys.
            del self._waiting[key]
            if queue:
                self._waiting[key] = queue
            if not waiter.done():
                waiter.set_result(slot)
                return
        self._idle.append((slot, time.monotonic()))

    def _forget(self, waiter: _Waiter) -> None:
        for key, queue in list(self._waiting.items()):
            if waiter in queue:
                queue.remove(waiter)
                if not queue:
                    del self._waiting[key]
                return


async def _started(slot: Slot) -> None:
    """Start a slot again; whatever ended its jail may meet the next one too, and that is no job's fault."""
    for _ in range(_STARTS - 1):
        try:
            await slot.start()
        except SlotDiedError:
            continue
        return
    await slot.start()
