"""Turns on the event loop: of many pieces of work that are ready at once, one runs, then the loop sees to its sockets.

Guaranteed: between two pieces taken through one `Turns` the loop has gone round once. Not promised: that a piece is
short; whoever takes a turn cuts its work into pieces.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

# How long one turn may hold the loop. A tenth of what a probe of /healthz is promised, so that several kinds of work
# may have their turns in one round.
TURN_SECONDS = 0.005

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Turns:
    """One at a time, in the order of asking."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def take(self, work: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Do `work` when its turn comes."""
        async with self._lock:
            done = work(*args, **kwargs)
            await asyncio.sleep(0)
            return done

    async def take_long(self, work: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Do `work` in a thread when its turn comes."""
        async with self._lock:
            return await asyncio.to_thread(work, *args, **kwargs)

    async def all(self, steps: Iterator[object]) -> None:
        """Go through `steps` to their end, as many in a turn as there is time for."""
        while await self.take(_some, steps):
            pass


def _some(steps: Iterator[object]) -> bool:
    """Take steps for the time of one turn; say whether more are left."""
    ends = time.monotonic() + TURN_SECONDS
    return any(time.monotonic() >= ends for _ in steps)
