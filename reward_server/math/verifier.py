"""Verify a math answer: the cheap rungs here, the expensive ones in killable processes.

Guaranteed: the same verdict for the same pair, references and settings at any load; nothing of an answer is evaluated
as code; the event loop is never held for longer than the cheap rungs need, which is bounded; a pair that is in work is
not worked on twice, and recent verdicts are kept. Our own failures raise; they are never a verdict.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from pydantic import TypeAdapter

from reward_server.math import ladder
from reward_server.math.extract import is_blank
from reward_server.math.models import (
    BadReferenceError,
    MathSettings,
    MathUnavailableError,
    MathVerdict,
    Verification,
)
from reward_server.workers import (
    CpuLimitError,
    CrashError,
    JsonValue,
    MemoryLimitError,
    PoolSettings,
    PoolUnavailableError,
    TaskError,
    WorkerPool,
)

_VERIFICATION = TypeAdapter(Verification)
_LONGEST_REMEMBERED = 2_000  # characters; what is kept is bounded in bytes, not in number alone
_Key = tuple[str, str, MathSettings]


@dataclass(frozen=True, slots=True)
class MathHealth:
    """Whether answers can be verified now, and in what state the workers are."""

    ready: bool
    detail: str


class MathVerifier:
    """The door to math verification, for one event loop. `start` it, `close` it."""

    def __init__(self, *, workers: int = 2, memory_mb: int = 512, remembered_pairs: int = 16_384) -> None:
        self._pool = WorkerPool(
            PoolSettings(module="reward_server.math.worker", workers=workers, memory_bytes=memory_mb * 1024 * 1024)
        )
        self._size = workers
        self._remembered_pairs = remembered_pairs
        self._verdicts: OrderedDict[_Key, Verification] = OrderedDict()
        self._under_way: dict[_Key, asyncio.Task[Verification]] = {}
        self._waiting: Counter[asyncio.Task[Verification]] = Counter()

    async def start(self) -> None:
        """Warm the workers up.

        Raises:
            MathUnavailableError: they do not start.
        """
        try:
            await self._pool.start()
        except PoolUnavailableError as error:
            raise MathUnavailableError(str(error)) from error

    async def close(self) -> None:
        """End what is under way and every process that was started."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._pool.close()

    @property
    def process_ids(self) -> tuple[int, ...]:
        """The worker processes, for diagnosis and for tests that kill them."""
        return self._pool.process_ids

    def health(self) -> MathHealth:
        """Say at once whether answers can be verified."""
        alive = len(self.process_ids)
        return MathHealth(ready=self._pool.ready, detail=f"{alive} of {self._size} workers warm")

    def check(self, references: Sequence[str]) -> None:
        """Refuse references that nobody can compare with anything; cheap, since what was read of one is kept.

        Raises:
            BadReferenceError: none of them can be.
        """
        _usable(references)

    async def verify(
        self, *, answer: str | None, references: Sequence[str], settings: MathSettings, others: Sequence[str] = ()
    ) -> Verification:
        """Compare an answer with the references, of which any may match.

        With `settings.boxed == "agree"` every one of `others`, the earlier boxes of the completion, must match as well.

        Raises:
            BadReferenceError: no reference can be compared with anything, or one cannot and the others do not match.
            MathUnavailableError: we failed; nothing is known about the answer.
        """
        usable = _usable(references)
        if answer is None or is_blank(answer):
            return Verification(MathVerdict.NO_ANSWER, "extraction", "there is no answer in the box")
        found = await self._against_any(usable, answer, settings)
        if found.verdict is not MathVerdict.CORRECT and len(usable) < len(references):
            # Whether the answer is that of the reference which cannot be read, nobody knows.
            raise BadReferenceError(_problems(references))
        if settings.boxed == "agree" and found.verdict is MathVerdict.CORRECT:
            for other in others:
                earlier = await self._against_any(usable, other, settings)
                if earlier.verdict is not MathVerdict.CORRECT:
                    return Verification(MathVerdict.INCORRECT, "boxes", "another box holds another answer")
        return found

    async def _against_any(self, references: Sequence[str], answer: str, settings: MathSettings) -> Verification:
        found: list[Verification] = []
        for reference in references:
            verification = await self._pair(reference, answer, settings)
            if verification.verdict is MathVerdict.CORRECT:
                return verification
            found.append(verification)
        return next((one for one in found if one.verdict is MathVerdict.MATH_TIMEOUT), found[0])

    async def _pair(self, reference: str, answer: str, settings: MathSettings) -> Verification:
        key = (reference, answer, settings)
        known = self._verdicts.get(key)
        if known is not None:
            self._verdicts.move_to_end(key)
            return known
        decision = ladder.compare(reference, answer, settings)
        if decision is not None:
            self._remember(key, decision)
            return decision
        return await self._shared(key)

    async def _shared(self, key: _Key) -> Verification:
        """Join whoever has this pair compared already; when the last one gives up, the comparison ends with it."""
        task = self._under_way.get(key)
        if task is None or task.cancelling():
            task = asyncio.get_running_loop().create_task(self._in_worker(key))
            self._under_way[key] = task
        self._waiting[task] += 1
        try:
            # Shielded: one of several may give up without taking it from the others.
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.cancelled() or _is_being_cancelled():
                raise
            raise MathUnavailableError("the verifier was closed") from None
        finally:
            self._waiting[task] -= 1
            if not self._waiting[task]:
                del self._waiting[task]
                if self._under_way.get(key) is task:
                    del self._under_way[key]
                task.cancel()

    async def _in_worker(self, key: _Key) -> Verification:
        reference, answer, settings = key
        task: JsonValue = {"reference": reference, "answer": answer, "settings": asdict(settings)}
        try:
            result = await self._pool.run(task, cpu_seconds=settings.cpu_seconds)
        except CpuLimitError:
            reason = f"the comparison used up its {settings.cpu_seconds:g} s of CPU time"
            verification = Verification(MathVerdict.MATH_TIMEOUT, "limit", reason)
        except MemoryLimitError:
            verification = Verification(MathVerdict.MATH_TIMEOUT, "limit", "the comparison used up its memory")
        except CrashError:
            verification = Verification(MathVerdict.MATH_TIMEOUT, "limit", "the comparison overflowed the stack")
        except (PoolUnavailableError, TaskError) as error:
            raise MathUnavailableError(str(error)) from error
        else:
            assert isinstance(result, dict)
            verification = _VERIFICATION.validate_python(result)
        self._remember(key, verification)
        return verification

    def _remember(self, key: _Key, verification: Verification) -> None:
        if len(key[0]) + len(key[1]) > _LONGEST_REMEMBERED:
            return
        self._verdicts[key] = verification
        if len(self._verdicts) > self._remembered_pairs:
            self._verdicts.popitem(last=False)


def _usable(references: Sequence[str]) -> list[str]:
    usable = [reference for reference in references if ladder.reference_problem(reference) is None]
    if not usable:
        raise BadReferenceError(_problems(references) or "none")
    return usable


def _problems(references: Sequence[str]) -> str:
    return "; ".join(problem for text in references if (problem := ladder.reference_problem(text)) is not None)


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
