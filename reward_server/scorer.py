"""The straight line from a batch of rollouts to its rewards.

What is promised: one result a rollout, whatever happens to it or to its neighbours. A rollout that we could not judge
is unscored with an error, never 0. The batch ends by its deadline. Nothing here reads settings or the environment.
Not promised: that the caller's event loop is free while one rollout is parsed; parsing is linear and takes turns.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import cached_property
from typing import ParamSpec, Protocol, TypeVar

from language_id.consistency import check
from language_id.detector import LanguageDetector
from reward_server import completion as completions
from reward_server.completion import Completion
from reward_server.deadline import Deadline
from reward_server.math.models import BadReferenceError, MathUnavailableError
from reward_server.math.verifier import MathVerifier
from reward_server.models import (
    CodeTask,
    Component,
    ErrorKind,
    MathTask,
    Result,
    Rollout,
    RolloutError,
    Status,
    TestSummary,
)
from reward_server.presets import LengthRules, Preset
from reward_server.rewards import code, combine, math
from reward_server.rewards import format as format_rule
from reward_server.rewards.correctness import AnswerVerdict, Correctness
from reward_server.rewards.draw import group_label
from reward_server.rewards.length import soft_length_penalty
from reward_server.rewards.tasks import Tasks
from reward_server.turns import Turns
from sandbox.models import BadJobError, JobFailedError, Judge, QueueFullError, SandboxUnavailableError

log = logging.getLogger(__name__)

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Observer(Protocol):
    """Who is told of every result, to count it."""

    def rollout(self, kind: str, result: Result, seconds: float) -> None:
        """One rollout of this task kind took so long."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rollouts under one preset; `seed` decides which tests are drawn."""

    preset: Preset
    seed: str
    rollouts: Sequence[Rollout]


