"""Exceptions that cross between a program and the assertions about it, and what may be done with them there."""

# ruff: noqa: E501 - a program a line

from __future__ import annotations

import pytest

from sandbox.models import AssertTest, JudgeJob, JudgeResult, Limits, Verdict
from tests.sandbox.conftest import Bench

LIMITS = Limits(cpu_seconds=1.0, wall_seconds=2.0)


def asserted(bench: Bench, code: str, source: str) -> JudgeResult:
    return bench.decide(JudgeJob(code, "python", (AssertTest(source),), None, LIMITS))


SWALLOWS = "class C:\n    log = []\n    def __enter__(s): return s\n    def __exit__(s, kind, error, trace):\n        s.log.append(kind.__name__ if kind else None)\n        return {}"

HONEST = {
    "one of the library's": (
        "import json\ndef f(x): return json.loads(x)",
        "import json\ntry:\n    f('{')\nexcept json.JSONDecodeError as e:\n    assert e.pos == 1 and e.lineno == 1 and 'Expecting' in str(e)\nelse: assert False",
    ),
    "one of a data class": (
        "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass P: x: int",
        "import dataclasses\np = P(1)\ntry: p.x = 2\nexcept dataclasses.FrozenInstanceError: pass\nelse: assert False\nassert p.x == 1",
    ),
    "one of a module of C": (
        "import queue\ndef f(): queue.Queue().get_nowait()",
        "import queue\ntry: f()\nexcept queue.Empty: pass\nelse: assert False",
    ),
    "attributes, methods and a text of its own": (
        "class E(Exception):\n    code = 7\n    def __init__(s, a, b=2):\n        super().__init__(a)\n        s.b, s._p = b, 9\n    def __str__(s): return f'E<{s.b}>'\n    def twice(s): return s.b * 2\n    @property\n    def more(s): return s.b + 1\ndef f(): raise E(1, b=5)",
        "try: f()\nexcept E as e:\n    assert (e.code, str(e), e.twice(), e.more, e._p, e.args) == (7, 'E<5>', 10, 6, 9, (1,)) and not hasattr(e, 'no')\nelse: assert False",
    ),
    "made by the test": (
        "class E(Exception):\n    def __init__(s, a, b=2):\n        super().__init__(a)\n        s.b = b\n    def twice(s): return s.b * 2",
        "e = E(3, b=4)\nassert e.b == 4 and e.twice() == 8 and e.args == (3,) and isinstance(e, E)\ntry: raise e\nexcept E as caught: assert caught is e",
    ),
    "two bases": (
        "class Base(Exception): pass\nclass F(Base, ValueError): pass\ndef f(): raise F('x')\ndef g(): raise Base('y')",
        "for kind in (F, Base, ValueError):\n    try: f()\n    except kind as e: assert str(e) == 'x'\ntry: g()\nexcept ValueError: assert False\nexcept Base: pass",
    ),
    "a cause": (
        "def f():\n    try: 1/0\n    except ZeroDivisionError as e: raise ValueError('bad') from e",
        "try: f()\nexcept ValueError as e: assert isinstance(e.__cause__, ZeroDivisionError)\nelse: assert False",
    ),
    "returned": (
        "def f(x): return ValueError('a') if x else KeyError('b')",
        "assert isinstance(f(1), ValueError) and isinstance(f(0), KeyError) and f(1).args == ('a',)",
    ),
    "two of one name": (
        "class A:\n    class Error(Exception): pass\n    def f(s): raise s.Error('a')\nclass B:\n    class Error(Exception): pass\n    def f(s): raise s.Error('b')",
        "try: B().f()\nexcept A.Error: assert False\nexcept B.Error as e: assert str(e) == 'b'\nelse: assert False",
    ),
    "raised by a function of the test's": (
        "class Retry(Exception): pass\ndef run(g):\n    for i in range(3):\n        try: return g()\n        except Retry as e: assert e.args == (i,)\n    return 'no'",
        "n = []\ndef g():\n    n.append(1)\n    if len(n) < 3: raise Retry(len(n) - 1)\n    return 'ok'\nassert run(g) == 'ok' and len(n) == 3",
    ),
    "of the test's own": (
        "def retry(g, kinds):\n    for i in range(3):\n        try: return g()\n        except kinds: pass\n    return g()",
        "class Boom(Exception):\n    def __init__(self, a, b): super().__init__(a, b)\nn = []\ndef g():\n    n.append(1)\n    if len(n) < 3: raise Boom('x', 5)\n    return 'ok'\nassert retry(g, Boom) == 'ok' and len(n) == 3\ndef h(): raise Boom('y', 6)\ntry: retry(h, (ValueError, Boom))\nexcept Boom as e: assert e.args == ('y', 6)\nelse: assert False",
    ),
    "a context manager hears of one": (
        "class T:\n    log = []\n    def __enter__(s): return s\n    def __exit__(s, kind, error, trace): s.log.append((kind.__name__, error.args) if kind else None)",
        "for fails in (True, False):\n    try:\n        with T() as t:\n            if fails: raise KeyError('k')\n    except KeyError as e: assert fails and e.args == ('k',)\nassert T.log == [('KeyError', ('k',)), None]",
    ),
    "a generator's context manager cleans up": (
        "from contextlib import contextmanager\nlog = []\n@contextmanager\ndef held():\n    try: yield 1\n    finally: log.append('out')",
        "try:\n    with held():\n        raise ValueError\nexcept ValueError: pass\nelse: assert False\nassert log == ['out']",
    ),
    "a context manager swallows what is certain": (
        "from contextlib import contextmanager\n@contextmanager\ndef ignoring(kind):\n    try: yield\n    except kind: pass",
        "with ignoring(ValueError):\n    raise ValueError('x')\ntry:\n    with ignoring(KeyError): raise ValueError('y')\nexcept ValueError: pass\nelse: assert False",
    ),
    "a context manager changes one": (
        "from contextlib import contextmanager\n@contextmanager\ndef translating():\n    try: yield\n    except KeyError as e: raise ValueError('translated') from e",
        "try:\n    with translating(): raise KeyError('k')\nexcept ValueError as e: assert str(e) == 'translated' and isinstance(e.__cause__, KeyError)\nelse: assert False",
    ),
    "unittest looks at it": (
        "class E(ValueError): pass\ndef f(x):\n    if x < 0: raise E(x)\n    return x",
        "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        with self.assertRaises(E) as c: f(-1)\n        self.assertEqual(c.exception.args, (-1,))\n        with self.assertRaisesRegex(ValueError, '-1'): f(-1)",
    ),
}


