"""Who gets a slot next.

Slots are granted in turns between the callers' keys (one key a request), first come first served within a key, so that
a request with a thousand programs and a request with one wait for each other's next program, not for each other's end.

Behind slow tests even that is long. One more slot, the express slot, is lent for a moment, and another is paused for as
long: when nothing that runs is quick, to the first in the line that has no slot and had little of this one. The
borrower keeps its place in the line. When its turn comes, the slot is its own, and the one that became free is the
express slot; when the moment is over before that, it is taken back and what ran there is run again in its turn.

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
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from sandbox.runs import Slot, SlotDiedError

# Whose work this is. A server sets it once a request; without it everybody shares one turn.
request_key: Final[ContextVar[str]] = ContextVar("request_key", default="")
# When it must be done, in unix seconds; without it the backend decides.
request_expires: Final[ContextVar[float | None]] = ContextVar("request_expires", default=None)
# Whether somebody sits and waits for it: a queue lets it pass bulk.
request_urgent: Final[ContextVar[bool]] = ContextVar("request_urgent", default=False)

_STARTS: Final = 3
_SLOW_SECONDS: Final = 0.01  # what has not ended by then is slow, where nothing else is expected of it


class TakenBackError(Exception):
    """The slot was lent, and the time is over."""


class Turn(Enum):
    """Where somebody stands who waits for a slot."""

    LAST = auto()
    BEGUN = auto()  # before what his own caller has not begun: what is begun holds more, and is the nearest to its end
    AT_ONCE = auto()  # before everybody: it goes on with a turn


class Grant:
    """A slot that somebody has."""

    def __init__(self, slot: Slot, caller: _Caller) -> None:
        self.slot = slot
        self.caller = caller
        self.taken_back = False
        self.pauses = 0
        self.quick_until = time.monotonic() + _SLOW_SECONDS
        self._began = time.monotonic()
        self._ends: float | None = None  # by the clock of the loop
        self._running: asyncio.Timeout | None = None

    @property
    def lent(self) -> bool:
        """Whether it is the express slot."""
        return self._ends is not None

    def lend(self, seconds: float) -> None:
        """It is to be given back after so long."""
        self._ends = asyncio.get_running_loop().time() + seconds

    def expect(self, seconds: float = _SLOW_SECONDS) -> None:
        """Something is going to end within so long; if it does not, it is slow."""
        self.quick_until = time.monotonic() + seconds

    def keep(self) -> bool:
        """It is not lent any more, unless it is being taken back."""
        if self.taken_back or (self._running is not None and self._running.expired()):
            return False
        self._ends = None
        if self._running is not None:
            self._running.reschedule(None)
        return True

    @property
    def age(self) -> float:
        """Seconds since it was granted."""
        return time.monotonic() - self._began

    @asynccontextmanager
    async def while_granted(self) -> AsyncIterator[None]:
        """End what is in the block when the slot is taken back: TakenBackError."""
        try:
            async with asyncio.timeout_at(self._ends) as self._running:
                yield
        except TimeoutError:
            if self._running is None or not self._running.expired():
                raise
            self.taken_back = True
            raise TakenBackError from None
        finally:
            self._running = None


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    granted: asyncio.Future[Grant]
    may_borrow: bool


@dataclass(slots=True, eq=False)
class _Caller:
    """Whose work it is: somebody with a key, for as long as he has slots or waits for one."""

    key: str
    waiting: deque[_Waiter] = field(default_factory=deque)
    slots: int = 0
    lent_seconds: float = 0.0
    keeps_place: bool = False  # what he borrowed was taken back, and he is about to wait again


class Dispatcher:
    """Hands out slots. `express` is lent for `express_seconds` to each caller at most."""

    def __init__(
        self,
        slots: Sequence[Slot],
        *,
        express: Slot | None = None,
        express_seconds: float = 0.0,
        rest_seconds: float = 0.0,
    ) -> None:
        self._count = len(slots)
        self._rest_seconds = rest_seconds
        self._idle = [(slot, -math.inf) for slot in slots]  # and since when, longest first
        self._callers: OrderedDict[str, _Caller] = OrderedDict()  # the line
        self._express = express  # while nobody has it
        self._express_seconds = express_seconds
        self._borrower: Grant | None = None
        self._paused: Grant | None = None  # meanwhile
        self._express_is_back = asyncio.Event()
        self._looking: asyncio.TimerHandle | None = None
        self._out: set[Grant] = set()  # of the slots at work, but for the express slot
        self._alone = asyncio.Lock()

    @property
    def busy(self) -> int:
        """How many slots are at work."""
        return self._count - len(self._idle)

    @property
    def lending(self) -> bool:
        """Whether somebody has the express slot, and another is paused."""
        return self._borrower is not None

    @property
    def waiting(self) -> int:
        """How many wait for a slot."""
        return sum(len(caller.waiting) for caller in self._callers.values())

    @property
    def others_wait(self) -> bool:
        """Whether somebody with another key waits."""
        return any(key != request_key.get() and caller.waiting for key, caller in self._callers.items())

    @property
    def spare(self) -> bool:
        """Whether there is a slot that nobody waits for, and nobody has come for since it began to rest."""
        if not self._idle or self.waiting:
            return False
        return time.monotonic() - self._idle[0][1] >= self._rest_seconds

    def take_spare(self) -> Slot | None:
        """A slot that is spare; give it to `slot(taken)` at once."""
        return self._idle.pop(0)[0] if self.spare else None

    @asynccontextmanager
    async def slot(
        self, taken: Slot | None = None, *, may_borrow: bool = False, turn: Turn = Turn.LAST
    ) -> AsyncIterator[Grant]:
        """A slot for as long as the block lasts, alive when the block begins.

        Who `may_borrow` runs in `Grant.while_granted`, and may be given the express slot.
        """
        key = request_key.get()
        caller = self._callers.setdefault(key, _Caller(key))
        grant = self._granted(taken, caller) if taken is not None else await self._acquire(caller, may_borrow, turn)
        try:
            if not grant.slot.alive:
                await _started(grant.slot)
            yield grant
        finally:
            self._release(grant)

    @asynccontextmanager
    async def everything(self) -> AsyncIterator[Grant]:
        """One slot, while all the others rest."""
        async with self._alone, contextlib.AsyncExitStack() as stack:
            grants = [await stack.enter_async_context(self.slot(turn=Turn.BEGUN)) for _ in range(self._count)]
            while self._borrower is not None:
                self._express_is_back.clear()
                await self._express_is_back.wait()
            yield grants[0]
        self._look()

    async def _acquire(self, caller: _Caller, may_borrow: bool, turn: Turn) -> Grant:
        kept, caller.keeps_place = caller.keeps_place, False
        if self._idle and not self.waiting:
            return self._granted(self._idle.pop()[0], caller)
        if turn is Turn.AT_ONCE:
            self._callers.move_to_end(caller.key, last=False)
        elif not caller.waiting and not kept:
            self._callers.move_to_end(caller.key)
        waiter = _Waiter(asyncio.get_running_loop().create_future(), may_borrow)
        if turn is Turn.LAST:
            caller.waiting.append(waiter)
        else:
            caller.waiting.appendleft(waiter)
        if self._looking is None:
            self._look()
        try:
            return await waiter.granted
        except asyncio.CancelledError:
            if waiter.granted.done() and not waiter.granted.cancelled():
                self._release(waiter.granted.result())
            raise
        finally:
            with contextlib.suppress(ValueError):
                caller.waiting.remove(waiter)

    def _granted(self, slot: Slot, caller: _Caller) -> Grant:
        caller.slots += 1
        grant = Grant(slot, caller)
        self._out.add(grant)
        return grant

    def _release(self, grant: Grant) -> None:
        grant.caller.slots -= 1
        self._out.discard(grant)
        if grant is self._paused:
            self._resume()
        if grant is self._borrower:
            self._express_back(grant.slot)
        else:
            self._free(grant.slot)

    def _free(self, slot: Slot) -> None:
        """Give a slot to the next in the line, who goes to the end of it."""
        if self._borrower is not None and self._paused is None and self._swapped(self._borrower, slot):
            return  # whoever was paused for it is gone: it takes that place
        for caller in list(self._callers.values()):
            borrower = self._borrower
            if borrower is not None and borrower.caller is caller and self._swapped(borrower, slot):
                return
            while caller.waiting:
                waiter = caller.waiting.popleft()
                if not waiter.granted.done():
                    self._callers.move_to_end(caller.key)
                    waiter.granted.set_result(self._granted(slot, caller))
                    self._look()
                    return
            self._forget_if_gone(caller)
        self._idle.append((slot, time.monotonic()))

    def _swapped(self, borrower: Grant, slot: Slot) -> bool:
        """Let the borrower keep what it has, for a slot that has become free. Not where it is being taken back."""
        if not borrower.keep():
            return False
        self._callers.move_to_end(borrower.caller.key)
        self._out.add(borrower)
        self._express_back(slot)
        return True

    def _resume(self) -> None:
        if self._paused is not None:
            self._paused.slot.resume()
            self._paused = None

    def _express_back(self, slot: Slot) -> None:
        self._resume()
        borrower, self._borrower = self._borrower, None
        assert borrower is not None
        borrower.caller.lent_seconds += borrower.age
        borrower.caller.keeps_place = borrower.taken_back
        if not borrower.taken_back:
            self._forget_if_gone(borrower.caller)
        self._express = slot
        self._express_is_back.set()
        self._look()

    def _forget_if_gone(self, caller: _Caller) -> None:
        if not caller.slots and not caller.waiting:
            del self._callers[caller.key]

    def _look(self) -> None:
        """Lend the express slot if somebody waits behind slow tests; where tests are quick, look again later."""
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        if self._express is None or not self.waiting or self._alone.locked():
            return
        pause = max(grant.quick_until for grant in self._out) - time.monotonic() if self._out else 0.0
        if pause > 0:
            self._looking = asyncio.get_running_loop().call_later(pause, self._look)
            return
        for caller in self._callers.values():
            if caller.slots == 0 and caller.lent_seconds < self._express_seconds and self._lend(caller):
                return

    def _lend(self, caller: _Caller) -> bool:
        waiter = next((one for one in caller.waiting if one.may_borrow and not one.granted.done()), None)
        if waiter is None or self._express is None:
            return False
        for grant in sorted(self._out, key=lambda grant: grant.pauses):
            if grant.slot.pause():
                grant.pauses += 1
                self._paused = grant
                break
        else:
            return False
        caller.waiting.remove(waiter)
        self._borrower = self._granted(self._express, caller)
        self._borrower.lend(self._express_seconds)
        self._out.discard(self._borrower)
        self._express = None
        waiter.granted.set_result(self._borrower)
        return True


async def _started(slot: Slot) -> None:
    """Start a slot again; whatever ended its jail may meet the next one too, and that is no job's fault."""
    for _ in range(_STARTS - 1):
        try:
            await slot.start()
        except SlotDiedError:
            continue
        return
    await slot.start()
