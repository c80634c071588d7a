"""How long work may take: until its own deadline, or until the server must end if that is sooner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Deadline:
    """Gives every piece of work `seconds`; `end_within` shortens that for what is open and for what still comes."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._open: set[asyncio.Timeout] = set()
        self._end: float | None = None

    @property
    def ending(self) -> bool:
        """The server has been told to end."""
        return self._end is not None

    def starting_now(self) -> float:
        """The loop's time by which work that starts now must be done."""
        by = asyncio.get_running_loop().time() + self.seconds
        return by if self._end is None else min(by, self._end)

    @asynccontextmanager
    async def until(self, when: float) -> AsyncIterator[None]:
        """Cancel the block at `when` and raise TimeoutError."""
        async with asyncio.timeout_at(when if self._end is None else min(when, self._end)) as timeout:
            self._open.add(timeout)
            try:
                yield
            finally:
                self._open.discard(timeout)

    def end_within(self, seconds: float) -> None:
        """Let nothing take longer than that from now on."""
        self._end = asyncio.get_running_loop().time() + seconds
        for timeout in self._open:
            when = timeout.when()
            if when is None or when > self._end:
                timeout.reschedule(self._end)
