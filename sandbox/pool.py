"""The judge over slots, whatever they are: fair between requests, no program twice at once.

`PoolJudge` promises what `sandbox.models.Judge` says. Never more programs run than there are workers. A job's tests
spread over slots that nobody else wants, and a job waits for one slot at most: for a second it stands in nobody's way.
A slot that others wait for changes hands between two tests, when it was borrowed or its job has had its turn. The
verdict is that of the first failing test by position, however the tests were spread. A wall-clock expiry on a machine
that gave the program no core is tried again with the machine to itself. A slot that dies is started again and the test
with it; after `_ATTEMPTS` the job raises SandboxUnavailableError.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
import math
import os
import re
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

from sandbox import jail, languages, toolchain
from sandbox.cache import ProgramCache
from sandbox.coalesce import Coalesced
from sandbox.dispatch import Dispatcher, Grant, TakenBackError, Turn
from sandbox.image import Image, ImageGoneError, Shelf
from sandbox.inside import wire
from sandbox.judge import CHECKER_LIMITS, Examined, InconclusiveError, NotCompiledError, TestRun, examine
from sandbox.languages import Language, Tools
from sandbox.models import (
    AssertTest,
    BadJobError,
    CallTest,
    ExecuteJob,
    Execution,
    Health,
    JudgeJob,
    JudgeResult,
    QueueFullError,
    SandboxError,
    SandboxUnavailableError,
    StdioTest,
    TestResult,
    Verdict,
)
from sandbox.runs import Outcome, Program, Room, Run, Slot, SlotDiedError, Submission
from sandbox.toolchain import CompileFailure
from sandbox.verdicts import CacheObserver, Verdicts

log = logging.getLogger(__name__)

_ATTEMPTS: Final = 3
_QUICK_SECONDS: Final = 0.02
_ANSWERING_SECONDS: Final = 0.001  # an answer goes out in it; cleaning a slot that nobody waits for comes after that
_SERIES_SECONDS: Final = 0.04
_LITTLE_BYTES: Final = 64 * 1024
_SLOW_TO_COMPILE_BYTES: Final = 16 * 1024
_MIB: Final = 1024 * 1024
_SHELF_BYTES: Final = 32 * _MIB  # of compiled programs that nobody runs right now
_SHELF_COPIES: Final = 32


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """What a judge over slots may use."""

    cache_dir: Path
    workers: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    max_waiting: int = 10_000  # jobs admitted and not finished; more are refused
    compile_cpu_seconds: float = 10.0
    program_cache_mb: int = 1024
    remembered_results: int = 1024  # verdicts of equal jobs that depend on no luck; 0 judges every job anew
    turn_seconds: float = 0.1  # how long a job keeps a slot that others wait for; moving costs more than a short test
    rest_seconds: float = 0.002  # how long a slot is left to whoever comes next, before a job borrows it beside its own
    express_seconds: float = 0.0  # for how long one that runs is paused for a newcomer, behind slow tests; 0: never


@dataclass(frozen=True, slots=True)
class Opened:
    """Slots that were started and shown to hold, one more than workers perhaps, and what they compile and run with."""

    slots: Sequence[Slot]
    tools: Tools


class SlotSource(Protocol):
    """Where the slots come from."""

    async def open(self) -> Opened:
        """Start the slots, and show with a program that they hold. Raises SandboxUnavailableError."""

    async def close(self) -> None:
        """End everything that was started."""

    @property
    def tier(self) -> str:
        """What isolates the programs."""

    @property
    def problem(self) -> str | None:
        """Why none of the slots can be had now, if that is so."""


class PoolJudge:
    """Judges on slots."""

    def __init__(self, source: SlotSource, settings: PoolSettings, observer: CacheObserver | None = None) -> None:
        self._source = source
        self._settings = settings
        self._tools = Tools({}, {})
        self._slots: Sequence[Slot] = ()
        self._dispatcher = Dispatcher([])
        self._programs = ProgramCache(settings.cache_dir / "programs", settings.program_cache_mb * _MIB)
        self._shelf = Shelf(_SHELF_BYTES, _SHELF_COPIES)
        self._compiling: Coalesced[str, Image | CompileFailure] = Coalesced()
        self._failures: OrderedDict[str, CompileFailure] = OrderedDict()
        self._verdicts = Verdicts(settings.remembered_results, observer)
        self._admitted = 0
        self._tidying: set[asyncio.Task[None]] = set()
        self._problem: str | None = "not started"

    async def start(self) -> None:
        """Start the slots, and show with a program that they hold. Raises SandboxUnavailableError."""
        try:
            await asyncio.to_thread(self._programs.open)
        except OSError as error:
            raise SandboxUnavailableError(f"the cache directory cannot be used: {error}") from error
        try:
            opened = await self._source.open()
        except BaseException as error:
            self._problem = str(error)
            await self._source.close()
            raise
        self._tools = opened.tools
        self._slots = opened.slots[: self._settings.workers]
        self._dispatcher = Dispatcher(
            self._slots,
            express=next(iter(opened.slots[self._settings.workers :]), None),
            express_seconds=self._settings.express_seconds,
            rest_seconds=self._settings.rest_seconds,
        )
        self._problem = None

    async def close(self) -> None:
        """End everything that was started."""
        self._problem = "closed"
        await self._verdicts.close()
        await self._compiling.close()
        await self.settled()
        await self._source.close()
        self._shelf.close()
        self._slots = ()

    async def settled(self) -> None:
        """Wait until the slots of what has been judged are clean again."""
        await asyncio.gather(*self._tidying, return_exceptions=True)

    def health(self) -> Health:
        """Ready, and by which isolation."""
        facts = {
            "workers": str(len(self._slots)),
            "busy": str(self._dispatcher.busy),
            "waiting": str(self._dispatcher.waiting),
            "tier": self.tier,
        }
        problem = self._problem or self._source.problem
        return Health(problem is None, problem or self.tier, facts)

    @property
    def tier(self) -> str:
        """What isolates the programs."""
        return self._source.tier

    async def judge(self, job: JudgeJob) -> JudgeResult:
        """Judge one program; equal jobs at the same time are judged once."""
        language = self._language(job.language)
        examined = await examine(job)
        if not isinstance(job.tests[0], StdioTest) and language.warm is None:
            raise BadJobError(f"function and assertion tests need Python, not {language.name}")
        async with self._admission():
            return await self._verdicts.once(examined.digest, job, lambda: self._judge(job, examined, language))

    async def execute(self, job: ExecuteJob) -> Execution:
        """Run one program once."""
        language = self._language(job.language)
        async with self._admission():
            while True:
                with contextlib.suppress(ImageGoneError):
                    return await self._execute(job, language)

    async def _execute(self, job: ExecuteJob, language: Language) -> Execution:
        prepared = await self._prepare(job.code, language)
        if isinstance(prepared, CompileFailure):
            return _not_compiled(prepared.output)
        program = _program(prepared, job.code, language, self._tools, memory_mb=job.limits.memory_mb)
        return _execution(await self._run_once(program, language, job, _turn_after(prepared)))

    def _language(self, name: str) -> Language:
        language = languages.find(name)
        if language is None:
            raise BadJobError(f"unknown language {name!r}")
        if self._problem is None and not self._tools.offers(language):
            raise SandboxUnavailableError(f"the sandbox has no {language.tool} for {language.name}")
        return language

    @asynccontextmanager
    async def _admission(self) -> AsyncIterator[None]:
        if self._problem is not None:
            raise SandboxUnavailableError(self._problem)
        if self._admitted >= self._settings.max_waiting:
            raise QueueFullError(f"{self._admitted} jobs are waiting")
        self._admitted += 1
        try:
            yield
        finally:
            self._admitted -= 1

    async def _judge(self, job: JudgeJob, examined: Examined, language: Language) -> JudgeResult:
        while True:
            with contextlib.suppress(ImageGoneError):  # the cache is too small for what is judged at once
                return await self._judge_once(job, examined, language)

    async def _judge_once(self, job: JudgeJob, examined: Examined, language: Language) -> JudgeResult:
        prepared = await self._prepare(job.code, language)
        if isinstance(prepared, CompileFailure):
            return JudgeResult(Verdict.COMPILE_ERROR, (), 0, len(job.tests), prepared.output, prepared.limited)
        mode = {CallTest: "call", AssertTest: "serve"}.get(type(job.tests[0]), "script")
        program = _program(
            prepared,
            job.code,
            language,
            self._tools,
            mode=mode,
            fn_name=job.fn_name,
            memory_mb=job.limits.memory_mb,
        )
        checking = await self._checking(job)
        try:
            trial = _Trial(
                self._dispatcher,
                job,
                examined,
                program,
                language,
                checking,
                turn_seconds=self._settings.turn_seconds,
                tidying=self._tidy,
                turn=_turn_after(prepared),
            )
            results = await trial.run()
        except NotCompiledError as error:
            return JudgeResult(Verdict.COMPILE_ERROR, (), 0, len(job.tests), str(error))
        passed = sum(result.verdict is Verdict.ACCEPTED for result in results)
        failed = next((result.verdict for result in results if result.verdict is not Verdict.ACCEPTED), None)
        if failed is None and passed != len(job.tests):
            raise SandboxError(f"{passed} of {len(job.tests)} tests were run, and none failed")
        return JudgeResult(failed or Verdict.ACCEPTED, tuple(results), passed, len(job.tests))

    def _tidy(self, task: asyncio.Task[None]) -> None:
        """Let a task end that nobody waits for: its results are known, and its slots are not clean yet."""

        def ended(task: asyncio.Task[None]) -> None:
            self._tidying.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                log.warning("a slot was given up after its last test", extra={"reason": repr(error)})

        self._tidying.add(task)
        task.add_done_callback(ended)

    async def _checking(self, job: JudgeJob) -> Program | None:
        """The task's own checker, compiled, if it has one."""
        source = job.checker.program
        if source is None:
            return None
        language = self._language(job.checker.language)
        prepared = await self._prepare(source, language)
        if isinstance(prepared, CompileFailure):
            raise BadJobError(f"the checker does not compile: {prepared.output}")
        return _program(prepared, source, language, self._tools, memory_mb=CHECKER_LIMITS.memory_mb)

    async def _prepare(self, code: str, language: Language) -> Image | CompileFailure | None:
        """The compiled program, from the cache where it is there; None where nothing is compiled."""
        if not language.compile:
            return None
        key = ProgramCache.key(language.name.encode(), self._tools.version(language).encode(), _encoded(code))
        if key in self._failures:
            return self._failures[key]
        found = self._programs.find(key)
        if found is not None:
            return Image(found, self._shelf)
        return await self._compiling.once(key, lambda: self._compile(key, code, language))

    async def _compile(self, key: str, code: str, language: Language) -> Image | CompileFailure:
        source = _encoded(code)
        fast = toolchain.links_fast(source, language, self._tools)
        compiled = await self._compiled(source, language, fast=fast)
        if fast and isinstance(compiled, CompileFailure) and compiled.in_linking:
            compiled = await self._compiled(source, language, fast=False)
        if isinstance(compiled, CompileFailure):
            self._remember_failure(key, compiled)
            return compiled
        await asyncio.to_thread(self._programs.put, key, compiled)
        return Image(compiled)

    async def _compiled(self, source: bytes, language: Language, *, fast: bool) -> bytes | CompileFailure:
        program = toolchain.compile_program(source, language, self._tools, fast=fast)
        limits = toolchain.compile_limits(self._settings.compile_cpu_seconds)
        outcome = await self._attempt(Run(program, b"", limits), Room(jail.TOOLCHAIN_ROOT, limits.disk_mb * _MIB))
        return toolchain.compiled(outcome)

    def _remember_failure(self, key: str, failure: CompileFailure) -> None:
        if not failure.limited:
            self._failures[key] = failure
        if len(self._failures) > 1024:
            self._failures.popitem(last=False)

    async def _run_once(self, program: Program, language: Language, job: ExecuteJob, turn: Turn) -> Outcome:
        room = Room(_root(language), job.limits.disk_mb * _MIB, _preload(job.code, language))
        return await self._attempt(Run(program, job.stdin, job.limits), room, may_borrow=True, turn=turn)

    async def _attempt(self, run: Run, room: Room, *, may_borrow: bool = False, turn: Turn = Turn.LAST) -> Outcome:
        """Run something once, again where the run says nothing."""
        trouble: Exception | None = None
        for attempt in range(_ATTEMPTS):
            try:
                outcome = await self._in_turn(run, room, may_borrow, turn)
            except SlotDiedError as error:
                log.warning("sandbox slot died", extra={"attempt": attempt, "reason": str(error)})
                trouble = error
                continue
            if outcome.starved:
                async with self._dispatcher.everything() as grant:
                    return await _run_in(grant, run, room)
            if not outcome.unexplained or attempt > 0:
                return outcome
        raise SandboxUnavailableError(f"no run in {_ATTEMPTS} attempts: {trouble}")

    async def _in_turn(self, run: Run, room: Room, may_borrow: bool, turn: Turn) -> Outcome:
        while True:
            with contextlib.suppress(TakenBackError):
                async with self._dispatcher.slot(may_borrow=may_borrow, turn=turn) as grant:
                    turn = Turn.BEGUN
                    return await _run_in(grant, run, room)


