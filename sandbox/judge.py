"""One program against one test: what is run, and what its end means for the test.

Expected outputs are compared here, in the server; the sandbox gets the program and the input. A function test sends the
arguments and reads back plain data. An assertion test runs in two submissions that share nothing but a socket, and
counts as passed only when the asserting side repeats a nonce that the program's side never had.
"""

from __future__ import annotations

import ast
import asyncio
import json
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from sandbox import checker, returned
from sandbox.cache import ProgramCache
from sandbox.inside import plain
from sandbox.inside.wire import WALL_STRETCH
from sandbox.models import (
    AssertTest,
    BadJobError,
    CallTest,
    Checker,
    CheckerKind,
    JsonValue,
    JudgeJob,
    Limits,
    StdioTest,
    TestResult,
    Verdict,
)
from sandbox.runner import STARVED_SHARE
from sandbox.runs import Outcome, Program, Run, Submission

_SHOWN_STDERR: Final = 4000
_MAX_ASSERT_BYTES: Final = 1_000_000
_COMPARED_INLINE_BYTES: Final = 32 * 1024  # more than this is compared off the event loop
_EXAMINED_INLINE_BYTES: Final = 256 * 1024
_ASSERTING_EXTRA_SECONDS: Final = 5.0
_ASSERTING_OUTPUT_BYTES: Final = 256 * 1024
# How an asserting side can end by what it does itself, whatever the program beside it does; memory they share.
_OF_ITS_OWN_DOING: Final = (
    Verdict.TIME_LIMIT_EXCEEDED,
    Verdict.OUTPUT_LIMIT_EXCEEDED,
    Verdict.SECURITY_VIOLATION,
)
_parsing: Final = threading.Lock()
CHECKER_LIMITS: Final = Limits(cpu_seconds=10.0, memory_mb=1024, disk_mb=512)
_MIB: Final = 1024 * 1024
_CHECKER_SLACK_BYTES: Final = _MIB  # files take whole pages
_CHECKER_SAYS_BROKEN: Final = 3  # as testlib's checkers do


class NotCompiledError(Exception):
    """The program is not valid Python; the message is the interpreter's."""


class InconclusiveError(Exception):
    """The run says nothing yet about the program; the caller runs it again. Carries what it would mean."""

    def __init__(self, result: TestResult, *, starved: bool) -> None:
        super().__init__(result.message)
        self.result = result
        self.starved = starved


