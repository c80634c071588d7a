"""Function and assertion tests: the program never shares a process with what judges it."""

# ruff: noqa: E501 - a program a line

from __future__ import annotations

import asyncio
import gc
import sys
from dataclasses import replace

import pytest

from sandbox.judge import examine
from sandbox.models import (
    AssertTest,
    BadJobError,
    CallTest,
    Checker,
    CheckerKind,
    JsonValue,
    JudgeJob,
    JudgeResult,
    Limits,
    StdioTest,
    Verdict,
)
from tests.sandbox.conftest import Bench

# Little memory, so that filling it takes a fraction of the CPU time on a slow machine, too.
QUICK = Limits(cpu_seconds=0.5, wall_seconds=1.0, memory_mb=100)


def call(bench: Bench, code: str, *cases: tuple[list[JsonValue], JsonValue], fn_name: str = "f") -> JudgeResult:
    tests = tuple(CallTest(tuple(arguments), output) for arguments, output in cases)
    return bench.decide(JudgeJob(code, "python", tests, fn_name, QUICK))


def asserted(bench: Bench, code: str, *sources: str, fn_name: str | None = None) -> JudgeResult:
    return bench.decide(JudgeJob(code, "python", tuple(map(AssertTest, sources)), fn_name, QUICK))


@pytest.mark.parametrize(
    ("code", "arguments", "output"),
    [
        pytest.param("def f(a, b): return a + b", [1, 2], 3, id="a function"),
        pytest.param("class Solution:\n    def f(self, xs: List[int]) -> Optional[int]: return max(xs)", [[1, 3]], 3, id="a method of Solution, typing assumed"),
        pytest.param("class Solution:\n    @staticmethod\n    def f(x): return x", ["a"], "a", id="a static method"),
        pytest.param("from math import *\nfrom itertools import *\nclass Solution:\n    def f(self, x): return x\ndef f(x): return -x", [1], 1, id="a method of Solution before a function"),
        pytest.param("def f(xs): return deque(xs)[-1] + gcd(4, 6) + math.floor(1.5)", [[1, 3]], 6, id="what problem sets assume imported"),
        pytest.param("f = lambda x: (x, [x])", [1], [1, [1]], id="a lambda, tuples for lists"),
        pytest.param("def f(n): return {i: i * i for i in range(n)}", [3], {"0": 0, "1": 1, "2": 4}, id="int keys as JSON has them"),
        pytest.param("def f(x): return x / 3", [1], 0.333333333333, id="floats within the tolerance"),
        pytest.param("import numpy as np\ndef f(xs): return np.array(xs).cumsum()", [[1, 2]], [1, 3], id="a numpy array for a list"),
        pytest.param("import numpy as np\ndef f(xs): return np.mean(xs)", [[1, 2]], 1.5, id="a numpy number"),
        pytest.param("print('noise')\ndef f(x):\n    print(x)\n    return x", [1], 1, id="printing is not returning"),
        pytest.param("if __name__ == '__main__':\n    input()\ndef f(x): return x", [1], 1, id="the main guard does not run"),
        pytest.param("def f(x): return None", [1], None, id="None where None is expected"),
        pytest.param("def f(n): return 'x' * n", [1_000_000], "x" * 1_000_000, id="a large result"),
        pytest.param("from collections import defaultdict\ndef f(x): return defaultdict(int, {x: 1})", ["a"], {"a": 1}, id="a dict of a kind"),
    ],
)  # fmt: skip
def test_a_right_function_passes(bench: Bench, code: str, arguments: list[JsonValue], output: JsonValue) -> None:
    """It is called with the arguments, and what it returns is compared outside."""
    result = call(bench, code, (arguments, output))
    assert result.verdict is Verdict.ACCEPTED, result