async def _run_in(grant: Grant, run: Run, room: Room) -> Outcome:
    submission = grant.slot.submission(room)
    try:
        async with grant.while_granted():
            return await submission.run(run)
    finally:
        await submission.close()


def _turn_after(prepared: Image | None) -> Turn:
    """When a program is run: at once where it has just been compiled, in a turn that goes on with that."""
    return Turn.AT_ONCE if prepared is not None and not prepared.is_kept else Turn.LAST


def _root(language: Language) -> str:
    return jail.PYTHON_ROOT if language.warm else language.root


def _program(
    compiled: Image | None,
    code: str,
    language: Language,
    tools: Tools,
    *,
    mode: str = "script",
    fn_name: str | None = None,
    memory_mb: int,
) -> Program:
    """A program ready to run; nothing of it is open, for it may wait for long. Raises ImageGoneError."""
    source = _encoded(code)
    if language.warm is not None:
        return Program(source=source, mode=mode, fn_name=fn_name)
    copies: dict[str, bytes] = {}
    if compiled is None:
        copies = {language.source: source}
    elif not language.image:
        copies = {str(language.product): compiled.content()}
    return Program(
        argv=tuple(tools.filled(language.run, language, memory_mb=memory_mb)),
        environment=language.environment,
        image=compiled if language.image else None,
        copies=copies,
        least_processes=language.least_processes,
    )


