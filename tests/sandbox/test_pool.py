"""What the judge makes of the runs of its slots, whatever the slots are: here they end as a script says."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.dispatch import request_key
from sandbox.judge import InconclusiveError, TestRun
from sandbox.languages import Tools
from sandbox.models import (
    AssertTest,
    BadJobError,
    Checker,
    CheckerKind,
    JudgeJob,
    JudgeResult,
    Limits,
    SandboxUnavailableError,
    StdioTest,
    Verdict,
)
from sandbox.pool import Opened, PoolJudge, PoolSettings
from sandbox.runs import Outcome, Program, Room, Run, SlotDiedError

RIGHT = Outcome(Verdict.ACCEPTED, None, b"right", b"", 0, None, 0.1, 0.1, 1.0, {})
QUICK = replace(RIGHT, wall_seconds=0.002)
WRONG = replace(RIGHT, stdout=b"wrong")
LATE = replace(RIGHT, verdict=Verdict.TIME_LIMIT_EXCEEDED, stdout=b"")
STARVED = replace(LATE, starved=True)
KILLED = replace(RIGHT, verdict=Verdict.RUNTIME_ERROR, unexplained=True, signal=9, exit_code=None)

# How the n-th run of a test ends: by its number and n, from 0.
Script = Callable[[int, int], Outcome]


class ScriptedSlots:
    """Slots that run nothing."""

    tier = "scripted"
    problem = None

    def __init__(
        self, count: int, script: Script, *, longest_series: int = 1, held: Callable[[int], bool] = lambda _: False
    ) -> None:
        self.longest_series = longest_series
        self.told: list[int] = []  # how many runs at a time
        self._slots = [ScriptedSlot(self) for _ in range(count)]
        self._script = script
        self._held = held
        self.runs: list[int] = []
        self.at_work = 0
        self.submissions = 0
        self.rooms: list[Room] = []  # what they were to find
        self.closed = 0  # submissions that are

    async def open(self) -> Opened:
        return Opened(self._slots, Tools({}, {}))

    async def close(self) -> None:
        pass

    async def run(self, test: int) -> Outcome:
        self.at_work += 1
        try:
            await asyncio.sleep(0)
            while self._held(test):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0)
            earlier = self.runs.count(test)
            self.runs.append(test)
            return self._script(test, earlier)
        finally:
            self.at_work -= 1


class ScriptedSlot:
    alive = True

    def __init__(self, slots: ScriptedSlots) -> None:
        self._slots = slots
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    def pause(self) -> bool:
        return False

    def resume(self) -> None:
        pass

    def submission(self, *rooms: Room) -> ScriptedSlot:
        self._slots.submissions += 1
        self._slots.rooms += rooms
        return self

    @property
    def longest_series(self) -> int:
        return self._slots.longest_series

    async def run(self, run: Run, *, room: int = 0) -> Outcome:
        self._slots.told.append(1)
        async with self._turn:
            return await self._slots.run(int(run.stdin))

    async def run_series(self, program: Program, inputs: Sequence[bytes], limits: Limits) -> list[Outcome]:
        self._slots.told.append(len(inputs))
        outcomes = []
        async with self._turn:
            for given in inputs:
                outcomes.append(await self._slots.run(int(given)))
                if outcomes[-1].verdict is not Verdict.ACCEPTED or outcomes[-1].wall_seconds > QUICK.wall_seconds:
                    break
        return outcomes

    async def run_joined(self, candidate: Run, asserting: Run) -> tuple[Outcome, Outcome]:
        raise NotImplementedError

    async def close(self) -> None:
        self._slots.closed += 1


def judged(
    tmp_path: Path, script: Script, *, tests: int = 20, slots: int = 1, stop: bool = True, longest_series: int = 1
) -> tuple[JudgeResult, ScriptedSlots]:
    """Judge a program of which the script says how each run ends."""
    source = ScriptedSlots(slots, script, longest_series=longest_series)

    async def once() -> JudgeResult:
        judge = PoolJudge(source, PoolSettings(cache_dir=tmp_path, workers=slots, rest_seconds=0.0))
        await judge.start()
        cases = tuple(StdioTest(b"%d" % number, b"right") for number in range(tests))
        try:
            return await judge.judge(JudgeJob("", "python", cases, limits=Limits(), stop_at_first_failure=stop))
        finally:
            await judge.close()

    return asyncio.run(once()), source


@pytest.mark.parametrize("slots", [1, 2, 7])
def test_a_starved_test_that_passes_alone_hides_no_other(tmp_path: Path, slots: int) -> None:
    """It says nothing about those after it, so they are run all the same."""

    def script(test: int, earlier: int) -> Outcome:
        if test == 0:
            return RIGHT if earlier else STARVED
        return RIGHT if test < 5 else WRONG

    result, _ = judged(tmp_path, script, slots=slots)
    assert (result.verdict, result.passed) == (Verdict.WRONG_ANSWER, 5)
    assert result.first_failure is not None
    assert result.first_failure.index == 5


@pytest.mark.parametrize("slots", [1, 3])
def test_every_test_starved_is_run_alone_and_counts(tmp_path: Path, slots: int) -> None:
    """A machine that starves everything still gives every test its turn."""
    result, source = judged(tmp_path, lambda _, earlier: RIGHT if earlier else STARVED, tests=6, slots=slots)
    assert (result.verdict, result.passed) == (Verdict.ACCEPTED, 6)
    assert sorted(source.runs) == sorted(2 * list(range(6)))


def test_what_is_starved_alone_too_is_too_slow(tmp_path: Path) -> None:
    """There is nobody left to blame but the program."""
    result, source = judged(tmp_path, lambda _, __: STARVED)
    assert (result.verdict, source.runs) == (Verdict.TIME_LIMIT_EXCEEDED, [0, 0])


@pytest.mark.parametrize("stop", [True, False])
def test_accepted_means_that_every_test_passed(tmp_path: Path, stop: bool) -> None:
    """Whatever the order in which they end."""
    result, source = judged(tmp_path, lambda _, __: RIGHT, slots=3, stop=stop)
    assert (result.verdict, result.passed, len(source.runs)) == (Verdict.ACCEPTED, 20, 20)


@pytest.mark.parametrize("slots", [1, 2, 5])
def test_the_first_failure_by_position_is_the_verdict(tmp_path: Path, slots: int) -> None:
    """However the tests were spread."""
    result, _ = judged(tmp_path, lambda test, _: {3: WRONG, 4: LATE}.get(test, RIGHT), slots=slots)
    assert (result.verdict, [test.index for test in result.tests]) == (Verdict.WRONG_ANSWER, [0, 1, 2, 3])


class _OutOfOrder(ScriptedSlots):
    """Test 3 ends when test 4 has been run."""

    later = 4

    async def run(self, test: int) -> Outcome:
        if test == self.later - 1:
            while self.later not in self.runs:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0)
        return await super().run(test)


@pytest.mark.parametrize("ending", [WRONG, RIGHT])
def test_a_test_that_cannot_be_run_matters_where_those_before_it_pass(tmp_path: Path, ending: Outcome) -> None:
    """Whichever of them is run first: the same program gets the same answer."""

    def script(test: int, _: int) -> Outcome:
        if test == _OutOfOrder.later:
            raise BadJobError("broken")
        return ending if test == _OutOfOrder.later - 1 else RIGHT

    async def once() -> JudgeResult:
        judge = PoolJudge(_OutOfOrder(2, script), PoolSettings(tmp_path, 2, rest_seconds=0.0))
        await judge.start()
        cases = tuple(StdioTest(b"%d" % number, b"right") for number in range(20))
        try:
            return await judge.judge(JudgeJob("", "python", cases))
        finally:
            await judge.close()

    if ending is WRONG:
        assert asyncio.run(once()).verdict is Verdict.WRONG_ANSWER
    else:
        with pytest.raises(BadJobError, match="broken"):
            asyncio.run(once())


def test_without_a_stop_every_test_is_run(tmp_path: Path) -> None:
    """Partial credit needs them all."""
    result, _ = judged(tmp_path, lambda test, _: WRONG if test % 2 else RIGHT, stop=False, slots=2)
    assert (result.verdict, result.passed, len(result.tests)) == (Verdict.WRONG_ANSWER, 10, 20)


def test_a_kill_that_nobody_explains_is_tried_once_more(tmp_path: Path) -> None:
    """The second time it is the program's own."""
    assert judged(tmp_path, lambda _, earlier: RIGHT if earlier else KILLED)[0].verdict is Verdict.ACCEPTED
    assert judged(tmp_path, lambda _, __: KILLED)[0].verdict is Verdict.RUNTIME_ERROR