@pytest.mark.parametrize(
    ("code", "output", "verdict"),
    [
        pytest.param("class E(int):\n    def __eq__(s, o): return True\ndef f(x): return E(5)", 3, Verdict.WRONG_ANSWER, id="an int equal to all"),
        pytest.param("class E:\n    def __eq__(s, o): return True\ndef f(x): return E()", 3, Verdict.WRONG_ANSWER, id="an object equal to all"),
        pytest.param("class L(list):\n    def __len__(s): return 3\n    def __eq__(s, o): return True\ndef f(x): return L([1])", [1, 2, 3], Verdict.WRONG_ANSWER, id="a list of false length"),
        pytest.param("def f(x): return 1", True, Verdict.WRONG_ANSWER, id="1 for true"),
        pytest.param("def f(x): return float('nan')", 0.5, Verdict.WRONG_ANSWER, id="nan"),
        pytest.param("def f(x): return (i for i in [1, 2])", [1, 2], Verdict.WRONG_ANSWER, id="a generator"),
        pytest.param("def f(x):\n    a = []\n    a.append(a)\n    return a", [], Verdict.WRONG_ANSWER, id="a list in itself"),
        pytest.param("def f(x): return 10 ** 100000", 1, Verdict.WRONG_ANSWER, id="a huge int"),
        pytest.param("import os\ndef f(x): os._exit(0)", 3, Verdict.WRONG_ANSWER, id="leaves with 0"),
        pytest.param("import sys\nsys.exit(0)", 3, Verdict.WRONG_ANSWER, id="leaves with 0 at import"),
        pytest.param("def f(x): raise SystemExit(0)", None, Verdict.WRONG_ANSWER, id="leaves instead of returning None"),
        pytest.param("import os\nos.pwrite(100, b'n', 0)\nos._exit(0)", None, Verdict.WRONG_ANSWER, id="writes a report itself, badly"),
        pytest.param("def f(x): return {}[x]", 3, Verdict.RUNTIME_ERROR, id="raises"),
        pytest.param("def g(x): return 3", 3, Verdict.RUNTIME_ERROR, id="another name"),
        pytest.param("def f(): return 3", 3, Verdict.RUNTIME_ERROR, id="other arguments"),
        pytest.param("def f(x: int -> int): return 3", 3, Verdict.COMPILE_ERROR, id="not Python"),
        pytest.param("def f(x):\n    while True: pass", 3, Verdict.TIME_LIMIT_EXCEEDED, id="does not end"),
        pytest.param("def f(x): return [b'x' * (1 << 20) for _ in range(400)]", 3, Verdict.MEMORY_LIMIT_EXCEEDED, id="hoards"),
        pytest.param("def f(x): return 'x' * (17 << 20)", 3, Verdict.WRONG_ANSWER, id="returns more than output allows"),
        pytest.param("import ctypes\ndef f(x): ctypes.string_at(0)", 3, Verdict.RUNTIME_ERROR, id="crashes"),
        pytest.param("import sys\ndef f(x):\n    frame = sys._getframe()\n    while frame:\n        for value in frame.f_locals.values():\n            if value == 'S3CRET': return value\n        frame = frame.f_back", "S3CRET", Verdict.WRONG_ANSWER, id="walks the frames"),
    ],
)  # fmt: skip
def test_a_false_function_does_not_pass(bench: Bench, code: str, output: JsonValue, verdict: Verdict) -> None:
    """Whatever it returns, patches or leaves undone."""
    result = call(bench, code, ([1], output))
    assert result.verdict is verdict, result


def test_what_is_to_be_written_is_not_given_away(bench: Bench) -> None:
    """A function that the prelude happens to have must be written all the same."""
    assert call(bench, "x = 1", ([4, 6], 2), fn_name="gcd").verdict is Verdict.RUNTIME_ERROR
    named_alike = "from itertools import *\nclass Solution:\n    def permutations(s, n): return n * n"
    assert call(bench, named_alike, ([4], 16), fn_name="permutations").verdict is Verdict.ACCEPTED
    assert call(bench, "class Solution:\n    def gcd(s, a, b): return 7", ([4, 6], 2), fn_name="gcd").passed == 0


PRELUDE = """
def f(n):
    found = isqrt(n) + log2(8) + factorial(3) + perm(3, 2) + prod([2, 3]) + len(ascii_lowercase) + itemgetter(0)([1])
    return found + deepcopy([1])[0] + mean([1, 3]) + pow(3, -1, 7) + datetime.date(2020, 1, 1).year + json.loads("4")
"""


def test_what_judges_of_function_problems_import_is_there(bench: Bench) -> None:
    """As LiveCodeBench's does, built-ins before all; and recursion may be as deep as there."""
    assert call(bench, PRELUDE, ([16], 4 + 3 + 6 + 6 + 6 + 26 + 1 + 1 + 2 + 5 + 2020 + 4)).passed == 1
    assert call(bench, "def f(n): return 0 if n == 0 else 1 + f(n - 1)", ([20_000], 20_000)).passed == 1
    assert call(bench, "gcd = None\ndef f(n): return gcd", ([1], None)).passed == 1