@pytest.mark.parametrize(("code", "source"), HONEST.values(), ids=HONEST.keys())
def test_an_exception_is_what_it_would_be_in_one_process(bench: Bench, code: str, source: str) -> None:
    """Caught by its class, asked for what it has, raised from either side."""
    result = asserted(bench, code, source)
    assert result.verdict is Verdict.ACCEPTED, result


WRONG = {
    "it swallows a failed assertion": (SWALLOWS.format(True), "with C() as c:\n    assert c.log == [1]"),
    "it swallows what it has brought about": (
        SWALLOWS.format(True) + "\n    def get(s): raise ValueError",
        "with C() as c:\n    assert c.get() == 1",
    ),
    "it swallows what tells that it is wrong": (
        SWALLOWS.format(True) + "\n    def get(s): return 2",
        "with C() as c:\n    if c.get() != 1: raise ValueError('wrong')",
    ),
    "it swallows what was to be heard of": (
        SWALLOWS.format(True),
        "try:\n    with C(): raise ValueError\nexcept ValueError: pass\nelse: assert False",
    ),
    "it swallows nothing": (SWALLOWS.format(False), "with C(): raise ValueError"),
    "it swallows what was certain once": (
        "class C:\n    n, ok = 0, False\n    def __enter__(s): return s\n    def __exit__(s, *a):\n        C.n += 1\n        return C.n > 1",
        "e = ValueError('x')\ntry:\n    with C(): raise e\nexcept ValueError: pass\nwith C() as c:\n    if not c.ok: raise e",
    ),
    "an exception called like that of assertions": (
        "class AssertionError(Exception): pass\ndef f(x): raise AssertionError('no')",
        "try: f(1)\nexcept AssertionError: raise\nassert f(1) == 2",
    ),
    "what skips a test": (
        "import unittest\ndef f(x): raise unittest.SkipTest('no')",
        "import unittest\nclass T(unittest.TestCase):\n    def test_a(self): self.assertEqual(f(1), 2)",
    ),
    "what ends a loop in silence": (
        "class Stop(StopIteration): pass\ndef f(x): raise Stop()",
        "for x in map(f, [1]): assert x == 2\nassert f(1) == 2",
    ),
    "a class of the library's that it only claims": (
        "class E(Exception): pass\nE.__module__, E.__qualname__ = 'unittest.case', 'SkipTest'\ndef f(x): raise E()",
        "import unittest\nclass T(unittest.TestCase):\n    def test_a(self): self.assertEqual(f(1), 2)",
    ),
    "a class that is none": (
        "class E(Exception): pass\nE.__module__, E.__qualname__ = 'sys', 'exit'\ndef f(x): raise E()",
        "import sys\nassert f(1) == 2",
    ),
}


@pytest.mark.parametrize(("code", "source"), WRONG.values(), ids=WRONG.keys())
def test_no_exception_makes_a_wrong_program_right(bench: Bench, code: str, source: str) -> None:
    """Nor one that cannot be judged."""
    result = asserted(bench, code, source)
    assert result.verdict in (Verdict.WRONG_ANSWER, Verdict.RUNTIME_ERROR), result
