"""Correctness of a code rollout (Magistral, 2.2.2): the first fenced block of the answer part against drawn tests."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

from pydantic import JsonValue

from reward_server.fences import CodeBlock
from reward_server.models import (
    AssertTest,
    CallTest,
    CodeTask,
    FirstFailure,
    StdioTest,
    TaskLimits,
    TestCase,
    Tests,
    TestSummary,
)
from reward_server.presets import CodeRules
from reward_server.rewards.correctness import AnswerVerdict, Correctness
from reward_server.rewards.draw import draw, tests_digest
from sandbox import models as sandbox
from sandbox.languages import find

# What a floats checker allows when its task does not say: what contest judges commonly do.
DEFAULT_TOLERANCE = 1e-6


async def grade(
    task: CodeTask,
    block: CodeBlock,
    *,
    judge: sandbox.Judge,
    rules: CodeRules,
    group: str,
    seed: str,
    partial_credit: bool,
) -> Correctness:
    """Judge the program against the tests drawn for its group; raises as `Judge.judge` does."""
    # Before anything is paid or refused: a task that cannot be judged is nobody's fault but its author's.
    tests = sandbox_tests(task)
    language = _language(block, task, rules)
    if language is None:
        return Correctness(raw=0.0, verdict=AnswerVerdict.NO_CODE, detail=_why_no_code(block, task))
    if rules.fewer_tests == "unscored" and len(tests) < rules.tests:
        raise sandbox.BadJobError(f"the task has {len(tests)} tests, the preset wants {rules.tests}")
    drawn = draw(len(tests), rules.tests, tests=tests_digest(tests), group=group, seed=seed)
    job = sandbox.JudgeJob(
        code=block.code,
        language=language,
        tests=tuple(tests[place] for place in drawn),
        fn_name=fn_name(task),
        limits=sandbox_limits(task.limits),
        checker=sandbox_checker(task),
        stop_at_first_failure=not partial_credit,
        objects_in_process=rules.objects == "in_process",
    )
    return _correctness(await judge.judge(job), drawn, block.code, partial_credit=partial_credit)


def sandbox_tests(task: Tests) -> tuple[sandbox.Test, ...]:
    """Return the tests of a task in the sandbox's terms, whichever way the task wrote them.

    Raises:
        BadJobError: the `input_output` of the task does not have the form that it says.
    """
    if task.tests is not None:
        return tuple(_sandbox_test(test) for test in task.tests)
    assert task.input_output is not None, "the wire takes tests or input_output"
    pairs = zip(task.input_output.inputs, task.input_output.outputs, strict=True)
    if fn_name(task) is None:
        return tuple(sandbox.StdioTest(_lines(stdin), _lines(stdout)) for stdin, stdout in pairs)
    return tuple(_call(arguments, output) for arguments, output in pairs)


def fn_name(task: Tests) -> str | None:
    """Return the function that call tests call."""
    if task.input_output is not None and task.input_output.fn_name is not None:
        return task.input_output.fn_name
    return task.fn_name


def sandbox_limits(limits: TaskLimits) -> sandbox.Limits:
    """Return the limits of a task; what it leaves out is the sandbox's default."""
    return sandbox.Limits(**{name: value for name, value in dict(limits).items() if value is not None})


def sandbox_checker(task: Tests) -> sandbox.Checker:
    """Return the checker of a task with its tolerances."""
    spec = task.checker_spec
    return sandbox.Checker(
        kind=spec.kind,
        abs_tol=DEFAULT_TOLERANCE if spec.abs_tol is None else spec.abs_tol,
        rel_tol=DEFAULT_TOLERANCE if spec.rel_tol is None else spec.rel_tol,
        program=spec.program,
        language=spec.language or "python",
    )


def _language(block: CodeBlock, task: CodeTask, rules: CodeRules) -> str | None:
    """Return the language to run the block as, or None when it is not in the language that the task asks for."""
    written = find(block.language)
    if task.language is None:
        return None if written is None else written.name
    wanted = find(task.language)
    if wanted is None:
        raise sandbox.BadJobError(f"no language is called {task.language!r} here")
    return wanted.name if written == wanted or not rules.language_must_agree else None


def _why_no_code(block: CodeBlock, task: CodeTask) -> str:
    if task.language is None:
        return f"the block says {block.language!r}, which is no language known here"
    return f"the block says {block.language!r}, the task wants {task.language!r}"


def _correctness(judged: sandbox.JudgeResult, drawn: Sequence[int], code: str, *, partial_credit: bool) -> Correctness:
    accepted = judged.verdict is sandbox.Verdict.ACCEPTED
    assert not accepted or judged.passed == judged.total, "accepted means that every drawn test passed"
    share = judged.passed / judged.total
    failure = judged.first_failure
    return Correctness(
        raw=share if partial_credit else float(accepted),
        verdict=judged.verdict,
        detail=f"{judged.passed} of {judged.total} tests passed" if partial_credit or accepted else _why(judged),
        extracted=code,
        tests=TestSummary(
            passed=judged.passed,
            total=judged.total,
            first_failure=None if failure is None else _first_failure(failure, drawn),
            compile_output=judged.compile_output,
            in_process=sum(test.in_process for test in judged.tests),
        ),
    )


def _why(judged: sandbox.JudgeResult) -> str | None:
    return judged.first_failure.message if judged.first_failure is not None else None


def _first_failure(failure: sandbox.TestResult, drawn: Sequence[int]) -> FirstFailure:
    facts = dataclasses.asdict(failure)
    del facts["wall_seconds"]
    return FirstFailure(**facts | {"index": drawn[failure.index]})


def _sandbox_test(test: TestCase) -> sandbox.Test:
    match test:
        case StdioTest():
            return sandbox.StdioTest(test.stdin.encode(), test.stdout.encode())
        case CallTest():
            return sandbox.CallTest(tuple(test.input), test.output)
        case AssertTest():
            return sandbox.AssertTest(test.assertion)


def _lines(text: JsonValue) -> bytes:
    """Standard input or output: a string, or its lines in a list as APPS writes some."""
    if isinstance(text, list) and all(isinstance(line, str) for line in text):
        text = "\n".join(str(line) for line in text)
    if not isinstance(text, str):
        raise sandbox.BadJobError("input_output without fn_name holds strings, or lists of lines")
    return text.encode()


def _arguments(arguments: JsonValue) -> tuple[JsonValue, ...]:
    """Arguments of a call: a list (APPS, TACO, PRIME), or one JSON document a line (LiveCodeBench)."""
    if isinstance(arguments, list):
        return tuple(arguments)
    if isinstance(arguments, str):
        return tuple(_decoded(line) for line in arguments.split("\n") if line.strip())
    raise sandbox.BadJobError("input_output with fn_name holds lists of arguments, or JSON documents one a line")


def _call(arguments: JsonValue, output: JsonValue) -> sandbox.CallTest:
    """A call as APPS, TACO and PRIME write it, or as JSON documents as LiveCodeBench does."""
    if isinstance(arguments, str):
        return sandbox.CallTest(_arguments(arguments), _decoded(output) if isinstance(output, str) else output)
    return sandbox.CallTest(_arguments(arguments), output, maybe_wrapped=True)


def _decoded(document: str) -> JsonValue:
    try:
        value: JsonValue = json.loads(document, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise sandbox.BadJobError("input_output with fn_name: a string is not JSON") from None
    return value


def _no_number(name: str) -> JsonValue:
    raise ValueError(f"{name} is no JSON value")
