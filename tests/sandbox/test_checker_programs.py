"""A task's own checker program, jailed like the candidate."""

from __future__ import annotations

import pytest

from sandbox.models import BadJobError, Checker, CheckerKind, JudgeJob, StdioTest, Verdict
from tests.sandbox.conftest import Bench

ANY_DIVISOR = """
import sys
paths = sys.argv[1:]
number, output, expected = (open(path).read().split() for path in paths)
sys.exit(0 if len(output) == 1 and int(number[0]) % int(output[0]) == 0 and int(output[0]) > 1 else 1)
"""
SAME_IN_CPP = """
#include <fstream>
int main(int, char **argv) {
    long number, output;
    std::ifstream(argv[1]) >> number;
    if (!(std::ifstream(argv[2]) >> output)) return 2;
    return output > 1 && number % output == 0 ? 0 : 1;
}
"""


def judged(bench: Bench, code: str, checker: str, language: str = "python") -> Verdict:
    tests = (StdioTest(b"12\n", b"2\n"), StdioTest(b"35\n", b"5\n"))
    return bench.decide(
        JudgeJob(code, "python", tests, checker=Checker(CheckerKind.PROGRAM, program=checker, language=language))
    ).verdict


@pytest.mark.parametrize(("checker", "language"), [(ANY_DIVISOR, "python"), (SAME_IN_CPP, "cpp")])
def test_the_checker_decides(bench: Bench, checker: str, language: str) -> None:
    """By its exit code, given input, output and expected output as files; and in any language."""
    assert judged(bench, "print(int(input()))", checker, language) is Verdict.ACCEPTED
    assert judged(bench, "print(5)", checker, language) is Verdict.WRONG_ANSWER
    assert judged(bench, "pass", checker, language) is Verdict.WRONG_ANSWER


@pytest.mark.parametrize(
    ("checker", "verdict"),
    [
        pytest.param("1 / 0", Verdict.WRONG_ANSWER, id="a crash accepts nothing"),
        pytest.param("import os\nos.kill(os.getpid(), 9)", Verdict.WRONG_ANSWER, id="nor does being killed"),
    ],
)
def test_an_output_that_breaks_the_checker_is_refused(bench: Bench, checker: str, verdict: Verdict) -> None:
    """Or a program could spoil its judge and go unscored."""
    assert judged(bench, "print(5)", checker) is verdict


@pytest.mark.parametrize(
    ("checker", "language"),
    [
        pytest.param("import sys\nsys.exit(3)", "python", id="says so itself"),
        pytest.param("def (", "python", id="is not Python"),
        pytest.param("int main( {", "cpp", id="does not compile"),
    ],
)
def test_a_broken_checker_is_the_fault_of_the_task(bench: Bench, checker: str, language: str) -> None:
    """No verdict about the program."""
    with pytest.raises(BadJobError):
        judged(bench, "print(5)", checker, language)


def test_the_checker_sees_nothing_of_the_program_but_its_output(bench: Bench) -> None:
    """Files that a program leaves are gone before the checker runs, and the checker's before the next program."""
    leaves = "import os\nprint(sorted(os.listdir('/tmp')))\nopen('/tmp/left', 'w').close()"
    looks = """
import os, sys
alone = sorted(os.listdir("/tmp")) == ["expected", "input", "output"]
sys.exit(0 if alone and open("/tmp/output").read() == "[]\\n" else 1)
"""
    assert judged(bench, leaves, looks) is Verdict.ACCEPTED
