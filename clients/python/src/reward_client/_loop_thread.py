"""An event loop in a thread of its own, so that blocking code can use asynchronous code.

The thread is a daemon. It ends with `close`, or when its owner is collected or the interpreter exits: what runs is
cancelled, then `last` is awaited. A fork takes no threads along: `forked` says that this process is not the one that
started it, and nothing here touches the loop of a parent, whose file descriptors are shared with the child.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

_T = TypeVar("_T")

# Closing sockets takes milliseconds; a process that exits is not held up by more than this.
_PATIENCE_SECONDS = 5.0


class LoopThread:
    """Runs coroutines for other threads."""

    def __init__(self, *, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="reward-client", daemon=True)
        self._thread.start()
        self._finalizer = weakref.finalize(self, _stop, self._loop, self._thread, self._pid, last)

    @property
    def forked(self) -> bool:
        """Whether the thread was left behind in another process."""
        return self._pid != os.getpid()

    def submit(self, work: Coroutine[Any, Any, _T]) -> Future[_T]:
        """Start a coroutine; cancelling the future cancels it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        """Cancel what runs and end the thread."""
        self._finalizer()


def _stop(
    loop: asyncio.AbstractEventLoop,
    thread: threading.Thread,
    pid: int,
    last: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    if pid != os.getpid():
        return
    asyncio.run_coroutine_threadsafe(_wind_up(loop, last), loop)
    # The collector may call this in the very thread that would be waited for.
    if thread is not threading.current_thread():
        thread.join(_PATIENCE_SECONDS)
        if not thread.is_alive():
            loop.close()


async def _wind_up(loop: asyncio.AbstractEventLoop, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
    try:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await loop.shutdown_asyncgens()
        await last()
    finally:
        loop.stop()