@pytest.mark.parametrize("name", ["check", "verify"])
def test_the_function_of_a_check_may_be_a_method_of_solution(bench: Bench, name: str) -> None:
    """Found where a function test finds it."""
    source = "def check(candidate):\n    assert candidate([2, 7], 9) == [0, 1] == candidate(nums=[7, 2], t=9)"
    for returned, verdict in (("[0, 1]", Verdict.ACCEPTED), ("[1, 0]", Verdict.WRONG_ANSWER)):
        code = f"class Solution:\n    def {name}(self, nums, t): return {returned}"
        job = JudgeJob(code, "python", (AssertTest(source),), name)
        assert bench.decide(job).verdict is verdict


def test_a_task_that_names_a_built_in_takes_no_other_from_the_program(bench: Bench) -> None:
    """What the test judges by is its own."""
    source = "def check(candidate):\n    assert abs(candidate(2.5) - 3) < 1e-6"
    for returned, verdict in (("3", Verdict.ACCEPTED), ("7", Verdict.WRONG_ANSWER)):
        code = f"def round(x): return {returned}\ndef abs(x): return 0"
        assert bench.decide(JudgeJob(code, "python", (AssertTest(source),), "round")).verdict is verdict


def test_every_test_starts_anew(bench: Bench) -> None:
    """Neither globals nor files of one test are there in the next."""
    code = "import os\nseen = []\ndef f(x):\n    seen.append(x)\n    open('/tmp/left', 'a').write('x')\n    return [len(seen), os.path.getsize('/tmp/left')]"
    assert call(bench, code, *(([x], [1, 1]) for x in range(6))).passed == 6


def test_the_tolerance_of_a_floats_checker_counts_for_functions(bench: Bench) -> None:
    """`abs_tol` and `rel_tol` mean the same for what a function returns."""
    job = JudgeJob(
        "def f(): return [1.0005]", "python", (CallTest((), [1.0]),), "f", checker=Checker(CheckerKind.FLOATS, 1e-2, 0)
    )
    assert bench.decide(job).verdict is Verdict.ACCEPTED


