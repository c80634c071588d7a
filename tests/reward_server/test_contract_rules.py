"""The contract's reward rules, row by row, through the real server, with exact rewards."""

from __future__ import annotations

import pytest

THINK = "<think>Let me work this out step by step, because the numbers are small and the idea is simple.</think>"
ENGLISH = "We add both of the numbers together and simplify the result, which gives the final answer"
PROMPT = "Compute the sum of the two fractions given below and write the final answer in a box."


def rollout(completion, task, **fields):
    return {"id": "r", "prompt": PROMPT, "completion": completion, "task": task, **fields}


def math(answer="0.5", *, box="\\frac12", think=THINK, prose=ENGLISH, **fields):
    return rollout(f"{think}{prose}: \\boxed{{{box}}}", {"kind": "math", "answer": answer}, **fields)


def code(program, tests, *, language="python", block=None, think=THINK, limits=None, **fields):
    task = {"kind": "code", "tests": tests, **fields.pop("task", {})}
    if language is not None:
        task["language"] = language
    if limits is not None:
        task["limits"] = limits
    text = f"{think}{ENGLISH}.\n```{block if block is not None else language or 'python'}\n{program}\n```\n"
    return rollout(text, task, **fields)


def stdio(*pairs):
    return [{"stdin": stdin, "stdout": stdout} for stdin, stdout in pairs]


ECHO = stdio(("1\n", "1\n"), ("2\n", "2\n"))


@pytest.fixture
def score(server):
    """Score one rollout and check what holds for every result."""

    def score_one(rollout, *, seed=None, **overrides):
        answer = server.post("/v1/score", json={"overrides": overrides, "seed": seed, "rollouts": [rollout]})
        assert answer.status_code == 200, answer.text
        (result,) = answer.json()["results"]
        if result["status"] == "scored":
            assert set(result["components"]) == {"format", "correctness", "length", "language"}
            contributions = [part["contribution"] for part in result["components"].values()]
            assert sum(contributions) == pytest.approx(result["reward"], abs=1e-9)
            assert result["error"] is None
        else:
            assert (result["reward"], result["verdict"], result["components"]) == (None, None, {})
            assert result["error"]["message"]
        return result

    return score_one


def outcome(result):
    return result["reward"], result["verdict"]


# ---- tasks ---------------------------------------------------------------------------------------------------------


BROKEN_TASKS = [
    pytest.param({"kind": "math", "answer": "\\frac{1}{"}, id="a reference that cannot be read"),
    pytest.param({"kind": "math", "answer": ""}, id="an empty one"),
    pytest.param({"kind": "code", "language": "klingon", "tests": ECHO}, id="no such language"),
    pytest.param(
        {"kind": "code", "language": "cpp", "fn_name": "f", "tests": [{"input": [1], "output": 1}]},
        id="a function in a language that has no calls",
    ),
    pytest.param(
        {"kind": "code", "input_output": {"inputs": ["["], "outputs": ["1"], "fn_name": "f"}},
        id="a test that is no JSON",
    ),
]


@pytest.mark.parametrize("task", BROKEN_TASKS)
@pytest.mark.parametrize(
    "completion",
    [
        pytest.param("no tags", id="no thoughts"),
        pytest.param(f"{THINK}no answer", id="no answer"),
        pytest.param(f"{THINK}\\boxed{{1}}\n```python\nprint(1)\n```", id="well formed"),
    ],
)
def test_a_task_that_nobody_can_judge_has_no_reward_whatever_the_format(score, task, completion):
    """A group holds real rewards or none: 0 for the badly formatted alone would be its only lesson."""
    result = score(rollout(completion, task))
    assert (result["status"], result["error"]["kind"]) == ("unscored", "bad_task")


def test_too_few_tests_are_no_task_whatever_the_format(score):
    """Where the preset says so."""
    task = {"kind": "code", "language": "python", "tests": ECHO}
    result = score(rollout("no tags", task), code={"fewer_tests": "unscored"})
    assert result["error"]["kind"] == "bad_task"
    assert outcome(score(rollout("no tags", task))) == (0.0, "format_error")


