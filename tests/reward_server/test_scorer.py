"""Faults of ours that nobody foresaw, with a far side that has them."""

from __future__ import annotations

import asyncio

import pytest

from language_id.detector import LanguageDetector
from reward_server.deadline import Deadline
from reward_server.math.verifier import MathVerifier
from reward_server.metrics import Metrics
from reward_server.models import CodeTask, Rollout, StdioTest
from reward_server.presets import Presets
from reward_server.scorer import Batch, Scorer
from sandbox.absent import AbsentJudge

CODE = Rollout.model_validate_json(
    '{"id": "c", "completion": "<think>a</think>\\n```python\\nx\\n```",'
    ' "task": {"kind": "code", "language": "python", "tests": [{"stdin": "", "stdout": ""}]}}'
)
MATH = Rollout.model_validate_json(
    '{"id": "m", "completion": "<think>a</think>\\\\boxed{1}", "task": {"kind": "math", "answer": "1"}}'
)


class BrokenJudge(AbsentJudge):
    """Fails in a way that is not in its contract."""

    async def judge(self, job):
        raise ZeroDivisionError


class HangingJudge(AbsentJudge):
    """Never answers, and remembers that it was told to stop."""

    def __init__(self):
        super().__init__("")
        self.cancelled = 0

    async def judge(self, job):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


def scored(judge, rollouts, *, deadline_seconds=60.0):
    async def run():
        verifier = MathVerifier(workers=1, memory_mb=1024)
        scorer = Scorer(
            verifier=verifier,
            judge=judge,
            detector=LanguageDetector(),
            deadline=Deadline(deadline_seconds),
            observer=Metrics(),
        )
        await verifier.start()
        try:
            return await scorer.score(Batch(preset=Presets().get("magistral"), seed="", rollouts=rollouts))
        finally:
            await verifier.close()

    return asyncio.run(run())


def test_a_fault_that_nobody_foresaw_is_an_internal_error():
    """Never a reward of 0, and never the batch's end."""
    broken, good = scored(BrokenJudge(""), [CODE, MATH])
    assert (broken.status, broken.reward, broken.error.kind) == ("unscored", None, "internal_error")
    assert broken.error.retryable
    assert good.reward == pytest.approx(1.1)


def test_a_task_that_cannot_even_be_read_costs_its_own_rollout_alone():
    """The wire lets no such task in; should one come all the same, its neighbours have their rewards."""
    test = StdioTest(stdin="\ud800", stdout="")
    task = CodeTask.model_construct(kind="code", language="python", tests=[test], fn_name=None, input_output=None)
    broken, good = scored(AbsentJudge(""), [CODE.model_copy(update={"task": task}), MATH])
    assert (broken.status, broken.error.kind) == ("unscored", "internal_error")
    assert good.reward == pytest.approx(1.1)


def test_the_deadline_ends_the_work_that_is_still_under_way():
    """What was begun for a rollout is told to stop."""
    judge = HangingJudge()
    results = scored(judge, [CODE, MATH, CODE], deadline_seconds=0.5)
    assert [result.error and result.error.kind for result in results] == [
        "deadline_exceeded",
        None,
        "deadline_exceeded",
    ]
    assert judge.cancelled == 2