@dataclass(frozen=True, slots=True)
class TestRun:
    """A test with the submission it runs in; its second room is for assertions, or for the task's own checker."""

    job: JudgeJob
    index: int
    program: Program
    submission: Submission
    given: bytes  # to the program
    checking: Program | None = None
    noted: Callable[[Outcome], object] | None = None  # hears of every run for an input

    __test__ = False

    async def run(self) -> TestResult:
        """Run the test. Raises NotCompiledError, InconclusiveError, BadJobError, SlotDiedError."""
        test = self.job.tests[self.index]
        if isinstance(test, AssertTest):
            return await self._assert(test)
        return await self.conclude(await self.submission.run(Run(self.program, self.given, self.job.limits)))

    async def conclude(self, outcome: Outcome) -> TestResult:
        """What it means that the program ended so. Raises what `run` does."""
        if self.noted is not None:
            self.noted(outcome)
        if outcome.verdict is not Verdict.ACCEPTED:
            return self._failed(outcome)
        return self._compared(outcome, await self._wrong(outcome))

    async def _wrong(self, outcome: Outcome) -> str | None:
        """What is wrong with what a program that ended well has printed or returned, if anything is."""
        test = self.job.tests[self.index]
        if isinstance(test, CallTest):
            return await self._wrong_return(test, outcome)
        assert isinstance(test, StdioTest)
        if self.checking is not None:
            return await self._refused(self.checking, test, outcome)
        compared = len(test.stdout) + len(outcome.stdout)
        if compared <= _COMPARED_INLINE_BYTES:
            return checker.difference(test.stdout, outcome.stdout, self.job.checker)
        return await asyncio.to_thread(checker.difference, test.stdout, outcome.stdout, self.job.checker)

    async def _refused(self, checking: Program, test: StdioTest, outcome: Outcome) -> str | None:
        """Ask the task's checker; why it refuses, or None where it accepts."""
        files = {"input": test.stdin, "output": outcome.stdout, "expected": test.stdout}
        paths = tuple(f"/tmp/{name}" for name in files)  # noqa: S108 - the jail's
        program = replace(checking, argv=(*checking.argv, *paths), copies={**(checking.copies or {}), **files})
        if sum(map(len, (program.copies or {}).values())) > CHECKER_LIMITS.disk_mb * _MIB - _CHECKER_SLACK_BYTES:
            raise BadJobError(f"the checker of test {self.index} is to read more than {CHECKER_LIMITS.disk_mb} MiB")
        checked = await self.submission.run(Run(program, b"", CHECKER_LIMITS), room=1)
        if checked.exit_code == _CHECKER_SAYS_BROKEN or checked.report.get("ended") == "not_compiled":
            said = checked.stderr[-_SHOWN_STDERR:].decode("utf-8", "replace")
            raise BadJobError(f"the checker of test {self.index} cannot judge: {said}")
        if checked.verdict is Verdict.ACCEPTED:
            return None
        said = (checked.stderr or checked.stdout)[:200].decode("utf-8", "replace").strip()
        refusal = f"refused by the checker: {said or checked.message}"
        if checked.starved:
            raise InconclusiveError(self._compared(outcome, refusal), starved=True)
        return refusal

    async def _wrong_return(self, test: CallTest, outcome: Outcome) -> str | None:
        encoded = outcome.report.get("value")
        if outcome.report.get("ended") == "not_plain":
            return f"returned what is not plain data: {outcome.report.get('message')}"
        if outcome.report.get("ended") != "returned" or not isinstance(encoded, bytes):
            return "returned nothing"
        if len(encoded) <= _COMPARED_INLINE_BYTES:
            return _compare_returned(test, encoded, self.job.checker)
        return await asyncio.to_thread(_compare_returned, test, encoded, self.job.checker)

    async def _assert(self, test: AssertTest) -> TestResult:
        if self.job.objects_in_process and _reaches_into_the_process(_parsed(test.source)):
            return await self._assert_in_process(test)
        nonce = secrets.token_bytes(16)
        asserting = Program(source=test.source.encode(), mode="assert", fn_name=self.job.fn_name)
        outcome, judged = await self.submission.run_joined(
            Run(self.program, self.given, self.job.limits), Run(asserting, nonce, _asserting_limits(self.job.limits))
        )
        if _ended(judged, nonce) == "needs_objects" and self.job.objects_in_process:
            return await self._assert_in_process(test)
        return self._asserted(outcome, judged, nonce)

    async def _assert_in_process(self, test: AssertTest) -> TestResult:
        """Let the program judge itself, and say so."""
        nonce = secrets.token_bytes(16)
        together = replace(self.program, mode="together", fn_name=self.job.fn_name)
        source = plain.dumps((nonce, test.source))
        outcome = await self.submission.run(Run(together, source, self.job.limits))
        return replace(self._asserted(outcome, outcome, nonce), in_process=True)

    def _asserted(self, outcome: Outcome, judged: Outcome, nonce: bytes) -> TestResult:
        ended = _ended(judged, nonce)
        message = str(judged.report.get("message", ""))
        if ended == "alone" and judged.verdict in _OF_ITS_OWN_DOING and not judged.starved:
            raise BadJobError(f"test {self.index} {judged.message}, before it asks the program anything")
        # The program's own limits and endings first: an assertion that failed because of them is not the cause.
        if outcome.verdict not in (Verdict.ACCEPTED, Verdict.RUNTIME_ERROR):
            if self._waited_for_a_starved(judged, outcome):
                raise InconclusiveError(self._result(outcome, outcome.verdict, outcome.message), starved=True)
            return self._failed(outcome)
        if ended == "completed":
            return self._result(outcome, Verdict.ACCEPTED, None)
        if outcome.verdict is Verdict.RUNTIME_ERROR:
            return self._failed(outcome)
        if ended == "needs_objects":
            raise BadJobError(f"test {self.index} needs objects that cannot leave the sandbox: {message}")
        if ended == "broken":
            raise BadJobError(f"test {self.index} cannot be run: {message}")
        if ended in ("assertion", "test_raised"):
            return self._result(outcome, Verdict.WRONG_ANSWER, message)
        if ended == "raised":
            out_of_memory = message.startswith("MemoryError")
            verdict = Verdict.MEMORY_LIMIT_EXCEEDED if out_of_memory else Verdict.RUNTIME_ERROR
            return self._result(outcome, verdict, message)
        if ended == "no_function":
            return self._result(outcome, Verdict.RUNTIME_ERROR, f"does not define {self.job.fn_name!r}")
        if ended == "program_ended":
            return self._result(outcome, Verdict.RUNTIME_ERROR, "ended before the test did")
        if ended == "alone" and not (judged.starved or judged.unexplained):
            how = judged.message or "over"
            raise BadJobError(f"test {self.index} was {how}, before it asks the program anything")
        # The asserting side itself ran into a limit, on data that the program gave it.
        verdict = judged.verdict if judged.verdict is not Verdict.ACCEPTED else Verdict.WRONG_ANSWER
        result = self._result(outcome, verdict, f"the test did not complete: {judged.message}")
        if judged.starved or judged.unexplained:
            raise InconclusiveError(result, starved=judged.starved)
        return result

    def _waited_for_a_starved(self, judged: Outcome, outcome: Outcome) -> bool:
        """Whether a program came to its wall limit while its test waited for a core that others had."""
        ran_out = outcome.verdict is Verdict.TIME_LIMIT_EXCEEDED and outcome.cpu_seconds <= self.job.limits.cpu_seconds
        by_others = judged.starved_seconds - outcome.cpu_seconds
        return ran_out and by_others > STARVED_SHARE * self.job.limits.wall

    def _compared(self, outcome: Outcome, found: str | None) -> TestResult:
        return self._result(outcome, Verdict.ACCEPTED if found is None else Verdict.WRONG_ANSWER, found)

    def _failed(self, outcome: Outcome) -> TestResult:
        if outcome.report.get("ended") == "not_compiled":
            raise NotCompiledError(str(outcome.report.get("message", "")))
        result = self._result(outcome, outcome.verdict, outcome.message)
        if outcome.starved or outcome.unexplained:
            raise InconclusiveError(result, starved=outcome.starved)
        return result

    def _result(self, outcome: Outcome, verdict: Verdict, message: str | None) -> TestResult:
        return TestResult(
            index=self.index,
            verdict=verdict,
            cpu_seconds=outcome.cpu_seconds,
            wall_seconds=outcome.wall_seconds,
            memory_mb=outcome.memory_mb,
            stderr=outcome.stderr[-_SHOWN_STDERR:].decode("utf-8", "replace"),
            message=message,
        )