@pytest.mark.parametrize(
    ("code", "source"),
    [
        pytest.param("def f(x): return x * 2", "assert f(2) == 4\nassert f('a') == 'aa'", id="plain"),
        pytest.param("def f(x): return x * 2", "def check(candidate):\n    for i in range(50):\n        assert candidate(i) == 2 * i", id="a check function, called for us"),
        pytest.param("def f(x): return x * 2", "def check(candidate):\n    assert candidate(1) == 2\ncheck(f)", id="a check function that is called"),
        pytest.param("def f(x):\n    x.sort()", "xs = [3, 1]\nf(xs)\nassert xs == [1, 3]", id="changed in place"),
        pytest.param("def f(x, *, by=1): return x + by", "assert f(1, by=3) == 4", id="named arguments"),
        pytest.param("def f(x): return {x}, (x, [x])", "s, t = f(1)\nassert s == {1} and t == (1, [1]) and isinstance(t, tuple)", id="sets and tuples stay what they are"),
        pytest.param("def f(x): raise ValueError('no')", "try:\n    f(1)\nexcept ValueError as e:\n    assert str(e) == 'no'\nelse:\n    assert False", id="a built-in exception"),
        pytest.param("class Bad(KeyError): pass\ndef f(x): raise Bad('k')", "try:\n    f(1)\nexcept Bad:\n    pass\nelse:\n    assert False", id="an exception of its own"),
        pytest.param("class Bad(KeyError): pass\ndef f(x): raise Bad('k')", "try:\n    f(1)\nexcept KeyError:\n    pass\nelse:\n    assert False", id="caught by its base"),
        pytest.param("class Stack:\n    def __init__(self): self.items = []\n    def push(self, x): self.items.append(x)\n    def pop(self): return self.items.pop()\n    def __len__(self): return len(self.items)", "s = Stack()\ns.push(1)\ns.push(2)\nassert s.pop() == 2 and len(s) == 1 and s.items == [1]", id="an object with methods"),
        pytest.param("def f(n):\n    for i in range(n): yield i", "assert list(f(3)) == [0, 1, 2]\nassert 2 in f(3)", id="a generator is iterated"),
        pytest.param("def f(n):\n    return lambda x: x + n", "assert f(2)(3) == 5", id="a returned function"),
        pytest.param("def f(g, x): return g(x) + 1", "assert f(lambda v: v * 2, 3) == 7", id="a function passed in"),
        pytest.param("import math\ndef f(x): return x", "assert math.isclose(f(0.1) + 0.2, 0.3)", id="a module the program imported"),
        pytest.param("def f(x): return x", "import random\nxs = [random.random() for _ in range(10)]\nassert f(xs) == xs", id="floats to the bit"),
        pytest.param("def sum(a, b): return a - b", "assert sum(10, 15) == -5", id="a tested built-in name"),
        pytest.param("from fractions import Fraction\ndef f(x): return {x: [Fraction(1, x)]}", "from fractions import Fraction\nassert f(3) == {3: [Fraction(1, 3)]} and f(2)[2][0] == 0.5", id="fractions"),
        pytest.param("from decimal import Decimal\ndef f(x): return Decimal(x) / 4", "from decimal import Decimal\nassert f(1) == Decimal('0.25') and f(Decimal(2)) == 0.5", id="decimals"),
        pytest.param("import datetime\ndef f(d): return d + datetime.timedelta(days=1), d.isoformat()", "from datetime import date, timedelta\nassert f(date(2024, 2, 28)) == (date(2024, 2, 29), '2024-02-28')", id="dates"),
        pytest.param("def f(x): return (1j * x) ** 2", "assert f(2) == -4 + 0j", id="complex numbers"),
        pytest.param("from collections import deque, Counter, OrderedDict\ndef f(q):\n    q.append(3)\n    return Counter(q), OrderedDict(a=1), deque(q)", "from collections import deque, Counter\nq = deque([3, 1])\nc, d, e = f(q)\nassert c == Counter({3: 2, 1: 1}) and c[3] == 2 and d == {'a': 1} and e == q == deque([3, 1, 3])", id="collections, one changed in place"),
        pytest.param("import numpy as np\ndef f(n): return np.arange(n) * 0.5", "import numpy\na = f(3)\nassert a.shape == (3,) and (a == numpy.array([0, .5, 1])).all() and np.allclose(a, [0, .5, 1]) and a[1] == .5", id="arrays, numpy by its usual name"),
        pytest.param("import numpy as np\ndef f(a): return np.sum(a), a.mean(), np.array(['ab', 'c'])", "import numpy as np\ns, m, t = f(np.array([1, 2]))\nassert s == 3 and m == 1.5 and list(t) == ['ab', 'c']", id="numbers of numpy, an array passed in"),
        pytest.param("def f(n): return range(n)", "assert f(3) == range(3) and list(f(2)) == [0, 1]", id="a range"),
        pytest.param("LIMIT = 10\ndef f(): return LIMIT", "assert LIMIT == 10 and f() == 10", id="a constant"),
    ],
)  # fmt: skip
def test_assertions_that_hold(bench: Bench, code: str, source: str) -> None:
    """They run in a process of their own, with proxies for the program's names."""
    result = asserted(bench, code, source, fn_name="f" if "check" in source else None)
    assert result.verdict is Verdict.ACCEPTED, result