def test_a_slot_that_dies_costs_no_verdict(tmp_path: Path) -> None:
    """Its test is run again; one that dies time after time leaves the program without a verdict."""

    def script(deaths: int) -> Script:
        def ends(test: int, earlier: int) -> Outcome:
            if test == 2 and earlier < deaths:
                raise SlotDiedError("gone")
            return RIGHT

        return ends

    assert judged(tmp_path, script(2))[0].passed == 20
    with pytest.raises(SandboxUnavailableError):
        judged(tmp_path, script(3))


def judged_together(
    tmp_path: Path, *, jobs: int, slots: int, turn_seconds: float, rest_seconds: float = math.inf, meet: int = 0
) -> ScriptedSlots:
    """Judge programs of twenty tests for as many requests, the later ones when the first has run `meet` tests.

    The runs of the n-th job have numbers from 100 n on.
    """
    source = ScriptedSlots(slots, lambda _, __: RIGHT)
    settings = PoolSettings(tmp_path, slots, turn_seconds=turn_seconds, rest_seconds=rest_seconds)

    async def judge(judge: PoolJudge, number: int) -> None:
        request_key.set(str(number))
        while number and len(source.runs) < meet:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
        cases = tuple(StdioTest(b"%d" % (100 * number + test), b"right") for test in range(20))
        result = await judge.judge(JudgeJob(f"# {number}", "python", cases))
        assert (result.verdict, result.passed) == (Verdict.ACCEPTED, 20)

    async def together() -> None:
        pool = PoolJudge(source, settings)
        await pool.start()
        await asyncio.gather(*(judge(pool, number) for number in range(jobs)))
        await pool.close()

    asyncio.run(together())
    return source