def _ended(judged: Outcome, nonce: bytes) -> object:
    """How the asserting side ended, where it proves that it is the one."""
    return judged.report.get("ended") if judged.report.get("nonce") == nonce else None


def _asserting_limits(limits: Limits) -> Limits:
    # It mostly waits for the program, which has a wall limit of its own and may be given longer where it is starved.
    # What it says goes to us, and is not the program's output. What it computes itself is no time of the program's, and
    # what it computes from what the program gave it has an end, too.
    return replace(
        limits,
        cpu_seconds=2 * limits.cpu_seconds,
        wall_seconds=limits.wall * WALL_STRETCH + _ASSERTING_EXTRA_SECONDS,
        output_bytes=max(limits.output_bytes, _ASSERTING_OUTPUT_BYTES),
    )


def _compare_returned(test: CallTest, encoded: bytes, tolerance: Checker) -> str | None:
    used = tolerance if tolerance.kind is CheckerKind.FLOATS else Checker()
    try:
        if any(returned.agrees(expected, encoded, used) for expected in _expected(test)):
            return None
    except plain.MalformedError as error:
        return f"returned what cannot be read: {error}"
    return f"expected {_shown(test.output)}, got {returned.shown(encoded)}"


def _expected(test: CallTest) -> tuple[JsonValue, ...]:
    if test.maybe_wrapped and isinstance(test.output, list) and len(test.output) == 1:
        return test.output, test.output[0]
    return (test.output,)


def _shown(value: JsonValue) -> str:
    return returned.shown(plain.dumps(value))


@dataclass(frozen=True, slots=True)
class Examined:
    """A job that can be judged: what tells it from others, and what its tests give to the program."""

    digest: bytes
    inputs: tuple[bytes, ...]


async def examine(job: JudgeJob) -> Examined:
    """Refuse what nobody can judge. Raises BadJobError."""
    size = sum(len(test.stdin) + len(test.stdout) for test in job.tests if isinstance(test, StdioTest))
    if all(isinstance(test, StdioTest) for test in job.tests) and size <= _EXAMINED_INLINE_BYTES:
        return _examine(job)
    return await asyncio.to_thread(_examine, job)


def _examine(job: JudgeJob) -> Examined:
    _check_job(job)
    inputs = tuple(_input(index, test) for index, test in enumerate(job.tests))
    return Examined(_digest(job, inputs), inputs)


def _input(index: int, test: StdioTest | CallTest | AssertTest) -> bytes:
    if isinstance(test, StdioTest):
        return test.stdin
    if isinstance(test, AssertTest):
        return b""
    try:
        plain.dumps(test.output)
        plain.dumps(test.arguments)
        # The program reads them as JSON, in C: it is charged for the time.
        return json.dumps(test.arguments).encode()
    except (plain.NotPlainError, RecursionError, ValueError) as error:
        raise BadJobError(f"test {index}: {error}") from error