class Scorer:
    """Scores batches with the parts it is given; holds no state of its own."""

    def __init__(
        self,
        *,
        verifier: MathVerifier,
        judge: Judge,
        detector: LanguageDetector,
        deadline: Deadline,
        observer: Observer,
    ) -> None:
        self._verifier = verifier
        self._judge = judge
        self._detector = detector
        self._deadline = deadline
        self._observer = observer
        self._turns = Turns()
        self._readings = Turns()

    async def score(self, batch: Batch) -> list[Result]:
        """Return the results in the order of the rollouts."""
        async with aclosing(self.stream(batch)) as scored:
            results = {place: result async for place, result in scored}
        return [results[place] for place in range(len(batch.rollouts))]

    async def stream(self, batch: Batch) -> AsyncGenerator[tuple[int, Result], None]:
        """Yield the place and the result of each rollout as it is there.

        Leaving the iteration, or cancelling it, ends the work that is still under way.
        """
        deadline = self._deadline.starting_now()
        known = Tasks()
        tasks: list[asyncio.Task[tuple[int, Result]]] = []
        try:
            for place, rollout in enumerate(batch.rollouts):
                scoring = _Scoring(rollout, place, batch, known)
                tasks.append(asyncio.create_task(self._timed(scoring, place, deadline)))
                if place % _BEGUN_AT_ONCE == 0:
                    await asyncio.sleep(0)
            for next_done in asyncio.as_completed(tasks):
                yield await next_done
        finally:
            unfinished = [task for task in tasks if not task.done()]
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)

    async def _timed(self, scoring: _Scoring, place: int, deadline: float) -> tuple[int, Result]:
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with self._deadline.until(deadline):
                result = await self._judged(scoring)
        except TimeoutError:
            why = f"not judged within {self._deadline.seconds:g} s"
            if self._deadline.ending:
                why = "not judged before the server had to end"
            result = scoring.unscored(ErrorKind.DEADLINE_EXCEEDED, why, retryable=True)
        self._observer.rollout(scoring.rollout.task.kind, result, loop.time() - started)
        return place, result

    async def _judged(self, scoring: _Scoring) -> Result:
        """Score, and give each way that we can fail its name."""
        try:
            return await self._result(scoring)
        except (BadReferenceError, BadJobError) as error:
            return scoring.unscored(ErrorKind.BAD_TASK, str(error), retryable=False)
        except SandboxUnavailableError as error:
            return scoring.unscored(ErrorKind.SANDBOX_UNAVAILABLE, str(error), retryable=True)
        except QueueFullError as error:
            return scoring.unscored(ErrorKind.QUEUE_FULL, str(error), retryable=True)
        except (MathUnavailableError, JobFailedError) as error:
            return scoring.unscored(ErrorKind.INTERNAL_ERROR, str(error), retryable=True)
        except TimeoutError:
            raise
        except Exception:
            # A fault of ours that nobody foresaw: one rollout must not fail its batch, and its reward must not be 0.
            log.exception("rollout not judged", extra={"rollout": scoring.id})
            return scoring.unscored(ErrorKind.INTERNAL_ERROR, "a fault of the server; see its log", retryable=True)

    async def _result(self, scoring: _Scoring) -> Result:
        rollout, preset = scoring.rollout, scoring.preset
        text = completions.text_of(rollout.completion, rollout.finish_reason)
        if scoring.tasks.takes_long(rollout.task):
            await self._readings.take_long(scoring.tasks.asked, rollout.task)
        completion, form = await self._in_turn(text, self._begin, scoring, text)
        if preset.format.truncated == "unscored" and format_rule.is_truncated(completion, rollout.finish_reason):
            return scoring.unscored(
                ErrorKind.BAD_TASK, "truncated: cut by the token limit before </think>", retryable=False
            )
        if preset.length.tokens_absent == "unscored" and rollout.completion_tokens is None:
            return scoring.unscored(
                ErrorKind.BAD_TASK, "completion_tokens is absent and the preset asks for it", retryable=False
            )
        if form.fault is not None and preset.format.on_failure == "zero":
            return scoring.zero(form.fault)
        correctness = _NOT_GRADED if form.fault is not None else await self._correctness(scoring, form)
        language = await self._in_turn(text, self._language, rollout, completion, preset)
        return scoring.scored(
            correctness,
            {
                "format": combine.component(float(form.fault is None), preset.format.weight, form.fault),
                "correctness": combine.component(correctness.raw, preset.correctness.weight, correctness.detail),
                "length": _length(rollout.completion_tokens, preset.length),
                "language": language,
            },
        )

    def _begin(self, scoring: _Scoring, text: str) -> tuple[Completion, format_rule.Format]:
        """Read the completion, after its task: one that nobody can judge is refused whatever the format.

        Raises:
            BadReferenceError, BadJobError: a group holds real rewards or none.
        """
        scoring.read_task()
        if isinstance(scoring.rollout.task, MathTask):
            self._verifier.check(scoring.rollout.task.references)
        completion = completions.parse(text)
        return completion, format_rule.check(completion, scoring.rollout.task)

    async def _correctness(self, scoring: _Scoring, form: format_rule.Format) -> Correctness:
        task, preset = scoring.rollout.task, scoring.preset
        match task:
            case MathTask():
                return await math.grade(task, form.boxes, verifier=self._verifier, settings=preset.math)
            case CodeTask():
                assert form.block is not None, "the format rule found it"
                return await code.grade(
                    task,
                    form.block,
                    drawn=scoring.drawn,
                    judge=self._judge,
                    rules=preset.code,
                    partial_credit=preset.correctness.partial_credit,
                )
            case _:
                return Correctness(raw=0.0, verdict=None, detail="nothing to verify: the task's kind is none")

    def _language(self, rollout: Rollout, completion: Completion, preset: Preset) -> Component:
        problem = completions.problem_of(rollout.prompt)
        rules = preset.language
        found = check(
            problem, completion.thoughts, completion.answer, detector=self._detector, settings=rules.consistency
        )
        return combine.component(float(found.consistent), rules.weight, found.detail)

    async def _in_turn(self, text: str, work: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Let one rollout think at a time, and the loop see to its sockets between two of them.

        A thousand tasks that become ready together would otherwise all run before the loop looks up again. A text
        that nobody reads in a moment is read in a thread.
        """
        if len(text) > _MOMENT_CHARS:
            return await asyncio.to_thread(work, *args, **kwargs)
        return await self._turns.take(work, *args, **kwargs)


# Tasks that are begun before the loop looks up.
_BEGUN_AT_ONCE = 16
# What is parsed within a few milliseconds, whatever it holds.
_MOMENT_CHARS = 200_000
_NOT_GRADED = Correctness(raw=0.0, verdict=AnswerVerdict.FORMAT_ERROR, detail="not graded: the format is broken")


class _Scoring:
    """One rollout on its way: who it is, and the three ways it can end."""

    def __init__(self, rollout: Rollout, place: int, batch: Batch, tasks: Tasks) -> None:
        self.rollout = rollout
        self.preset = batch.preset
        self.seed = batch.seed
        self.tasks = tasks
        self.id = rollout.id if rollout.id is not None else str(place)
        self.drawn: Sequence[int] = ()

    @cached_property
    def group(self) -> str:
        """The group of the rollout, or what stands for it where it names none."""
        rollout = self.rollout
        if rollout.group is not None:
            return rollout.group
        if self.preset.group.absent == "rollout":
            return f"rollout:{self.id}"
        try:
            return group_label(completions.problem_of(rollout.prompt), self.tasks.asked(rollout.task).digest)
        except Exception:
            # A fault of ours. Its result must have a group all the same, or it would end the whole batch.
            log.exception("task not read", extra={"rollout": self.id})
            return f"rollout:{self.id}"

    def read_task(self) -> None:
        """Find out what is asked, and draw its tests; raises BadJobError where nobody can judge it."""
        task, asked = self.rollout.task, self.tasks.asked(self.rollout.task)
        if asked.fault is not None:
            raise BadJobError(asked.fault)
        if isinstance(task, CodeTask):
            rules = self.preset.code
            self.drawn = code.drawn_tests(task, rules=rules, tests=asked.digest, group=self.group, seed=self.seed)

    def scored(self, correctness: Correctness, components: dict[str, Component]) -> Result:
        """Every component was applied."""
        return self._result(
            status=Status.SCORED,
            reward=combine.total(components),
            verdict=correctness.verdict,
            components=components,
            extracted=correctness.extracted,
            tests=correctness.tests,
        )

    def zero(self, fault: str) -> Result:
        """The format is broken: exactly 0, and nothing further is graded."""
        preset = self.preset
        return self._result(
            status=Status.SCORED,
            reward=0.0,
            verdict=AnswerVerdict.FORMAT_ERROR,
            components={
                "format": combine.component(0.0, preset.format.weight, fault),
                "correctness": combine.component(0.0, preset.correctness.weight, _NOT_GRADED.detail),
                "length": combine.component(0.0, preset.length.weight, _NOT_GRADED.detail),
                "language": combine.component(0.0, preset.language.weight, _NOT_GRADED.detail),
            },
        )

    def unscored(self, kind: ErrorKind, message: str, *, retryable: bool) -> Result:
        """No reward: zero would teach the model that our failure was its mistake."""
        return self._result(
            status=Status.UNSCORED,
            reward=None,
            verdict=None,
            components={},
            error=RolloutError(kind=kind, message=message, retryable=retryable),
        )

    def _result(
        self,
        *,
        status: Status,
        reward: float | None,
        verdict: str | None,
        components: dict[str, Component],
        extracted: str | None = None,
        tests: TestSummary | None = None,
        error: RolloutError | None = None,
    ) -> Result:
        return Result(
            id=self.id,
            group=self.group,
            status=status,
            reward=reward,
            verdict=verdict,
            components=components,
            extracted=extracted,
            tests=tests,
            error=error,
        )


def _length(tokens: int | None, rules: LengthRules) -> Component:
    if tokens is None:
        return combine.component(0.0, rules.weight, "not applied: completion_tokens is absent")
    raw = soft_length_penalty(tokens, l_max=rules.l_max, l_cache=rules.l_cache)
    return combine.component(raw, rules.weight, f"{tokens} tokens of {rules.l_max}" if raw else None)
