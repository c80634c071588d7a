"""Work that several wait for and that is done once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from sandbox.models import SandboxUnavailableError

_Key = TypeVar("_Key")
_Result = TypeVar("_Result")


class Coalesced(Generic[_Key, _Result]):
    """Tasks by key, each for all who wait for it."""

    def __init__(self) -> None:
        self._running: dict[_Key, asyncio.Task[_Result]] = {}
        self._interested: dict[asyncio.Task[_Result], int] = {}

    def __contains__(self, key: _Key) -> bool:
        return key in self._running

    async def once(self, key: _Key, begin: Callable[[], Coroutine[Any, Any, _Result]]) -> _Result:
        """The result of the work under way, or of `begin()`. The last one to lose interest cancels it."""
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(begin())
            task.add_done_callback(lambda done: self._forget(key, done))
        self._interested[task] = self._interested.get(task, 0) + 1
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise SandboxUnavailableError("the judge is closing") from None
            if self._interested[task] == 1:
                self._forget(key, task)  # whoever comes from here on does not join what is ending
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task
            raise
        finally:
            self._interested[task] -= 1
            if not self._interested[task]:
                del self._interested[task]

    async def close(self) -> None:
        """End all that is under way."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, key: _Key, task: asyncio.Task[_Result]) -> None:
        if self._running.get(key) is task:
            del self._running[key]
