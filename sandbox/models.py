"""What goes into a judge and what comes out of it.

Every ending of a program has one name, a `Verdict`. What went wrong on our side is never a verdict about the
program: it is an exception (`SandboxError` and below), so that an outage cannot be mistaken for a wrong answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

# What a JSON document can hold; the arguments and results of function tests.
JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]


class Verdict(StrEnum):
    """How a program ended, over one test or over all of them."""

    ACCEPTED = "accepted"
    WRONG_ANSWER = "wrong_answer"
    RUNTIME_ERROR = "runtime_error"  # non-zero exit, or killed by its own signal
    TIME_LIMIT_EXCEEDED = "time_limit_exceeded"  # CPU time, or the wall-clock backstop
    MEMORY_LIMIT_EXCEEDED = "memory_limit_exceeded"
    OUTPUT_LIMIT_EXCEEDED = "output_limit_exceeded"
    COMPILE_ERROR = "compile_error"  # the compiler refused it, or ran into its own limits
    SECURITY_VIOLATION = "security_violation"  # killed for a system call that no honest program makes


class CheckerKind(StrEnum):
    """How the output of a program is compared with the expected output; the rules are in `sandbox.checker`."""

    TOKENS = "tokens"
    EXACT = "exact"
    FLOATS = "floats"
    UNORDERED_LINES = "unordered_lines"
    PROGRAM = "program"  # a program of the task's decides, jailed like the candidate


@dataclass(frozen=True, slots=True)
class Checker:
    """A comparison and, for `floats`, its tolerances: a number passes when it is within either.

    For `program`, the source of a program that is called with the paths of three files, the input, the output and the
    expected output. It ends with 0 to accept and with 3 to say that the task is broken; any other end refuses.
    """

    kind: CheckerKind = CheckerKind.TOKENS
    abs_tol: float = 1e-9
    rel_tol: float = 1e-9
    program: str | None = None
    language: str = "python"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run of a program may use.

    CPU time decides; wall time is the backstop against a program that sleeps, three times the CPU limit unless given.
    """

    cpu_seconds: float = 4.0
    wall_seconds: float | None = None
    memory_mb: int = 300
    output_bytes: int = 16 * 1024 * 1024
    processes: int = 64
    disk_mb: int = 64

    @property
    def wall(self) -> float:
        """The wall-clock backstop in seconds."""
        return self.wall_seconds if self.wall_seconds is not None else 3 * self.cpu_seconds


@dataclass(frozen=True, slots=True)
class StdioTest:
    """Feed `stdin`, compare standard output with `stdout`."""

    stdin: bytes
    stdout: bytes


@dataclass(frozen=True, slots=True)
class CallTest:
    """Call the job's `fn_name` with `arguments`, compare what it returns with `output`."""

    arguments: tuple[JsonValue, ...]
    output: JsonValue
    # APPS and TACO put what a call returns into a list of one, and nothing says whether they did: either is right.
    maybe_wrapped: bool = False


@dataclass(frozen=True, slots=True)
class AssertTest:
    """Run `source`, Python statements with assertions over the candidate's names; passes when it runs to its end."""

    source: str


Test = StdioTest | CallTest | AssertTest


@dataclass(frozen=True, slots=True)
class JudgeJob:
    """One program and the tests it must pass, all of one form. Expected outputs stay outside the sandbox."""

    code: str
    language: str
    tests: tuple[Test, ...]
    fn_name: str | None = None
    limits: Limits = field(default_factory=Limits)
    checker: Checker = field(default_factory=Checker)
    stop_at_first_failure: bool = True
    # What an assertion asks of the program's own objects is a broken task, or asked in the program's own process, where
    # the program may lie about them.
    objects_in_process: bool = False


@dataclass(frozen=True, slots=True)
class TestResult:
    """How one test of a job ended. `index` is its position in the job."""

    index: int
    verdict: Verdict
    cpu_seconds: float
    wall_seconds: float
    memory_mb: float
    stderr: str = ""
    message: str | None = None  # one sentence for a person: what differed, which signal, which limit
    in_process: bool = False  # the program shared a process with its test, and could have cheated

    __test__ = False  # not a test of ours, whatever pytest thinks of the name


@dataclass(frozen=True, slots=True)
class JudgeResult:
    """The verdict over all tests, and the tests that were run, in order.

    `verdict` is that of the first failing test, or `accepted`. A job that did not compile has run no test.
    """

    verdict: Verdict
    tests: tuple[TestResult, ...]
    passed: int
    total: int
    compile_output: str | None = None
    compiler_limited: bool = False  # the compiler ran into its own limits: not a property of the program alone

    @property
    def first_failure(self) -> TestResult | None:
        """The first test that did not pass, if one was run."""
        return next((test for test in self.tests if test.verdict is not Verdict.ACCEPTED), None)


@dataclass(frozen=True, slots=True)
class ExecuteJob:
    """Run a program once, without judging it."""

    code: str
    language: str
    stdin: bytes = b""
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Execution:
    """How one run of a program ended; `verdict` is `accepted` when it ended by itself with exit code 0."""

    verdict: Verdict
    stdout: bytes
    stderr: bytes
    exit_code: int | None  # None when a signal ended it, or it never ran
    signal: int | None
    cpu_seconds: float
    wall_seconds: float
    memory_mb: float
    compile_output: str | None = None
    message: str | None = None


class SandboxError(Exception):
    """We could not judge; nothing is said about the program."""


class SandboxUnavailableError(SandboxError):
    """No isolation on this host, no worker, or a worker that died more often than we retry."""


class JobFailedError(SandboxError):
    """A fault of ours that this job meets again and again, such as the death of whoever takes it; not judged."""


class QueueFullError(SandboxError):
    """More work is waiting than this backend admits."""


class BadJobError(SandboxError):
    """The job itself cannot be judged: an unknown language, tests of two forms, a test that is not valid."""


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a backend can judge now; `detail` names the isolation, or what is missing."""

    ready: bool
    detail: str
    facts: Mapping[str, str] = field(default_factory=dict)


class Judge(Protocol):
    """A backend. Declared here by its consumer; `local`, `docker` and `queue` satisfy it."""

    async def start(self) -> None:
        """Become ready, or raise SandboxUnavailableError saying what the host lacks."""

    async def close(self) -> None:
        """End every process that was started and remove every file that was made."""

    async def judge(self, job: JudgeJob) -> JudgeResult:
        """Judge one program. Cancelling the call ends the program.

        Raises:
            BadJobError: the job cannot be judged by anybody.
            SandboxUnavailableError: we failed; the caller may try again.
            JobFailedError: we failed at this job, more often than we try.
            QueueFullError: not admitted.
        """

    async def execute(self, job: ExecuteJob) -> Execution:
        """Run one program once; raises as `judge` does."""

    def health(self) -> Health:
        """Say at once, without waiting on anything, whether jobs can be judged now."""
