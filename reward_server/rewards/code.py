"""Correctness of a code rollout (Magistral, 2.2.2): the first fenced block of the answer part against drawn tests."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from pydantic import JsonValue
from pydantic_core import from_json

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
    finite,
)
from reward_server.presets import CodeRules
from reward_server.rewards.correctness import AnswerVerdict, Correctness
from reward_server.rewards.draw import draw
from sandbox import models as sandbox
from sandbox.languages import find

# What a floats checker allows when its task does not say: what contest judges commonly do.
DEFAULT_TOLERANCE = 1e-6


async def grade(
    task: CodeTask,
    block: CodeBlock,
    *,
    drawn: Sequence[int],
    judge: sandbox.Judge,
    rules: CodeRules,
    partial_credit: bool,
) -> Correctness:
    """Judge the program against the tests that were drawn; raises as `Judge.judge` does."""
    language = _language(block, task, rules)
    if language is None:
        return Correctness(raw=0.0, verdict=AnswerVerdict.NO_CODE, detail=_why_no_code(block, task))
    job = sandbox.JudgeJob(
        code=block.code,
        language=language,
        tests=sandbox_tests(task, drawn),
        fn_name=fn_name(task),
        limits=sandbox_limits(task.limits),
        checker=sandbox_checker(task),
        stop_at_first_failure=not partial_credit,
        objects_in_process=rules.objects == "in_process",
    )
    return _correctness(await judge.judge(job), drawn, block.code, partial_credit=partial_credit)


def drawn_tests(task: CodeTask, *, rules: CodeRules, tests: str, group: str, seed: str) -> Sequence[int]:
    """Return the places of the tests that a program of this group is judged by; `tests` is their digest.

    Raises:
        BadJobError: there are fewer than the rules ask for.
    """
    total = _count(task)
    if rules.fewer_tests == "unscored" and total < rules.tests:
        raise sandbox.BadJobError(f"the task has {total} tests, the preset wants {rules.tests}")
    return draw(total, rules.tests, tests=tests, group=group, seed=seed)


def sandbox_tests(task: Tests, places: Iterable[int] | None = None) -> tuple[sandbox.Test, ...]:
    """Return the tests of a task in the sandbox's terms, whichever way the task wrote them: all, or those at `places`.

    Raises:
        BadJobError: the `input_output` of the task does not have the form that it says.
    """
    chosen = range(_count(task)) if places is None else places
    if task.tests is not None:
        return tuple(_sandbox_test(task.tests[place]) for place in chosen)
    assert task.input_output is not None, "the wire takes tests or input_output"
    inputs, outputs = task.input_output.inputs, task.input_output.outputs
    if fn_name(task) is None:
        return tuple(sandbox.StdioTest(_lines(inputs[place]), _lines(outputs[place])) for place in chosen)
    return tuple(_call(inputs[place], outputs[place]) for place in chosen)


def _count(task: Tests) -> int:
    if task.tests is not None:
        return len(task.tests)
    return len(task.input_output.inputs) if task.input_output is not None else 0


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
    assert wanted is not None, "a task in a language that nobody knows has a fault"
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
    """Read one by the rules of the body that it came in."""
    try:
        return finite(from_json(document, allow_inf_nan=False))
    except ValueError:
        raise sandbox.BadJobError("input_output with fn_name: a string is not JSON") from None