def _digest(job: JudgeJob, inputs: tuple[bytes, ...]) -> bytes:
    """The same for jobs that must end alike."""
    limits, compared = job.limits, job.checker
    described = (
        *(job.code, job.language.lower(), job.fn_name, type(job.tests[0]).__name__),
        *(job.stop_at_first_failure, job.objects_in_process),
        *(limits.cpu_seconds, limits.wall, limits.memory_mb, limits.output_bytes, limits.processes, limits.disk_mb),
        *(compared.kind.value, compared.abs_tol, compared.rel_tol, compared.program, compared.language),
    )
    # `repr` tells apart all that is here, 4 from 4.0 and half a character from a whole one too, and takes no time.
    parts = [repr(described).encode(), *inputs]
    for test in job.tests:
        if isinstance(test, StdioTest):
            parts.append(test.stdout)
        else:
            expected = (test.output, test.maybe_wrapped) if isinstance(test, CallTest) else test.source
            parts.append(plain.dumps(expected))
    return bytes.fromhex(ProgramCache.key(*parts))


def _check_job(job: JudgeJob) -> None:
    if not job.tests:
        raise BadJobError("a job without tests")
    if len({type(test) for test in job.tests}) > 1:
        raise BadJobError("tests of more than one form")
    first = job.tests[0]
    if (job.checker.kind is CheckerKind.PROGRAM) != (job.checker.program is not None):
        raise BadJobError("a checker program is given if and only if the checker is `program`")
    if job.checker.kind is CheckerKind.PROGRAM and not isinstance(first, StdioTest):
        raise BadJobError("a checker program compares the outputs of scripts")
    if isinstance(first, CallTest) and not (job.fn_name and job.fn_name.isidentifier()):
        raise BadJobError("function tests without the name of a function")
    for index, test in enumerate(job.tests):
        if isinstance(test, AssertTest):
            _check_assertions(index, test, job)


def _check_assertions(index: int, test: AssertTest, job: JudgeJob) -> None:
    """A test that asserts nothing would pass every program, and one that needs the program's process refuse it."""
    if len(test.source) > _MAX_ASSERT_BYTES:
        raise BadJobError(f"test {index} is too long")
    try:
        tree = _parsed(test.source)
        nodes = list(ast.walk(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadJobError(f"test {index} is not valid Python: {error}") from error
    if not any(isinstance(node, (ast.Assert, ast.Raise, ast.Call)) for node in nodes):
        raise BadJobError(f"test {index} asserts nothing")
    runs_something = any(
        not isinstance(node, _DEFINING) and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in tree.body
    )
    if not runs_something and not any(_is_run_for_us(node, job.fn_name) for node in tree.body):
        raise BadJobError(f"test {index} defines things and runs nothing")
    if _reaches_into_the_process(tree) and not job.objects_in_process:
        raise BadJobError(f"test {index} captures or replaces what only the program's own process has")


def _parsed(source: str) -> ast.Module:
    # CPython 3.11 keeps its depth of recursion for all threads together and raises SystemError where two parse.
    with _parsing:
        return ast.parse(source)


def _is_run_for_us(node: ast.stmt, fn_name: str | None) -> bool:
    """What whoever runs a test calls: `check` with the function, functions `test…`, classes `Test…`, test cases."""
    if isinstance(node, ast.FunctionDef):
        return node.name.startswith("test") or (node.name == "check" and fn_name is not None)
    if not isinstance(node, ast.ClassDef):
        return isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test")
    return node.name.startswith("Test") or any("TestCase" in ast.unparse(base) for base in node.bases)


# Tools that look at, or replace, what a program prints, reads, calls or finds, in its own process.
_REACHING: Final = frozenset(
    {
        *("redirect_stdout", "redirect_stderr", "capsys", "capfd", "caplog", "monkeypatch", "mock", "patch"),
        *("MagicMock", "assertLogs", "assertNoLogs", "assertWarns", "assertWarnsRegex", "catch_warnings", "recwarn"),
        *("warns", "deprecated_call", "capsysbinary", "capfdbinary", "tmp_path", "tmp_path_factory", "tmpdir"),
        *("tempfile", "environ"),
        *("NamedTemporaryFile", "TemporaryDirectory", "mkstemp", "mkdtemp"),
    }
)


_STREAMS: Final = ("stdin", "stdout", "stderr")
_DEFINING: Final = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
    *(ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign),
)


def _reaches_into_the_process(tree: ast.Module) -> bool:
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {(one.asname or one.name).split(".")[0] for one in node.names}
        if isinstance(node, ast.Import | ast.ImportFrom) and _REACHING.intersection(one.name for one in node.names):
            return True
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in _REACHING:
            return True
        match node:
            case ast.Attribute(ast.Name(name), _, ast.Store()) if name in modules:
                return True
        if isinstance(node, ast.Attribute) and node.attr in _REACHING:
            return True
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and node.attr in _STREAMS:
            return True
    return False
