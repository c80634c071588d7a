"""What the tasks of one batch ask, each read once however many rollouts bring it. Pure.

Guaranteed: reading a task never raises; a task that nobody can judge has a `fault` instead. Not promised: that every
fault shows before a program is judged. Only what costs little is looked at, so that a completion of the wrong format
stays cheap; a test that is no valid Python shows in the sandbox.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from reward_server.models import AssertTest, CallTest, CodeTask, MathTask, StdioTest, Task
from reward_server.rewards.code import fn_name, sandbox_tests
from reward_server.rewards.draw import tests_digest
from sandbox.languages import find
from sandbox.models import BadJobError, CheckerKind

# More than this is digested in a thread.
_MOMENT_CHARS = 200_000


@dataclass(frozen=True, slots=True)
class Asked:
    """A digest of what a task asks, however it is written and whatever limits apply, and why nobody can judge it."""

    digest: str
    fault: str | None = None


class Tasks:
    """The tasks of one batch, which outlive this."""

    def __init__(self) -> None:
        self._asked: dict[int, Asked] = {}  # of code tasks, by identity: rollouts of equal tasks share one

    def asked(self, task: Task) -> Asked:
        """Return what `task` asks."""
        match task:
            case MathTask():
                return Asked(_digest(task.references))
            case CodeTask():
                known = self._asked.get(id(task))
                if known is None:
                    known = self._asked[id(task)] = _asked_of_code(task)
                return known
            case _:
                return Asked(_digest([]))

    def takes_long(self, task: Task) -> bool:
        """Whether `asked` would hold the event loop for more than a moment."""
        if not isinstance(task, CodeTask) or id(task) in self._asked:
            return False
        if task.tests is None:
            return True
        chars = 0
        for test in task.tests:
            match test:
                case StdioTest():
                    chars += len(test.stdin) + len(test.stdout)
                case CallTest():
                    return True
                case AssertTest():
                    chars += len(test.assertion)
        return chars > _MOMENT_CHARS


def _asked_of_code(task: CodeTask) -> Asked:
    try:
        digest = tests_digest(sandbox_tests(task))
    except BadJobError as error:
        assert task.input_output is not None, "tests have been checked one by one"
        return Asked(_digest([task.input_output.inputs, task.input_output.outputs]), str(error))
    return Asked(digest, _fault(task))


def _fault(task: CodeTask) -> str | None:
    """Say what makes the task one that no program can be judged by, as far as its own words show it."""
    scripts = isinstance(task.tests[0], StdioTest) if task.tests is not None else fn_name(task) is None
    if task.checker_spec.kind is CheckerKind.PROGRAM and not scripts:
        return "a checker program compares the outputs of scripts"
    if task.language is None:
        return None
    language = find(task.language)
    if language is None:
        return f"no language is called {task.language!r} here"
    if not scripts and language.warm is None:
        return f"function and assertion tests need Python, not {language.name}"
    return None


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