@pytest.mark.parametrize("references", [["7", "\\frac{1}{"], ["\\frac{1}{", "7"], ["7", ""]])
def test_a_reference_that_cannot_be_read_may_be_the_right_one(score, references):
    """What matches another is right; what matches none is not known to be wrong."""
    assert score(math(references, box="7"))["verdict"] == "correct"
    assert score(math(references, box="5"))["error"]["kind"] == "bad_task"


@pytest.mark.parametrize("limits", [None, {"cpu_seconds": 2}])
def test_the_group_of_a_rollout_without_one_tells_problems_apart(score, limits):
    """And does not ask about limits."""
    program = "print(input())"
    one, same = code(program, ECHO), code(program, ECHO, limits=limits)
    other = {**one, "prompt": "Another problem with the same tests."}
    assert score(one)["group"] == score(same)["group"] != score(other)["group"]


# ---- format (2.2.1) ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "completion",
    [
        pytest.param("\\boxed{\\frac12}", id="no thoughts"),
        pytest.param("<think>a \\boxed{\\frac12}", id="never closed"),
        pytest.param("a</think>\\boxed{\\frac12}", id="never opened"),
        pytest.param("So: <think>a</think>\\boxed{\\frac12}", id="text before the thoughts"),
        pytest.param("<think>a<think>b</think>\\boxed{\\frac12}", id="opened twice"),
        pytest.param("<think>a</think>\\boxed{\\frac12}</think>", id="closed twice"),
        pytest.param("</think>\\boxed{\\frac12}<think>", id="wrong order"),
        pytest.param("<think>\\boxed{\\frac12}</think>one half", id="the box stands in the thoughts"),
        pytest.param("<think>a</think>one half", id="no box"),
        pytest.param("<think>a</think>\\boxed{\\frac12", id="the box never closes"),
        pytest.param("<think>a</think>\\boxed{ }", id="an empty box"),
        pytest.param("<think>a</think>\\boxed{\\,}", id="a box with a space of TeX"),
        pytest.param("<think>a</think>\\boxed{{}~}", id="a box with empty braces"),
        pytest.param("<think>a</think>\\boxed{$$}", id="a box with empty mathematics"),
        pytest.param("<think>a</think>\\boxed{\\text{}\\quad}", id="a box with an empty text"),
        pytest.param("", id="nothing"),
    ],
)
def test_a_math_completion_out_of_format_is_worth_exactly_zero(score, completion):
    """Nothing further is graded, and neither length nor language applies."""
    task = {"kind": "math", "answer": "0.5"}
    result = score(rollout(completion, task, completion_tokens=50_000))
    assert outcome(result) == (0.0, "format_error")
    assert result["components"]["format"]["detail"]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("print(input())", id="no block"),
        pytest.param("```\nprint(input())\n```", id="no language name"),
        pytest.param("```python\nprint(input())", id="never closed"),
    ],
)
def test_a_code_completion_without_a_block_is_worth_exactly_zero(score, answer):
    """Three backticks and a language name."""
    task = {"kind": "code", "language": "python", "tests": ECHO}
    assert outcome(score(rollout(THINK + answer, task))) == (0.0, "format_error")


def test_white_space_before_the_thoughts_is_allowed(score):
    """Chat templates leave it there."""
    assert outcome(score(math(think="\n " + THINK))) == (1.1, "correct")


# ---- correctness (2.2.2): math -------------------------------------------------------------------------------------


def test_a_right_answer_is_worth_all(score):
    """0.1 + 0.9 + 0 + 0.1."""
    result = score(math())
    assert outcome(result) == (1.1, "correct")
    assert result["extracted"] == "\\frac12"


def test_a_wrong_answer_keeps_format_and_language(score):
    """0.1 + 0 + 0 + 0.1."""
    assert outcome(score(math(box="\\frac13"))) == (0.2, "incorrect")


def test_the_last_box_of_the_answer_part_counts(score):
    """Nested braces are counted."""
    assert outcome(score(math(prose="Not \\boxed{7} but"))) == (1.1, "correct")
    assert outcome(score(math(prose="\\boxed{\\frac12}, no wait, it is", box="7"))) == (0.2, "incorrect")


