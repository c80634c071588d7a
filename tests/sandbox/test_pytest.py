"""Tests that import pytest: run by it, and told apart as they would be there."""

from __future__ import annotations

# ruff: noqa: E501 - a test a line
import pytest

from sandbox.models import AssertTest, BadJobError, JudgeJob, JudgeResult, Limits, Verdict
from tests.sandbox.conftest import Bench

LIMITS = Limits(cpu_seconds=2.0, wall_seconds=4.0)
RIGHT = """
class NegativeError(ValueError): pass
def above(x):
    if x < 0: raise NegativeError("below nought")
    return x + 1
"""
WRONG = """
class NegativeError(ValueError): pass
def above(x):
    if x < 0: raise NegativeError("below nought")
    return x + (1 if x < 3 else 2)
"""
IMPORTS = "import pytest\nfrom solution import above\n"


def judged(bench: Bench, code: str, source: str, **job: bool) -> JudgeResult:
    return bench.decide(JudgeJob(code, "python", (AssertTest(IMPORTS + source),), None, LIMITS, **job))


TELLING = {
    "a function": "def test_it():\n    assert above(3) == 4",
    "what is raised": "from solution import NegativeError\ndef test_it():\n    with pytest.raises(NegativeError, match='below') as info: above(-1)\n    assert isinstance(info.value, ValueError) and above(3) == 4",
    "parameters": "@pytest.mark.parametrize('x, y', [(1, 2), (3, 4)])\ndef test_it(x, y):\n    assert above(x) == y",
    "parameters of a class": "@pytest.mark.parametrize('x', range(4))\nclass TestIt:\n    def test_it(self, x): assert above(x) == x + 1",
    "fixtures": "@pytest.fixture(params=[1, 3])\ndef number(request):\n    yield request.param\ndef test_it(number):\n    assert above(number) == number + 1",
    "about": "def test_it():\n    assert above(3.1) == pytest.approx(4.1)",
    "a test case": "import unittest\nclass It(unittest.TestCase):\n    def setUp(self): self.x = 3\n    def test_it(self): self.assertEqual(above(self.x), 4)",
    "a coroutine": "@pytest.mark.asyncio\nasync def test_it():\n    assert above(3) == 4",
    "one of several": "def test_a(): assert above(1) == 2\ndef test_b(): assert above(3) == 4\ndef test_c(): assert above(0) == 1",
    "beside a skipped one": "@pytest.mark.skip(reason='no')\ndef test_a(): assert False\n@pytest.mark.xfail\ndef test_b(): assert above(1) == 9\ndef test_c(): assert above(3) == 4",
    "run by itself": "import sys\ndef test_it(): assert above(3) == 4\nif __name__ == '__main__':\n    sys.exit(pytest.main([__file__, '-v']))",
    "at the top": "assert above(3) == 4\ndef test_it(): assert above(1) == 2",
}


@pytest.mark.parametrize("source", TELLING.values(), ids=TELLING.keys())
def test_pytest_tells_right_from_wrong(bench: Bench, source: str) -> None:
    """What passes there passes here, and what fails there fails."""
    right, wrong = judged(bench, RIGHT, source), judged(bench, WRONG, source)
    assert right.verdict is Verdict.ACCEPTED, right
    assert wrong.verdict is Verdict.WRONG_ANSWER, wrong
    assert not right.tests[0].in_process


NONE = "def above(x): return None"
GIVING_UP = {
    "in a test": "def test_it():\n    if above(0) is None: pytest.skip('no')\n    assert above(1) == 2",
    "in a fixture": "@pytest.fixture\ndef y():\n    if above(0) is None: pytest.skip('no')\n    return 2\ndef test_it(y): assert above(1) == y\ndef test_more(): assert True",
    "all of them": "@pytest.mark.skipif(above(0) is None, reason='no')\ndef test_it(): assert above(1) == 2",
    "an expected failure": "def test_it():\n    if above(1) != 2: pytest.xfail('no')",
    "in a test case": "import unittest\nclass T(unittest.TestCase):\n    def test_it(self):\n        if above(0) is None: self.skipTest('no')\n        self.assertEqual(above(1), 2)",
}


