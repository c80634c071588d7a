"""Verdicts that are remembered, and equal jobs that are judged once."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from sandbox.models import JudgeJob, JudgeResult, Limits, SandboxUnavailableError, StdioTest, TestResult, Verdict
from sandbox.verdicts import Verdicts, depends_on_luck, verdict_key

JOB = JudgeJob("print(1)", "python", (StdioTest(b"", b"1"),), limits=Limits(cpu_seconds=4, memory_mb=300))
EASY = TestResult(0, Verdict.ACCEPTED, cpu_seconds=1.0, wall_seconds=1.0, memory_mb=50.0)


def result(test: TestResult = EASY) -> JudgeResult:
    return JudgeResult(test.verdict, (test,), int(test.verdict is Verdict.ACCEPTED), 1)


@pytest.mark.parametrize(
    ("judged", "lucky"),
    [
        pytest.param(result(), False, id="far from every limit"),
        pytest.param(result(replace(EASY, verdict=Verdict.WRONG_ANSWER)), False, id="wrong for good"),
        pytest.param(result(replace(EASY, verdict=Verdict.RUNTIME_ERROR)), False, id="failed for good"),
        pytest.param(result(replace(EASY, verdict=Verdict.OUTPUT_LIMIT_EXCEEDED)), False, id="prints too much"),
        pytest.param(result(replace(EASY, verdict=Verdict.TIME_LIMIT_EXCEEDED)), True, id="a limit of time"),
        pytest.param(result(replace(EASY, verdict=Verdict.MEMORY_LIMIT_EXCEEDED)), True, id="a limit of memory"),
        pytest.param(result(replace(EASY, cpu_seconds=3.19)), False, id="79 % of its CPU time"),
        pytest.param(result(replace(EASY, cpu_seconds=3.2)), True, id="80 % of its CPU time"),
        pytest.param(result(replace(EASY, wall_seconds=9.7)), True, id="81 % of its wall time"),
        pytest.param(result(replace(EASY, memory_mb=240.0)), True, id="80 % of its memory"),
        pytest.param(JudgeResult(Verdict.COMPILE_ERROR, (), 0, 1, "no"), False, id="does not compile"),
        pytest.param(
            JudgeResult(Verdict.COMPILE_ERROR, (), 0, 1, "slow", compiler_limited=True), True, id="too slow to compile"
        ),
    ],
)
def test_what_a_limit_decided_or_nearly_did_depends_on_luck(judged: JudgeResult, lucky: bool) -> None:
    """Another run, or a busier machine, might say otherwise."""
    assert depends_on_luck(JOB, judged) is lucky


class Counting:
    """A judge that counts, and the hits that were told."""

    def __init__(self, judged: JudgeResult | Exception) -> None:
        self.runs = 0
        self.hits: list[str] = []
        self.go = asyncio.Event()
        self._judged = judged

    async def __call__(self) -> JudgeResult:
        self.runs += 1
        await self.go.wait()
        if isinstance(self._judged, Exception):
            raise self._judged
        return self._judged

    def cache_hit(self, where: str) -> None:
        self.hits.append(where)


def test_equal_jobs_are_judged_once_and_remembered() -> None:
    """At the same time, and afterwards; each hit is told with where it was."""

    async def scenario() -> None:
        judge = Counting(result())
        verdicts = Verdicts(10, judge)
        asking = [asyncio.create_task(verdicts.once(b"a", JOB, judge)) for _ in range(3)]
        await asyncio.sleep(0)
        judge.go.set()
        assert await asyncio.gather(*asking) == [result()] * 3
        assert await verdicts.once(b"a", JOB, judge) == result()
        assert (judge.runs, judge.hits) == (1, ["coalesced", "coalesced", "memory"])

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "judged", [result(replace(EASY, verdict=Verdict.TIME_LIMIT_EXCEEDED)), SandboxUnavailableError("no")]
)
def test_luck_and_errors_are_not_remembered(judged: JudgeResult | Exception) -> None:
    """The next one is judged anew."""

    async def scenario() -> None:
        judge = Counting(judged)
        judge.go.set()
        verdicts = Verdicts(10)
        for _ in range(2):
            await asyncio.gather(verdicts.once(b"a", JOB, judge), return_exceptions=True)
        assert judge.runs == 2

    asyncio.run(scenario())


def test_those_asked_for_longest_ago_are_forgotten_first() -> None:
    """Memory is bounded; what is used stays."""

    async def scenario() -> None:
        judge = Counting(result())
        judge.go.set()
        verdicts = Verdicts(2, judge)
        for key in (b"a", b"b", b"a", b"c", b"a", b"b"):
            await verdicts.once(key, JOB, judge)
        assert (judge.runs, judge.hits) == (4, ["memory", "memory"])

    asyncio.run(scenario())


def test_the_last_to_lose_interest_ends_the_run_and_nobody_joins_its_end() -> None:
    """Who comes while it is being ended has a run of his own."""

    async def scenario() -> None:
        judge = Counting(result())
        verdicts = Verdicts(10)
        first = asyncio.create_task(verdicts.once(b"a", JOB, judge))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        second = asyncio.create_task(verdicts.once(b"a", JOB, judge))
        judge.go.set()
        assert await second == result()
        assert judge.runs == 2
        with pytest.raises(asyncio.CancelledError):
            await first

    asyncio.run(scenario())


def test_a_verdict_is_bound_to_what_judged_it() -> None:
    """Another job, another compiler or another isolation is another name."""
    keys = {verdict_key(digest, identity) for digest in (b"a", b"b") for identity in ("gcc 12", "gcc 13")}
    assert len(keys) == 4