def test_an_empty_last_box_is_no_answer(score):
    """There was an answer, and it was taken back."""
    assert outcome(score(math(prose="First \\boxed{\\frac12} then", box=""))) == (0.2, "no_answer")


def test_any_of_several_references_may_match(score):
    """`task.answer` may be a list of accepted answers."""
    assert outcome(score(math(["7", "0.5"]))) == (1.1, "correct")


def test_a_comparison_that_runs_out_of_time_is_incorrect(score):
    """The answer had its chance: it is scored, and the verdict says why."""
    hard = "\\int_0^1 \\sin(x^2)\\cos(x^3) e^{x^4}\\,dx"
    result = score(math("\\int_0^1 e^{x^x}\\sin(x^3)\\,dx", box=hard), math={"cpu_seconds": 0.05})
    assert outcome(result) == (0.2, "math_timeout")
    assert "CPU time" in result["components"]["correctness"]["detail"]


# ---- correctness (2.2.2): code -------------------------------------------------------------------------------------

LOOP = "while True: pass"
CPP_ECHO = "#include <bits/stdc++.h>\nint main(){std::string s; std::cin >> s; std::cout << s << std::endl;}"


@pytest.mark.parametrize(
    ("program", "verdict", "limits"),
    [
        pytest.param("print(input())", "accepted", None, id="right"),
        pytest.param("print(1)", "wrong_answer", None, id="wrong on the second"),
        pytest.param("raise ValueError", "runtime_error", None, id="an exception"),
        pytest.param("import sys; print(input()); sys.exit(3)", "runtime_error", None, id="right output, bad exit"),
        pytest.param(LOOP, "time_limit_exceeded", {"cpu_seconds": 0.5}, id="CPU time"),
        pytest.param("import time; time.sleep(60)", "time_limit_exceeded", {"wall_seconds": 1.0}, id="asleep"),
        pytest.param("x = bytearray(10**9)", "memory_limit_exceeded", {"memory_mb": 200}, id="memory"),
        pytest.param("print('a' * 10**6)", "output_limit_exceeded", {"output_bytes": 1000}, id="output"),
    ],
)
def test_each_ending_of_a_program_has_its_verdict(score, program, verdict, limits):
    """A program that exceeds its limits is scored, with 0 for correctness."""
    result = score(code(program, ECHO, limits=limits))
    assert outcome(result) == (1.1 if verdict == "accepted" else 0.2, verdict)


def test_a_program_that_makes_forbidden_system_calls_never_passes(score):
    """It is killed for it, and says so."""
    program = "import ctypes\nctypes.CDLL(None).ptrace(0, 0, 0, 0)\nprint(input())"
    assert outcome(score(code(program, ECHO))) == (0.2, "security_violation")


def test_cpp_is_compiled_as_cpp20(score):
    """`bits/stdc++.h` is there, and so is what C++20 brought."""
    program = CPP_ECHO.replace("int main(){", "template<class T> concept C = requires(T t){t+t;};\nint main(){")
    assert outcome(score(code(program, ECHO, language="cpp"))) == (1.1, "accepted")


def test_a_program_that_does_not_compile_says_so(score):
    """The compiler's words come back, and nothing of the host with them."""
    result = score(code("int main( {", ECHO, language="cpp"))
    assert outcome(result) == (0.2, "compile_error")
    assert "error" in result["tests"]["compile_output"]


def test_assertions_may_name_the_function_that_they_check(score):
    """As HumanEval does: `check` is defined, not called, and is called with `fn_name`."""
    tests = [{"assert": "def check(candidate):\n    assert candidate(2) == 4"}]
    assert outcome(score(code("def twice(x): return 2 * x", tests, task={"fn_name": "twice"}))) == (1.1, "accepted")
    assert outcome(score(code("def twice(x): return x", tests, task={"fn_name": "twice"}))) == (0.2, "wrong_answer")