class _Trial:
    """All tests of one job, on one slot or on as many as are idle."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        job: JudgeJob,
        examined: Examined,
        program: Program,
        language: Language,
        checking: Program | None,
        *,
        turn_seconds: float,
        tidying: Callable[[asyncio.Task[None]], object],
        turn: Turn,
    ) -> None:
        self._dispatcher = dispatcher
        self._job = job
        self._inputs = examined.inputs
        self._program = program
        self._rooms = tuple(_rooms(job, language))
        self._checking = checking
        self._turn_seconds = turn_seconds
        self._tidying = tidying  # is given what goes on after the results are known
        self._turn = turn
        self._decided: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lanes = 0
        self._todo = list(range(len(job.tests)))  # a heap: the lowest is run next
        self._end = len(job.tests)  # no test from here on needs to run
        self._left = set(self._todo)  # tests whose results are wanted and not there
        self._plain = checking is None and not isinstance(job.tests[0], AssertTest)
        self._results: dict[int, TestResult] = {}
        self._wall_seconds = math.inf  # of the last run; not finite where it was not over at once
        self._refusal: BadJobError | NotCompiledError | None = None  # of the test at `_end`, should it come to that
        self._starved: set[int] = set()  # to be run with the machine to itself, before any other

    async def run(self) -> list[TestResult]:
        """The results in order, up to and with the first failure unless the job wants all."""
        while self._wanting:
            await self._until_decided()
            for index in sorted(self._starved):
                if index < self._end:
                    await self._run_alone(index)
            self._starved.clear()
        results = [self._results[index] for index in range(self._end)]
        failed = any(result.verdict is not Verdict.ACCEPTED for result in results)
        if self._refusal is not None and not (failed and self._job.stop_at_first_failure):
            raise self._refusal
        return results

    async def _until_decided(self) -> None:
        """Run tests until nothing is open any more. That slots are clean again is waited for by whoever is next."""
        running = asyncio.create_task(self._in_lanes())
        try:
            await asyncio.wait({running, self._decided}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            running.cancel()
            await asyncio.wait({running})
            raise
        if not self._decided.done():
            await running
        self._tidying(running)

    async def _in_lanes(self) -> None:
        async with _first_error_raised(), asyncio.TaskGroup() as lanes:
            await self._lane(lanes)

    @property
    def _wanting(self) -> bool:
        """Whether a test is to be run now. A starved one says that the machine has no room for others."""
        return not self._starved and bool(self._todo) and self._todo[0] < self._end

    @property
    def _ahead(self) -> int:
        """How many runs a slot has at a time: a second one waits in its socket and costs no one his turn for long."""
        return 2 if self._quick else 1

    @property
    def _quick(self) -> bool:
        """Whether tests are over at once, and nothing but their input comes before them."""
        return self._plain and self._wall_seconds < _QUICK_SECONDS

    def _take(self, submission: Submission) -> list[int]:
        """The next tests for a slot, one at least; several where they are quick, for they cost less together.

        No more than twice what has ended, so that a wrong program costs little beyond its first failure; and where
        others could run them, no more than a share.
        """
        taken = [heapq.heappop(self._todo)]
        if not self._quick:
            return taken
        lanes = self._lanes + self._dispatcher.spare
        share = self._end - taken[0] if lanes == 1 else math.ceil(len(self._todo) / (2 * lanes))
        for_so_long = int(_SERIES_SECONDS / self._wall_seconds)
        count = min(submission.longest_series, 2 * len(self._results), share, for_so_long)
        while len(taken) < count and self._wanting and self._in_series(submission, taken[-1], self._todo[0]):
            taken.append(heapq.heappop(self._todo))
        return taken

    def _in_series(self, submission: Submission, *indices: int) -> bool:
        """Whether these tests can be told to a slot as a series; a single one is told in fewer steps so, too."""
        small = all(len(self._inputs[index]) <= wire.LARGEST_INPUT_BYTES for index in indices)
        return small and self._plain and self._program.single and submission.longest_series > 1

    async def _lane(self, lanes: asyncio.TaskGroup, *, borrowed: bool = False) -> None:
        """Take tests until none is left, or on a borrowed slot until somebody else wants it."""
        slot = self._dispatcher.take_spare() if borrowed else None
        if borrowed and slot is None:
            return
        self._lanes += 1
        try:
            await self._tests(lanes, slot)
        finally:
            self._lanes -= 1

    async def _tests(self, lanes: asyncio.TaskGroup, slot: Slot | None) -> None:
        failures = 0
        while slot is not None or self._wanting:
            turn_seconds = self._turn_seconds if slot is None else 0.0  # what is borrowed goes back when it is wanted
            async with self._dispatcher.slot(slot, may_borrow=True, turn=self._turn) as grant:
                self._turn = Turn.BEGUN
                slot = None
                try:
                    await self._tests_on(grant, lanes, turn_seconds)
                except TakenBackError:
                    pass  # in its turn, then
                except SlotDiedError as error:
                    failures += 1
                    log.warning("sandbox slot died", extra={"attempt": failures, "reason": str(error)})
                    if failures == _ATTEMPTS:
                        raise SandboxUnavailableError(f"no run in {_ATTEMPTS} attempts: {error}") from error
                    continue
            if self._lanes > 1:
                return  # the others take what is left

    async def _tests_on(self, grant: Grant, lanes: asyncio.TaskGroup, turn_seconds: float) -> None:
        """Run tests until none is left, or others wait and the turn is over. Raises TakenBackError.

        Where tests are quick, each is sent before the last has ended.
        """
        turn_ends = time.monotonic() + turn_seconds
        started: deque[tuple[list[int], asyncio.Task[None]]] = deque()
        async with self._submission(grant) as submission:
            over = False
            try:
                while True:
                    while self._wanting and not over and len(started) < self._ahead:
                        indices = self._take(submission)
                        started.append((indices, asyncio.create_task(self._run(indices, submission))))
                        self._spread(lanes)
                    if not started or started[0][0][0] >= self._end:
                        return
                    if self._quick:
                        grant.expect(2 * self._wall_seconds * len(started[0][0]))
                    else:
                        grant.expect()
                    async with grant.while_granted():
                        await started[0][1]
                    self._put_back(started.popleft()[0])
                    over = self._dispatcher.others_wait and time.monotonic() >= turn_ends
            finally:
                await self._take_back(started)

    async def _take_back(self, started: Iterable[tuple[list[int], asyncio.Task[None]]]) -> None:
        """End tests whose results nobody waits for; those that had none are to be run."""
        for _, running in started:
            running.cancel()
        await asyncio.gather(*(running for _, running in started), return_exceptions=True)
        for indices, _ in started:
            self._put_back(indices)

    def _put_back(self, indices: Iterable[int]) -> None:
        """Those of the tests that have not been run are to be run."""
        for index in indices:
            if index not in self._results and index not in self._starved:
                heapq.heappush(self._todo, index)

    def _spread(self, lanes: asyncio.TaskGroup) -> None:
        if self._wanting and self._dispatcher.spare:
            lanes.create_task(self._lane(lanes, borrowed=True))

    async def _run(self, indices: Sequence[int], submission: Submission) -> None:
        """Run tests; of several perhaps the first ones alone."""
        tests = [self._test_run(index, submission) for index in indices]
        if not self._in_series(submission, *indices):
            await self._settle(tests[0], tests[0].run())
            return
        outcomes = await submission.run_series(self._program, [test.given for test in tests], self._job.limits)
        for test, outcome in zip(tests, outcomes, strict=False):
            await self._settle(test, test.conclude(outcome))

    async def _settle(self, test: TestRun, result: Awaitable[TestResult]) -> None:
        """Record a result, run again where the first time says nothing. One that starved is to be run alone."""
        try:
            try:
                self._record(await result)
            except InconclusiveError as error:
                if error.starved:
                    self._starved.add(test.index)
                else:
                    await self._test_for_good(test)
        except (BadJobError, NotCompiledError) as error:
            self._refuse(test.index, error)

    async def _run_alone(self, index: int) -> None:
        async with self._dispatcher.everything() as grant, self._submission(grant) as submission:
            try:
                await self._test_for_good(self._test_run(index, submission))
            except (BadJobError, NotCompiledError) as error:
                self._refuse(index, error)

    async def _test_for_good(self, test: TestRun) -> None:
        try:
            self._record(await test.run())
        except InconclusiveError as error:
            self._record(error.result)

    def _record(self, result: TestResult) -> None:
        self._results[result.index] = result
        self._left.discard(result.index)
        if result.verdict is not Verdict.ACCEPTED and self._job.stop_at_first_failure:
            self._end_at(result.index + 1)
        self._decide()

    def _refuse(self, index: int, error: BadJobError | NotCompiledError) -> None:
        """A test that cannot be run. That matters only where those before it pass, whichever was run first."""
        if index < self._end:
            self._refusal = error
            self._end_at(index)

    def _end_at(self, end: int) -> None:
        """Want no test from `end` on."""
        self._end = min(self._end, end)
        self._left = {index for index in self._left if index < self._end}
        self._decide()

    def _decide(self) -> None:
        if not self._left and not self._decided.done():
            self._decided.set_result(None)

    def _test_run(self, index: int, submission: Submission) -> TestRun:
        given = self._inputs[index]
        return TestRun(self._job, index, self._program, submission, given, self._checking, self._note)

    def _note(self, outcome: Outcome) -> None:
        # What it has printed is held in the memory of its slot until it is compared, which is then the next test's too.
        printed = len(outcome.stdout) + len(outcome.stderr)
        self._wall_seconds = max(outcome.wall_seconds, 1e-3) if printed < _LITTLE_BYTES else math.inf

    @asynccontextmanager
    async def _submission(self, grant: Grant) -> AsyncIterator[Submission]:
        submission = grant.slot.submission(*self._rooms)
        try:
            if self._program.mode != "exec" and len(self._program.source) > _SLOW_TO_COMPILE_BYTES:
                # Else it would be charged to whichever test comes first, and which those are depends on the load.
                # It ends as it may: who cannot be compiled within its limits meets the same end in its test.
                compiling = Program(source=self._program.source, mode="prepare")
                async with grant.while_granted():
                    await submission.run(Run(compiling, b"", self._job.limits))
            yield submission
            if self._decided.done() and not self._dispatcher.others_wait:
                await asyncio.sleep(_ANSWERING_SECONDS)
        finally:
            await submission.close()


def _rooms(job: JudgeJob, language: Language) -> Iterator[Room]:
    """One for the program, and one for what judges it beside it."""
    disk_bytes = min(job.limits.disk_mb, job.limits.memory_mb) * _MIB
    yield Room(_root(language), disk_bytes, _preload(job.code, language))
    if isinstance(job.tests[0], AssertTest):
        sources = (test.source for test in job.tests if isinstance(test, AssertTest) and "pytest" in test.source)
        by_pytest = any("pytest" in _imported(source) for source in sources)
        yield Room(jail.PYTHON_ROOT, disk_bytes, ("ast", "pytest") if by_pytest else ("ast",))
    elif job.checker.program is not None:
        checking = languages.by_name(job.checker.language.strip().lower())
        yield Room(_root(checking), CHECKER_LIMITS.disk_mb * _MIB)


@asynccontextmanager
async def _first_error_raised() -> AsyncIterator[None]:
    """Raise the first error of a task group as itself."""
    try:
        yield
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


# Slow to import and not preloaded: imported once a submission, before its first test, where its text imports them.
_IMPORTED_AHEAD: Final = (
    "array",
    "cmath",
    "datetime",
    "decimal",
    "fractions",
    "numpy",
    "sortedcontainers",
    "dataclasses",
    "asyncio",
    "statistics",
    "multiprocessing",
    "queue",
)


# Not each mention: many a program has a `queue` or a `subarray` and imports neither.
_IMPORTING: Final = re.compile(r"(?:import|from)(?:\\\n|.)*")
_WORD: Final = re.compile(r"\w+")


def _preload(code: str, language: Language) -> tuple[str, ...]:
    if not language.warm:
        return ()
    imported = _imported(code)
    return tuple(name for name in _IMPORTED_AHEAD if name in imported)


def _imported(code: str) -> set[str]:
    """Every word of what seems to be an import."""
    return set(_WORD.findall(" ".join(_IMPORTING.findall(code))))


def _encoded(code: str) -> bytes:
    # Text from JSON may hold lone surrogates; no compiler accepts them, and no encoder but this one.
    return code.encode("utf-8", "surrogatepass")


def _not_compiled(output: str) -> Execution:
    return Execution(Verdict.COMPILE_ERROR, b"", b"", None, None, 0.0, 0.0, 0.0, compile_output=output)


def _execution(outcome: Outcome) -> Execution:
    if outcome.report.get("ended") == "not_compiled":
        return replace(_not_compiled(str(outcome.report.get("message", ""))), stderr=outcome.stderr)
    return Execution(
        verdict=outcome.verdict,
        stdout=outcome.stdout,
        stderr=outcome.stderr,
        exit_code=outcome.exit_code,
        signal=outcome.signal,
        cpu_seconds=outcome.cpu_seconds,
        wall_seconds=outcome.wall_seconds,
        memory_mb=outcome.memory_mb,
        message=outcome.message,
    )