@pytest.mark.parametrize("source", GIVING_UP.values(), ids=GIVING_UP.keys())
def test_a_test_that_is_given_up_for_an_answer_is_not_passed(bench: Bench, source: str) -> None:
    """A skip is no success, and it is the program that has brought it about."""
    assert judged(bench, RIGHT, source).verdict is Verdict.ACCEPTED
    assert judged(bench, NONE, source).verdict is Verdict.WRONG_ANSWER


def test_what_is_skipped_for_the_host_counts_neither_way(bench: Bench) -> None:
    """It asks the program nothing."""
    source = "import sys\ndef test_other():\n    if sys.platform != 'win32': pytest.skip('elsewhere')\n    assert False\ndef test_it(): assert above(3) == 4"
    assert judged(bench, RIGHT, source).verdict is Verdict.ACCEPTED
    assert judged(bench, WRONG, source).verdict is Verdict.WRONG_ANSWER


FAILING = {
    "a test that exits": ("import sys\ndef test_it():\n    above(1)\n    sys.exit(0)", Verdict.WRONG_ANSWER),
    "nothing is raised": ("def test_it():\n    with pytest.raises(ValueError): above(1)", Verdict.WRONG_ANSWER),
    "the program raises": ("def test_it():\n    assert above(-1) == 0", Verdict.RUNTIME_ERROR),
    "a failure that is said": ("def test_it():\n    if above(1) == 2: pytest.fail('no')", Verdict.WRONG_ANSWER),
    "what was to fail": (
        "@pytest.mark.xfail(strict=True)\ndef test_it():\n    assert above(1) == 2",
        Verdict.WRONG_ANSWER,
    ),
}


@pytest.mark.parametrize(("source", "verdict"), FAILING.values(), ids=FAILING.keys())
def test_what_fails_there_fails(bench: Bench, source: str, verdict: Verdict) -> None:
    """Whoever ends, raises or fails."""
    assert judged(bench, RIGHT, source).verdict is verdict


BROKEN = {
    "no such fixture": "def test_it(nobody):\n    assert above(1) == 2",
    "parameters that do not fit": "@pytest.mark.parametrize('x, y', [(1, 2, 3)])\ndef test_it(x, y):\n    assert above(x) == y",
    "every test gives up at once": "def test_it():\n    pytest.skip('no')\n    assert above(1) == 2",
    "everything is skipped": "@pytest.mark.skip\ndef test_it():\n    assert above(1) == 2",
}


@pytest.mark.parametrize("source", BROKEN.values(), ids=BROKEN.keys())
def test_a_test_that_cannot_be_run_is_the_tasks_fault(bench: Bench, source: str) -> None:
    """Beside every program."""
    for code in (RIGHT, WRONG):
        with pytest.raises(BadJobError):
            judged(bench, code, source)


def test_what_a_program_hands_to_pytest_is_no_fault_of_the_tasks(bench: Bench) -> None:
    """Parameters that the program has made, and that do not fit, are its own."""
    source = "from solution import cases\n@pytest.mark.parametrize('x, y', cases())\ndef test_it(x, y):\n    assert above(x) == y"
    for cases, verdict in (("[(1, 2)]", Verdict.ACCEPTED), ("[(1, 2, 3)]", Verdict.WRONG_ANSWER)):
        result = judged(bench, RIGHT + f"def cases(): return {cases}", source)
        assert result.verdict is verdict, result


def test_in_the_programs_process_pytest_sees_what_it_prints(bench: Bench) -> None:
    """What captures output needs the program's own process, and says so."""
    source = "from solution import greet\ndef test_it(capsys):\n    greet()\n    assert capsys.readouterr().out == 'hello\\n'"
    with pytest.raises(BadJobError):
        judged(bench, RIGHT + "def greet(): print('hello')", source)
    for said, verdict in (("hello", Verdict.ACCEPTED), ("hallo", Verdict.WRONG_ANSWER)):
        result = judged(bench, RIGHT + f"def greet(): print('{said}')", source, objects_in_process=True)
        assert (result.verdict, result.tests[0].in_process) == (verdict, True), result


def test_a_pytest_of_the_programs_own_judges_nothing(bench: Bench) -> None:
    """The test's is another, in another process."""
    hostile = "import sys, types\nsys.modules['pytest'] = types.ModuleType('pytest')\npytest = None\n" + WRONG
    assert judged(bench, hostile, TELLING["parameters"]).verdict is Verdict.WRONG_ANSWER