def test_objects_are_compared_where_the_program_could_lie_only_on_request(score):
    """The default says that such a task cannot be judged; the switch judges it, and the result says how often."""
    program = "class P:\n    def __init__(s, x): s.x = x\n    def __eq__(s, o): return s.x == o.x\ndef f(): return P(1)"
    rollout = code(program, [{"assert": "assert f() == P(1)"}])
    assert score(rollout)["error"]["kind"] == "bad_task"
    result = score(rollout, code={"objects": "in_process"})
    assert (*outcome(result), result["tests"]["in_process"]) == (1.1, "accepted", 1)


def test_a_broken_task_is_broken_for_every_member_of_its_group(score):
    """Also for one whose block is in the wrong language: none of them can be told right from wrong."""
    broken = {"tests": None, "input_output": {"inputs": [1], "outputs": [2]}}
    for name in ("python", "rust"):
        rollout = code("print(1)", None, block=name, task=broken)
        del rollout["task"]["tests"]
        assert score(rollout)["error"]["kind"] == "bad_task"


def test_tests_draw_alike_however_they_are_written(server):
    """`input_output` means the same as `tests`."""
    tests = stdio(*((f"{n}\n", f"{n}\n") for n in range(100)))
    pairs = {"inputs": [test["stdin"] for test in tests], "outputs": [test["stdout"] for test in tests]}
    rollouts = []
    for limit in range(0, 100, 10):
        program = f"n = int(input()); print(n if n < {limit} else 'no')"
        rollouts.append(code(program, tests, group="g"))
        rollouts.append(code(program, None, group="g", task={"input_output": pairs}))
        del rollouts[-1]["task"]["tests"]
    results = server.post("/v1/score", json={"rollouts": rollouts}).json()["results"]
    failures = [result["tests"]["first_failure"]["index"] for result in results]
    assert failures[::2] == failures[1::2]


def test_all_drawn_tests_must_pass_and_the_first_failure_is_shown(score):
    """`index` is the place in the task's own tests."""
    tests = stdio(*((f"{n}\n", f"{n}\n") for n in range(5)))
    result = score(code("n = int(input()); print(n if n < 3 else 'no')", tests))
    assert outcome(result) == (0.2, "wrong_answer")
    assert result["tests"]["total"] == 5
    assert result["tests"]["passed"] == 3
    assert result["tests"]["first_failure"]["index"] == 3
    assert result["tests"]["first_failure"]["verdict"] == "wrong_answer"


def test_the_first_fenced_block_counts(score):
    """A second try behind the first is none."""
    answer = f"{THINK}{ENGLISH}.\n```python\nprint(1)\n```\n```python\nprint(input())\n```\n"
    task = {"kind": "code", "language": "python", "tests": ECHO}
    assert outcome(score(rollout(answer, task))) == (0.2, "wrong_answer")


@pytest.mark.parametrize("name", ["py", "python3", "Python", "PYTHON3"])
def test_names_of_a_language_are_aliases(score, name):
    """`py`, `python3`, `c++`, `cpp`… are aliases."""
    assert outcome(score(code("print(input())", ECHO, block=name))) == (1.1, "accepted")


@pytest.mark.parametrize("name", ["c++", "cpp", "C++", "cc"])
def test_names_of_cpp_are_aliases(score, name):
    """On both sides."""
    assert outcome(score(code(CPP_ECHO, ECHO, language="c++", block=name))) == (1.1, "accepted")


@pytest.mark.parametrize("first", ["", "\n \n"])
def test_an_empty_block_is_a_block(score, first):
    """The rule asks for a fence with a language name; what it holds is for the tests, and the first is the first."""
    task = {"kind": "code", "language": "python", "tests": ECHO}
    empty = f"{THINK}{ENGLISH}.\n```python\n{first}```\n"
    assert outcome(score(rollout(empty, task))) == (0.2, "wrong_answer")
    assert outcome(score(rollout(empty + "```python\nprint(input())\n```", task))) == (0.2, "wrong_answer")