def test_a_job_that_has_its_turn_stays_where_it_is(tmp_path: Path) -> None:
    """Whoever waits: to begin a program anew costs more than a short test."""
    source = judged_together(tmp_path, jobs=6, slots=2, turn_seconds=math.inf)
    assert source.submissions == 6


def test_a_job_whose_turn_is_over_gives_way_between_two_tests(tmp_path: Path) -> None:
    """A small request does not wait for the end of a large one."""
    source = judged_together(tmp_path, jobs=2, slots=1, turn_seconds=0.0)
    assert source.runs[:4] == [0, 100, 1, 101]


@pytest.mark.parametrize("turn_seconds", [0.0, math.inf])
def test_a_borrowed_slot_goes_back_and_is_not_waited_for(tmp_path: Path, turn_seconds: float) -> None:
    """Two jobs on two slots have one each, and neither moves for the other."""
    source = judged_together(tmp_path, jobs=2, slots=2, turn_seconds=turn_seconds, meet=6)
    assert source.runs.index(100) < source.runs.index(19)
    assert source.submissions == 3  # two of the first job while it was alone


@pytest.mark.parametrize(("rest_seconds", "submissions"), [(math.inf, 2), (0.0, 3)])
def test_a_slot_rests_before_it_is_borrowed(tmp_path: Path, rest_seconds: float, submissions: int) -> None:
    """The next job is on its way to it, as a rule, and finds it free."""
    source = ScriptedSlots(
        2, lambda test, _: WRONG if test == 100 else RIGHT, held=lambda test: test == 10 and not source.closed
    )

    async def both() -> None:
        pool = PoolJudge(source, PoolSettings(tmp_path, 2, rest_seconds=rest_seconds))
        await pool.start()
        first = tuple(StdioTest(b"%d" % test, b"right") for test in range(20))
        jobs = (JudgeJob("# 0", "python", first), JudgeJob("# 1", "python", (StdioTest(b"100", b"right"),)))
        await asyncio.gather(*map(pool.judge, jobs))
        await pool.close()

    asyncio.run(both())
    assert source.submissions == submissions


def test_quick_tests_are_told_together(tmp_path: Path) -> None:
    """The more of them have passed, the more; and each is run once."""
    result, source = judged(tmp_path, lambda _, __: QUICK, longest_series=8)
    assert (result.verdict, source.runs) == (Verdict.ACCEPTED, list(range(20)))
    assert len(source.told) <= 7
    assert max(source.told) == 8


@pytest.mark.parametrize("slots", [1, 2, 5])
@pytest.mark.parametrize("odd", [replace(WRONG, wall_seconds=0.002), LATE, KILLED, STARVED, RIGHT])
@pytest.mark.parametrize("at", range(0, 20, 3))
def test_a_series_that_ends_early_loses_no_test(tmp_path: Path, slots: int, odd: Outcome, at: int) -> None:
    """Those that were told with one that ends it are run after it, and its own end is what it would be alone."""

    def script(test: int, _: int) -> Outcome:
        return odd if test == at else QUICK

    for stop in (True, False):
        result, source = judged(tmp_path, script, slots=slots, stop=stop, longest_series=8)
        alone, _ = judged(tmp_path, script, slots=slots, stop=stop)
        assert [(test.index, test.verdict) for test in result.tests] == [
            (test.index, test.verdict) for test in alone.tests
        ]
        again = 2 if odd in (KILLED, STARVED) else 1
        assert all(source.runs.count(test) == (again if test == at else 1) for test in range(at + 1))


@pytest.mark.parametrize("at", range(20))
def test_a_wrong_program_costs_little_beyond_its_first_failure(tmp_path: Path, at: int) -> None:
    """However quick: as many tests as passed before it, and what was told ahead."""
    wrong = replace(WRONG, wall_seconds=0.002)
    _, source = judged(tmp_path, lambda test, _: wrong if test >= at else QUICK, longest_series=8)
    assert len(source.runs) <= 3 * at + 2