CHEATS = {
    "leaves at import": "import sys\nsys.exit(0)",
    "leaves hard at import": "import os\nos._exit(0)",
    "leaves when called": "import os\ndef f(x): os._exit(0)",
    "raises SystemExit": "def f(x): raise SystemExit(0)",
    "an exit function": "import atexit, os\natexit.register(os._exit, 0)\ndef f(x): return 1",
    "an except hook": "import os, sys\nsys.excepthook = lambda *a: os._exit(0)\ndef f(x): return 1",
    "equal to all": "class E:\n    def __eq__(s, o): return True\n    __ne__ = lambda s, o: False\ndef f(x): return E()",
    "an int equal to all": "class E(int):\n    def __eq__(s, o): return True\ndef f(x): return E(1)",
    "swallows the test": "def f(x): return 1\n@(lambda f: lambda c: None)\ndef check(c): pass",
    "patches built-ins": "import builtins\nbuiltins.AssertionError = type('A', (Exception,), {})\nbuiltins.len = lambda x: 4\ndef f(x): return 1",
    "defines the test's tools": "def set(x): return 0\nabs = round = sorted = list = lambda *a: 0\ndef f(x): return 1",
    "writes to every descriptor": "import os\nfor fd in range(3, 300):\n    try: os.write(fd, b'\\x10\\0\\0\\0u\\x02\\0\\0\\0completed')\n    except OSError: pass\ndef f(x): return 1",
    "answers out of turn": "import socket, struct\ns = socket.socket(fileno=101)\ns.sendall(struct.pack('<I', 5) + b'u\\0\\0\\0\\0')\ndef f(x): return 1",
    "asks the test": "import os\ndef f(x): return 1",
    "traces": "import sys, threading\nsys.settrace(lambda *a: None)\nthreading.setprofile(lambda *a: None)\ndef f(x): return 1",
    "catches signals": "import signal\nfor n in (1, 2, 15): signal.signal(n, lambda *a: None)\ndef f(x): return 1",
    "a fraction equal to all": "from fractions import Fraction\nclass E(Fraction):\n    def __eq__(s, o): return True\n    __hash__ = Fraction.__hash__\ndef f(x): return E(1, 3)",
    "an array equal to all": "import numpy as np\nclass A(np.ndarray):\n    def __eq__(s, o): return np.ones(1, bool)\ndef f(x): return np.zeros(1).view(A)",
    "a class for a function": "class f:\n    def __init__(s, x): pass\n    def __eq__(s, o): return True",
    "a module for a number": "import math\ndef f(x): return math",
    "a tool of numpy's": "class np:\n    isclose = allclose = array_equal = staticmethod(lambda *a: True)\ndef f(x): return 1",
    "true in every sense": "class T:\n    def __bool__(s): return True\n    def __contains__(s, x): return True\n    def __lt__(s, o): return True\ndef f(x): return T()",
}


@pytest.mark.parametrize("code", CHEATS.values(), ids=CHEATS)
@pytest.mark.parametrize(
    "source",
    [
        "assert f(2) == 4",
        "def check(candidate):\n    assert abs(candidate(2) - 4) < 1e-6",
        "assert set(f(x) for x in [2]) == set([4])",
        "assert not f(2) < 3 and f(2)",
        "assert np.allclose(f(2), 4) and f(f(2)) == 8",
    ],
)
def test_a_cheat_does_not_complete_a_test(bench: Bench, code: str, source: str) -> None:
    """Completion is proved by a nonce that the program's side never had, and nothing of the program decides."""
    result = asserted(bench, code, source, fn_name="f")
    assert result.verdict in (Verdict.WRONG_ANSWER, Verdict.RUNTIME_ERROR), result