def test_a_block_in_another_language_is_no_code(score):
    """Must agree when the task names one; the format is met all the same."""
    assert outcome(score(code("print(input())", ECHO, block="cpp"))) == (0.2, "no_code")
    assert outcome(score(code("print(input())", ECHO, language=None))) == (1.1, "accepted")
    lenient = score(code("print(input())", ECHO, block="ruby"), code={"language_must_agree": False})
    assert outcome(lenient) == (1.1, "accepted")


@pytest.mark.parametrize(
    ("program", "task"),
    [
        pytest.param(
            "def add(a, b):\n    return a + b",
            {"fn_name": "add", "tests": [{"input": [1, 2], "output": 3}, {"input": ["a", "b"], "output": "ab"}]},
            id="function",
        ),
        pytest.param(
            "class Solution:\n    def pair(self, x: int) -> List[int]:\n        return (x, [x])",
            {"fn_name": "pair", "tests": [{"input": [1], "output": [1, [1]]}]},
            id="method of Solution, a tuple for a list",
        ),
        pytest.param(
            "def add(a, b):\n    return a + b",
            {"tests": [{"assert": "assert add(1, 2) == 3"}, {"assert": "assert add('a', 'b') == 'ab'"}]},
            id="asserts",
        ),
        pytest.param(
            "print(input())",
            {"tests": None, "input_output": {"inputs": ["1\n", "2\n"], "outputs": ["1\n", "2\n"]}},
            id="input_output, stdin and stdout",
        ),
        pytest.param(
            "def add(a, b):\n    return a + b",
            {"tests": None, "input_output": {"inputs": [[1, 2]], "outputs": [3], "fn_name": "add"}},
            id="input_output, function",
        ),
        pytest.param(
            "def add(a, b):\n    return a + b",
            {"tests": None, "input_output": {"inputs": [[1, 2]], "outputs": [[3]], "fn_name": "add"}},
            id="input_output, function, outputs in lists of one as APPS has them",
        ),
        pytest.param(
            "def both(a):\n    return [a]",
            {"tests": None, "input_output": {"inputs": [[1]], "outputs": [[1]], "fn_name": "both"}},
            id="input_output, function that returns a list of one",
        ),
        pytest.param(
            "def add(a, b):\n    return a + b",
            {"tests": None, "input_output": '{"inputs": ["1\\n2"], "outputs": ["3"], "fn_name": "add"}'},
            id="input_output as LiveCodeBench writes it",
        ),
    ],
)
def test_all_forms_of_tests_mean_the_same(score, program, task):
    """Right is accepted, and wrong is not."""
    good = code(program, task["tests"], task=task)
    if task["tests"] is None:
        del good["task"]["tests"]
    assert outcome(score(good)) == (1.1, "accepted")
    bad = {**good, "completion": good["completion"].replace("return", "return None #").replace("input()", "'no'")}
    assert score(bad)["reward"] == 0.2


@pytest.mark.parametrize(
    ("checker", "printed", "expected", "verdict"),
    [
        pytest.param("tokens", "1   2 \n\n", "1 2\n", "accepted", id="tokens: blanks"),
        pytest.param("tokens", "1\n2", "1 2", "wrong_answer", id="tokens: lines count"),
        pytest.param("exact", "1 2 \n", "1 2\n", "wrong_answer", id="exact"),
        pytest.param({"kind": "floats", "abs_tol": 0.01}, "0.505", "0.5", "accepted", id="floats: within"),
        pytest.param({"kind": "floats", "abs_tol": 0.001}, "0.505", "0.5", "wrong_answer", id="floats: beyond"),
        pytest.param(
            {"kind": "program", "program": "import sys; sys.exit(open(sys.argv[2]).read() != 'yes')"},
            "yes",
            "no",
            "accepted",
            id="program: accepts",
        ),
        pytest.param(
            {"kind": "program", "program": "import sys; sys.exit(open(sys.argv[2]).read() != 'yes')"},
            "no",
            "no",
            "wrong_answer",
            id="program: refuses",
        ),
        pytest.param("floats", "nan", "0.5", "wrong_answer", id="floats: NaN equals nothing"),
        pytest.param("unordered_lines", "b\na\n", "a\nb\n", "accepted", id="unordered lines"),
        pytest.param("unordered_lines", "a\na\n", "a\nb\n", "wrong_answer", id="unordered lines are counted"),
    ],
)
def test_checkers_compare_as_they_say(score, checker, printed, expected, verdict):
    """`task.checker`."""
    program = f"import sys; sys.stdout.write({printed!r})"
    result = score(code(program, stdio(("", expected)), task={"checker": checker}))
    assert result["verdict"] == verdict