def test_large_inputs_are_told_by_themselves(tmp_path: Path) -> None:
    """They would not fit into a message."""
    source = ScriptedSlots(1, lambda _, __: QUICK, longest_series=8)

    async def once() -> JudgeResult:
        judge = PoolJudge(source, PoolSettings(cache_dir=tmp_path, workers=1))
        await judge.start()
        cases = tuple(StdioTest(b"%d" % number + b" " * (5000 * (number % 2)), b"right") for number in range(20))
        try:
            return await judge.judge(JudgeJob("", "python", cases))
        finally:
            await judge.close()

    assert asyncio.run(once()).passed == 20
    assert source.told == [1] * 20


@pytest.mark.parametrize(
    ("code", "modules"),
    [
        ("queue = []\n# the longest subarray", ()),
        ("from queue import PriorityQueue", ("queue",)),
        ("import os, numpy as np; from array import *", ("array", "numpy")),
        ("from queue import (\n    Queue,\n)", ("queue",)),
        ("np = __import__('numpy')", ("numpy",)),
    ],
)
def test_what_a_program_imports_is_imported_ahead(tmp_path: Path, code: str, modules: tuple[str, ...]) -> None:
    """Of the slow ones; not what its names only look like."""
    source = ScriptedSlots(1, lambda _, __: RIGHT)

    async def once() -> None:
        judge = PoolJudge(source, PoolSettings(cache_dir=tmp_path, workers=1))
        await judge.start()
        try:
            await judge.judge(JudgeJob(code, "python", (StdioTest(b"0", b"right"),)))
        finally:
            await judge.close()

    asyncio.run(once())
    assert [room.preload for room in source.rooms] == [modules]


class _Asserted(ScriptedSlot):
    """A submission whose program came to its wall limit while its test waited for a core for so long."""

    def __init__(self, seconds: float, program: Outcome, judged: Outcome = RIGHT) -> None:
        super().__init__(ScriptedSlots(0, lambda _, __: RIGHT))
        self._judged = judged
        self._seconds = seconds
        self._program = program

    async def run_joined(self, candidate: Run, asserting: Run) -> tuple[Outcome, Outcome]:
        return self._program, replace(self._judged, starved_seconds=self._seconds)


@pytest.mark.parametrize(
    ("seconds", "program", "concludes"),
    [
        pytest.param(2.5, LATE, False, id="for others"),
        pytest.param(0.1, LATE, True, id="hardly"),
        pytest.param(3.5, replace(LATE, cpu_seconds=3.0), True, id="for the program itself"),
        pytest.param(2.5, replace(LATE, cpu_seconds=4.5), True, id="of a program that has used its time"),
    ],
)
def test_a_program_whose_test_was_starved_is_not_late(seconds: float, program: Outcome, concludes: bool) -> None:
    """It waited for the test; it is run again with the machine to itself."""
    job = JudgeJob("", "python", (AssertTest("assert f()"),), limits=Limits(cpu_seconds=4.0))
    test = TestRun(job, 0, Program(), _Asserted(seconds, program), b"")
    if concludes:
        assert asyncio.run(test.run()).verdict is Verdict.TIME_LIMIT_EXCEEDED
        return
    with pytest.raises(InconclusiveError) as caught:
        asyncio.run(test.run())
    assert caught.value.starved


def test_a_test_that_somebody_killed_says_nothing_of_the_program() -> None:
    """Neither we nor, as a rule, tests kill a test: it is run again."""
    job = JudgeJob("", "python", (AssertTest("assert f()"),))
    test = TestRun(job, 0, Program(), _Asserted(0.0, RIGHT, KILLED), b"")
    with pytest.raises(InconclusiveError):
        asyncio.run(test.run())


class _Checked(ScriptedSlot):
    """A submission whose program is right, and whose checker had no core."""

    def __init__(self) -> None:
        super().__init__(ScriptedSlots(0, lambda _, __: RIGHT))

    async def run(self, run: Run, *, room: int = 0) -> Outcome:
        return STARVED if room else RIGHT


def test_a_checker_that_was_starved_refuses_nothing() -> None:
    """That the machine gave it no core says nothing of the program."""
    checking = Checker(CheckerKind.PROGRAM, program="", language="python")
    job = JudgeJob("", "python", (StdioTest(b"", b"right"),), checker=checking)
    test = TestRun(job, 0, Program(), _Checked(), b"", checking=Program())
    with pytest.raises(InconclusiveError) as caught:
        asyncio.run(test.run())
    assert caught.value.starved