@pytest.mark.parametrize(
    ("code", "source", "verdict"),
    [
        pytest.param("def f(x): return 5", "assert f(2) == 4", Verdict.WRONG_ANSWER, id="a failing assertion"),
        pytest.param("def f(x): return None", "assert f(2) < 4", Verdict.WRONG_ANSWER, id="a result the test stumbles on"),
        pytest.param("def f(x): return x[0]", "assert f(2) == 4", Verdict.RUNTIME_ERROR, id="an exception"),
        pytest.param("def f(x): assert False", "assert f(2) == 4", Verdict.RUNTIME_ERROR, id="an assertion of the program's own"),
        pytest.param("def g(x): return 4", "assert f(2) == 4", Verdict.RUNTIME_ERROR, id="another name"),
        pytest.param("def g(x): return 4", "from solution import f\nassert f(2) == 4", Verdict.RUNTIME_ERROR, id="another name, imported"),
        pytest.param("def f(x): return x", "assert f(2) == 2\nwhile True: pass", Verdict.TIME_LIMIT_EXCEEDED, id="a test without end, once it has asked"),
        pytest.param("N = 10 ** 9\ndef f(x): return x", "for _ in range(N): pass\nassert f(2) == 2", Verdict.TIME_LIMIT_EXCEEDED, id="a test without end for what the program says"),
        pytest.param("N = 10 ** 9\ndef f(x): return x", "x = [0] * N\nassert f(2) == 2", Verdict.WRONG_ANSWER, id="a test too large for what the program says"),
        pytest.param("import threading\ndef f(x):\n    one = threading.Thread(target=lambda: [b'x' * 99999 for _ in range(1700)])\n    one.start(), one.join()\n    return x", "assert f(2) == 2", Verdict.MEMORY_LIMIT_EXCEEDED, id="hoards in a thread"),
        pytest.param("1 / 0", "assert f(2) == 4", Verdict.RUNTIME_ERROR, id="fails at import"),
        pytest.param("def f(x) return", "assert f(2) == 4", Verdict.COMPILE_ERROR, id="not Python"),
        pytest.param("def f(x):\n    while True: pass", "assert f(2) == 4", Verdict.TIME_LIMIT_EXCEEDED, id="does not end"),
        pytest.param("import time\ndef f(x): time.sleep(100)", "assert f(2) == 4", Verdict.TIME_LIMIT_EXCEEDED, id="sleeps"),
        pytest.param("def f(x): return [b'x' * (1 << 20) for _ in range(400)]", "assert f(2) == 4", Verdict.MEMORY_LIMIT_EXCEEDED, id="hoards"),
        pytest.param("import ctypes\ndef f(x): ctypes.CDLL(None).unshare(0x10000000)", "assert f(2) == 4", Verdict.SECURITY_VIOLATION, id="attacks"),
        pytest.param("def f(x):\n    while True: print('x' * 9999)", "assert f(2) == 4", Verdict.OUTPUT_LIMIT_EXCEEDED, id="floods"),
    ],
)  # fmt: skip
def test_assertions_that_fail(bench: Bench, code: str, source: str, verdict: Verdict) -> None:
    """The verdict says whose fault it was."""
    result = asserted(bench, code, source)
    assert result.verdict is verdict, result


@pytest.mark.parametrize(
    ("tests", "fn_name", "language"),
    [
        pytest.param((), None, "python", id="no tests"),
        pytest.param((StdioTest(b"", b""), CallTest((), 1)), "f", "python", id="two forms"),
        pytest.param((CallTest((), 1),), None, "python", id="a call without a name"),
        pytest.param((CallTest((), 1),), "not a name", "python", id="a name that is none"),
        pytest.param((CallTest((), 1),), "f", "cpp", id="a function in C++"),
        pytest.param((AssertTest("assert f( == 1"),), None, "python", id="an assertion that is not Python"),
        pytest.param((AssertTest("x = 1"),), None, "python", id="asserts nothing"),
        pytest.param((AssertTest("while True: pass\nassert f(1)"),), None, "python", id="does not end"),
        pytest.param((AssertTest("x = [0] * 10 ** 9\nassert f(1)"),), None, "python", id="takes too much memory"),
        pytest.param((AssertTest("import os\nos.abort()\nassert f(1)"),), None, "python", id="ends itself"),
        pytest.param((AssertTest("import ctypes\nctypes.CDLL(None).unshare(1 << 28)\nassert f(1)"),), None, "python", id="attacks"),
        pytest.param((AssertTest("from nowhere import g\nassert f(1)"),), None, "python", id="imports what is not there"),
        pytest.param((AssertTest("def check(candidate):\n    assert candidate()"),), None, "python", id="a check nobody calls"),
        pytest.param((AssertTest("class P: pass\nassert f(P())"),), None, "python", id="passes an object"),
        pytest.param((AssertTest("assert P(1) == P(1)"),), None, "python", id="needs the program's equality"),
        pytest.param((StdioTest(b"", b""),), None, "brainfuck", id="no such language"),
    ],
)  # fmt: skip
def test_a_job_nobody_can_judge_is_refused(
    bench: Bench, tests: tuple[AssertTest | CallTest | StdioTest, ...], fn_name: str | None, language: str
) -> None:
    """It is the task's fault, not the program's: no verdict."""
    code = "class P:\n    def __init__(self, x): self.x = x\n    def __eq__(self, o): return True\ndef f(x=1): return x"
    with pytest.raises(BadJobError):
        bench.decide(JudgeJob(code, language, tests, fn_name, QUICK))


def test_a_program_and_its_test_have_a_memory_each(bench: Bench) -> None:
    """What one of the two may hold is not less for what the other one holds."""
    held = "[bytes(1000) for _ in range(70_000)]"
    result = asserted(
        bench, f"kept = {held}\ndef f(): return len(kept)", f"compared = {held}\nassert f() == len(compared)"
    )
    assert result.verdict is Verdict.ACCEPTED, result
    assert 70 < result.tests[0].memory_mb <= QUICK.memory_mb