def test_twenty_tests_are_drawn_the_same_for_every_member_of_a_group(server):
    """Whatever the request, the order and the neighbours; another seed draws others."""
    tests = stdio(*((f"{n}\n", f"{n}\n") for n in range(60)))

    def first_failures(seed, batch):
        rollouts = [code(f"n = int(input()); print(n if n < {limit} else 'no')", tests, group="g") for limit in batch]
        answer = server.post("/v1/score", json={"seed": seed, "rollouts": rollouts}).json()
        return {limit: result["tests"] for limit, result in zip(batch, answer["results"], strict=True)}

    together = first_failures("s", [10, 30, 50])
    assert {summary["total"] for summary in together.values()} == {20}
    for limit in (50, 10):
        assert (
            first_failures("s", [limit])[limit]["first_failure"]["index"] == (together[limit]["first_failure"]["index"])
        )
    drawn = {seed: first_failures(seed, [0])[0]["first_failure"]["index"] for seed in map(str, range(12))}
    assert len(set(drawn.values())) > 1


# ---- length (2.2.3) ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tokens", "contribution"),
    [
        pytest.param(32_768, 0.0, id="the last free token"),
        pytest.param(32_769, -0.1 / 8192, id="the first that costs"),
        pytest.param(36_864, -0.05, id="the middle"),
        pytest.param(40_960, -0.1, id="the limit"),
        pytest.param(1_000_000, -0.1, id="far beyond: clamped"),
    ],
)
def test_the_length_penalty_is_linear_between_its_edges(score, tokens, contribution):
    """l_max 40,960 and l_cache 8,192 by default."""
    result = score(math(completion_tokens=tokens))
    assert result["components"]["length"]["contribution"] == pytest.approx(contribution, abs=1e-9)
    assert result["reward"] == pytest.approx(1.1 + contribution, abs=1e-9)


def test_the_limits_of_length_are_switches(score):
    """As the paper moved them: 16k, 24k, 32k."""
    result = score(math(completion_tokens=30_720), length={"l_max": 32_768, "l_cache": 4_096})
    assert result["components"]["length"]["contribution"] == pytest.approx(-0.05, abs=1e-9)


def test_without_completion_tokens_length_is_not_applied_and_says_so(score):
    """Characters are never taken for tokens."""
    result = score(math(think=THINK.replace("step", "step " * 50_000)))
    assert result["components"]["length"]["contribution"] == 0.0
    assert "completion_tokens" in result["components"]["length"]["detail"]


# ---- language (2.2.4) ----------------------------------------------------------------------------------------------

FRENCH = (
    "Réfléchissons tranquillement à ce problème avant de répondre. On additionne les deux fractions après les avoir "
    "réduites au même dénominateur, puis on simplifie le résultat obtenu autant que possible avant de conclure."
)


def test_thoughts_in_another_language_lose_the_bonus(score):
    """Independent of correctness."""
    assert outcome(score(math(think=f"<think>{FRENCH}</think>"))) == (1.0, "correct")
    assert outcome(score(math(think=f"<think>{FRENCH}</think>", box="3"))) == (0.1, "incorrect")


def test_an_answer_in_another_language_loses_the_bonus(score):
    """Problem, thoughts and answer."""
    assert outcome(score(math(prose=FRENCH))) == (1.0, "correct")


def test_a_part_with_too_little_text_agrees_with_anything(score):
    """`\\boxed{42}` alone is in no language."""
    assert outcome(score(math(prose=""))) == (1.1, "correct")


