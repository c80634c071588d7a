"""What a program does must not reach the batch it came in: neither its neighbours' rewards nor the answer itself."""

from __future__ import annotations

import pytest

FALSE_BUILTINS = """
def f(x): return 0
import gc
for kind in [o for o in gc.get_objects() if isinstance(o, type) and o.__name__ == "_Program"]:
    kind._on_names = lambda self, names: (
        {n: self._namespace[n] for n in names if n in self._namespace}
        | {"__builtins__": {"abs": lambda x: 0, "range": lambda *a: [], "isinstance": lambda *a: True}}
        | {"abs": lambda x: 0, "range": lambda *a: [], "isinstance": lambda *a: True},
    )
"""
GOOD = {"id": "good", "completion": "<think>a</think>\\boxed{1}", "task": {"kind": "math", "answer": "1"}}
STDIO = {"tests": [{"stdin": "1\n", "stdout": "1\n"}]}
CALL = {"fn_name": "f", "tests": [{"input": [1], "output": 1}]}


def rollout(program, task):
    task = {"kind": "code", "language": "python", **task}
    return {"id": "code", "completion": f"<think>a</think>\n```python\n{program}\n```", "task": task}


@pytest.mark.parametrize(
    ("program", "task", "verdict"),
    [
        pytest.param("def f(x): return '\\ud800'", CALL, "wrong_answer", id="returns half a character"),
        pytest.param("def f(x): raise ValueError('\\udfff')", CALL, "runtime_error", id="raises with half a character"),
        pytest.param("def f(x): return {'\\ud800': object()}", CALL, "wrong_answer", id="returns what is no data"),
        pytest.param("raise SystemExit('\\ud800')", STDIO, "runtime_error", id="ends with half a character"),
        pytest.param(
            "import sys; sys.stderr.buffer.write(b'\\xff'); raise KeyError", STDIO, "runtime_error", id="bytes"
        ),
        *(
            pytest.param(FALSE_BUILTINS, {"tests": [{"assert": test}]}, "wrong_answer", id=test)
            for test in (
                "assert abs(f(3) - 9.0) < 1e-6",
                "for i in range(1, 4): assert f(i) == i * i",
                "assert isinstance(f(3), list)",
            )
        ),
        pytest.param(
            "print('1' * 200_000 + 'x')", STDIO | {"checker": "floats"}, "wrong_answer", id="almost a long number"
        ),
        pytest.param("def f(x): return {10**5000: 1}", CALL, "wrong_answer", id="a key too long to print"),
        pytest.param("import os; os.kill(1, 2); print(input())", STDIO, "accepted", id="interrupts pid 1"),
        pytest.param(
            "import os\nfor n in range(1, 65):\n    try: os.kill(1, n)\n    except OSError: pass\nprint(input())",
            STDIO,
            "accepted",
            id="sends pid 1 every signal",
        ),
    ],
)
def test_a_program_is_judged_and_its_neighbour_too(server, program, task, verdict):
    """Scored by what it did; never unscored, for that would be a way around a reward of 0."""
    answer = server.post("/v1/score", json={"rollouts": [rollout(program, task), GOOD]})
    assert answer.status_code == 200, answer.text
    judged, neighbour = answer.json()["results"]
    assert (judged["status"], judged["verdict"]) == ("scored", verdict)
    assert neighbour["reward"] == 1.1