def test_a_test_that_needs_objects_can_be_run_with_the_program(bench: Bench) -> None:
    """Where the job asks for it: the program is believed about its own objects, and the result says so."""
    points = "class P:\n    def __init__(s, x): s.x = x\n    def __eq__(s, o): return s.x == o.x\ndef f(x): return P(x)"
    tests = tuple(map(AssertTest, ("assert f(1) == P(1)", "assert f(1).x == 1", "assert P(1) == P(2)")))
    job = JudgeJob(points, "python", tests, objects_in_process=True, stop_at_first_failure=False)
    result = bench.decide(job)
    assert [test.verdict for test in result.tests] == ["accepted", "accepted", "wrong_answer"]
    assert [test.in_process for test in result.tests] == [True, False, True]
    cheat = replace(job, code="import os\nclass P:\n    def __init__(s, x): os._exit(0)\ndef f(x): return 1")
    assert bench.decide(cheat).verdict is Verdict.RUNTIME_ERROR


def test_a_program_cannot_dodge_with_objects(bench: Bench) -> None:
    """Returning what the test cannot compare is a wrong answer, not a task that cannot be judged."""
    dodge = "class P:\n    pass\ndef f(x): return P()"
    for source in (
        "assert f(1) == 2",
        "assert f(1) == f(2)",
        "assert f(1) < 3",
        "assert len(f(1)) == 1",
        "assert f(f(1)) == 1",
    ):
        assert asserted(bench, dodge, source).verdict in (Verdict.WRONG_ANSWER, Verdict.RUNTIME_ERROR)


def test_assertion_tests_are_examined_beside_each_other() -> None:
    """Two parsers at work in one interpreter once failed each other: CPython counts their recursion together."""
    source = "def check(c):\n" + "".join(f"    assert c({list(range(40))}) == {n}\n" for n in range(60))
    job = JudgeJob("", "python", (AssertTest(source),), "f")

    def switch_threads(*_: object) -> None:
        for _ in range(50):
            pass

    async def together() -> None:
        await asyncio.gather(*(examine(job) for _ in range(20)))

    gc.callbacks.append(switch_threads)
    thresholds, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.set_threshold(10)
    sys.setswitchinterval(1e-6)
    try:
        asyncio.run(together())
    finally:
        sys.setswitchinterval(interval)
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(switch_threads)


@pytest.mark.parametrize(("size", "output_bytes"), [(0, 1), (0, 30), (90, 100), (99_990, 100_000)])
def test_a_value_may_be_as_long_as_the_output(bench: Bench, size: int, output_bytes: int) -> None:
    """What we write around it is not the program's."""
    job = JudgeJob("def f(n): return 'y' * n", "python", (CallTest((size,), "y" * size),), "f")
    assert bench.decide(replace(job, limits=replace(QUICK, output_bytes=output_bytes))).verdict is Verdict.ACCEPTED
    longer = replace(job, tests=(CallTest((output_bytes + 100,), "y" * (output_bytes + 100)),))
    refused = bench.decide(replace(longer, limits=replace(QUICK, output_bytes=output_bytes)))
    assert refused.verdict is Verdict.WRONG_ANSWER


def test_a_small_output_limit_is_no_limit_of_an_assertion(bench: Bench) -> None:
    """What the asserting side says is not the program's output."""
    job = JudgeJob(
        "def f(): return 1", "python", (AssertTest("assert f() == 1"),), limits=replace(QUICK, output_bytes=1)
    )
    assert bench.decide(job).verdict is Verdict.ACCEPTED
    failing = replace(job, tests=(AssertTest("assert f() == 2, 'm' * 5000"),))
    assert bench.decide(failing).verdict is Verdict.WRONG_ANSWER


def test_a_program_that_does_not_compile_says_so_whatever_it_may_write(bench: Bench) -> None:
    """What the interpreter says of it is no output of its own."""
    job = JudgeJob("x = (", "python", (StdioTest(b"", b""),), limits=replace(QUICK, output_bytes=1))
    assert bench.decide(job).verdict is Verdict.COMPILE_ERROR