def test_latex_and_code_are_in_no_language(score):
    """They are removed before a language is told."""
    result = score(math(think=THINK.replace("numbers", "numbers $\\text{nombres réels}$ `einige_zahlen`")))
    assert outcome(result) == (1.1, "correct")


# ---- open points ---------------------------------------------------------------------------------------------------


def test_length_and_language_after_a_format_failure_are_a_switch(score):
    """Default: exactly 0. Else both apply."""
    broken = math(think=THINK.replace("<think>", ""), completion_tokens=50_000)
    assert outcome(score(broken)) == (0.0, "format_error")
    kept = score(broken, format={"on_failure": "length_and_language"})
    assert kept["verdict"] == "format_error"
    assert kept["components"]["length"]["contribution"] == -0.1
    assert kept["components"]["language"]["contribution"] == 0.1
    assert kept["reward"] == 0.0


def test_fewer_than_twenty_tests_are_all_run(score):
    """A switch makes such a task a bad one."""
    assert score(code("print(input())", ECHO))["tests"]["total"] == 2
    refused = score(code("print(input())", ECHO), code={"fewer_tests": "unscored"})
    assert refused["error"]["kind"] == "bad_task"


def test_partial_credit_is_off_and_a_switch(score):
    """7.4.1 tried it and rejected it; every test is run then."""
    tests = stdio(*((f"{n}\n", f"{n}\n") for n in range(4)))
    program = "n = int(input()); print(n if n != 1 else 'no')"
    assert outcome(score(code(program, tests))) == (0.2, "wrong_answer")
    partial = score(code(program, tests), correctness={"partial_credit": True})
    assert partial["tests"]["passed"] == 3
    assert partial["reward"] == pytest.approx(0.2 + 0.9 * 0.75, abs=1e-9)


def test_a_truncated_completion_is_zero_or_unscored(score):
    """`finish_reason: "length"` and no `</think>`; a switch of the preset."""
    cut = rollout("<think>" + ENGLISH, {"kind": "math", "answer": "1"}, finish_reason="length")
    assert outcome(score(cut)) == (0.0, "format_error")
    unscored = score(cut, format={"truncated": "unscored"})
    assert (unscored["status"], unscored["reward"]) == ("unscored", None)
    assert "truncated" in unscored["error"]["message"]
    chat = [{"role": "assistant", "reasoning_content": ENGLISH, "content": None}]
    assert score({**cut, "completion": chat}, format={"truncated": "unscored"})["error"] == unscored["error"]
    assert unscored["error"]["retryable"] is False


def test_an_absent_group_is_the_task_itself(server):
    """The same task draws the same tests, and is summed up as one group."""
    rollouts = [math(), math(box="3"), math("7", box="7")]
    answer = server.post("/v1/score", json={"rollouts": rollouts}).json()
    first, second, third = (result["group"] for result in answer["results"])
    assert first == second != third
    assert [group["size"] for group in answer["groups"]] == [2, 1]


def test_a_reference_that_cannot_be_compared_is_unscored(score):
    """Never 0, never 1."""
    result = score(math("\\frac{1}{"))
    assert result["error"]["kind"] == "bad_task"
    assert result["error"]["retryable"] is False


def test_no_task_is_scored_by_format_length_and_language(score):
    """At most 0.2, and no verdict."""
    result = score(rollout(f"{THINK}{ENGLISH}.", {"kind": "none"}))
    assert outcome(result) == (0.2, None)


# ---- error kinds ---------------------------------------------------------------------------------------------------


def test_an_unknown_language_is_a_bad_task(score):
    """Nobody can judge it."""
    assert score(code("x", ECHO, language="klingon"))["error"]["kind"] == "bad_task"


def test_one_bad_rollout_never_fails_the_batch(server):
    """Its neighbours have their rewards, in request order."""
    rollouts = [math(id="a"), math("\\frac{1}{", id="b"), math(box="3", id="c")]
    answer = server.post("/v1/score", json={"rollouts": rollouts})
    assert answer.status_code == 200
    assert [(result["id"], result["reward"]) for result in answer.json()["results"]] == [
        ("a", 1.1),
        ("b", None),
        ("c", 0.2),
    ]
