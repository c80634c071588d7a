"""Verdicts that are known already, and equal jobs at the same time: judged once, whoever asks.

Two jobs are equal when their program, language, tests, limits and checker are (`judge.examine`). What is remembered is
a verdict that another run would give again: none that a limit decided, none that came near one, and never an error.
Across machines (`sandbox.shared_verdicts`) a verdict is bound to what judged it as well: `verdict_key`.
Not promised: that a program which draws random numbers would have ended the same way twice. It is judged once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

from sandbox.cache import ProgramCache
from sandbox.coalesce import Coalesced
from sandbox.models import JudgeJob, JudgeResult, Limits, TestResult, Verdict

# Raised when our own judging changes so that a verdict may move: what older versions remembered then counts no more.
_JUDGING: Final = b"2"
_NEAR: Final = 0.8  # of a limit: from here on a busier machine, or a luckier run, may decide


class CacheObserver(Protocol):
    """Who is told where a verdict came from."""

    def cache_hit(self, where: str) -> None:
        """A job was not run: `memory`, `redis`, or `coalesced` with an equal one."""


class Unobserved:
    """Tells nobody."""

    def cache_hit(self, where: str) -> None:
        """Nobody counts."""


def depends_on_luck(job: JudgeJob, result: JudgeResult) -> bool:
    """Whether another run might end differently, because a limit of time or memory decided or was near."""
    if result.verdict is Verdict.COMPILE_ERROR:
        return result.compiler_limited
    return any(_lucky(test, job.limits) for test in result.tests)


def _lucky(test: TestResult, limits: Limits) -> bool:
    return (
        test.verdict in (Verdict.TIME_LIMIT_EXCEEDED, Verdict.MEMORY_LIMIT_EXCEEDED)
        or test.cpu_seconds >= _NEAR * limits.cpu_seconds
        or test.wall_seconds >= _NEAR * limits.wall
        or test.memory_mb >= _NEAR * limits.memory_mb
    )


def verdict_key(digest: bytes, *judged_by: str) -> bytes:
    """Name the verdict that judges of these identities give to the job of this digest."""
    return bytes.fromhex(ProgramCache.key(_JUDGING, digest, *(identity.encode() for identity in judged_by)))


class Verdicts:
    """The verdicts of one process: those it has, at most `remembered`, and those that are on their way."""

    def __init__(self, remembered: int, observer: CacheObserver | None = None) -> None:
        self._remembered = remembered
        self._observer = observer or Unobserved()
        self._known: OrderedDict[bytes, JudgeResult] = OrderedDict()
        self._judging: Coalesced[bytes, JudgeResult] = Coalesced()

    async def once(
        self, key: bytes, job: JudgeJob, judge: Callable[[], Coroutine[Any, Any, JudgeResult]]
    ) -> JudgeResult:
        """The verdict that is known, or that of the run under way, or that of `judge()`.

        The last one to lose interest cancels the run.
        """
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
            self._observer.cache_hit("memory")
            return known
        if key in self._judging:
            self._observer.cache_hit("coalesced")
        return await self._judging.once(key, lambda: self._judged(key, job, judge))

    async def close(self) -> None:
        """End every run that is under way."""
        await self._judging.close()

    async def _judged(
        self, key: bytes, job: JudgeJob, judge: Callable[[], Coroutine[Any, Any, JudgeResult]]
    ) -> JudgeResult:
        result = await judge()
        if self._remembered and not depends_on_luck(job, result):
            self._known[key] = result
            while len(self._known) > self._remembered:
                self._known.popitem(last=False)
        return result
