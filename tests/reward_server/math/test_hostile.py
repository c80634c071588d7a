"""Answers that want to stop the service, to be run by it, or to be believed."""

import asyncio
import os
import subprocess
import sys

import pytest

from reward_server.math.ladder import compare
from reward_server.math.models import BadReferenceError, MathSettings, MathUnavailableError, MathVerdict
from reward_server.math.verifier import MathVerifier

SLOW = r"\int_0^1 e^{x^x}\sin x^3\,dx"  # SymPy would look for an antiderivative for minutes

HOSTILE = [
    r"10^{10^{10}}",
    r"5^{5^{5^{5^5}}}",
    r"10^{-10^{10}}",
    r"7^{7^{7^7}} \mod 1000",
    r"e^{e^{e^{e^{e}}}}",
    r"(1+i)^{10^7}",
    "9^9^9^9",
    "10^9!",
    "((10^6)!)!",
    "1" + "!" * 2_000,
    r"\binom{10^9}{5\cdot10^8}",
    r"\sum_{k=1}^{10^9}k^k",
    r"\sum_{i=1}^{100}\sum_{j=1}^{100}\sum_{k=1}^{100}\sin(ijk)",
    "(" * 3_000 + "1" + ")" * 3_000,
    "{" * 50_000 + "1" + "}" * 50_000,
    r"\frac{1}{1+" * 300 + "1" + "}" * 300,
    r"\sqrt{" * 1_000 + "2" + "}" * 1_000,
    "1" + "/2" * 2_000,
    "+".join(["1"] * 10_000),
    r"\sin" * 1_500 + "x",
    "9" * 200_000,
    "9" * 4_000 + "^{" + "9" * 4_000 + "}",
    "1e999999999",
    "x" * 500_000,
    r"\text{" + "a" * 500_000 + "}",
    r"\[" * 32_000,
    "|" * 5_000,
    r"\begin{pmatrix}"
    + r"\\".join("&".join(f"x_{{{i},{j}}}^{i}" for j in range(30)) for i in range(30))
    + r"\end{pmatrix}",
    r"\cup".join(f"({i},{i}.5)" for i in range(100)),
    ",".join(rf"\sqrt{{{i}}}" for i in range(300)),
    "\x00" * 1_000,
    "\ud800",
    "½" * 3_000,
    r"\frac{0}{0}",
    SLOW,
]


@pytest.mark.parametrize("answer", HOSTILE, ids=lambda answer: answer[:30].encode("ascii", "replace").decode())
@pytest.mark.parametrize("reference", ["42", "x^2+1", r"\{1,2\}", r"\sqrt{3}"])
def test_a_hostile_answer_is_judged_and_never_right(verify, answer, reference):
    """Whatever it holds, it ends in a verdict within its limits."""
    found = verify(reference, answer, cpu_seconds=0.5)
    assert found.verdict in {MathVerdict.INCORRECT, MathVerdict.MATH_TIMEOUT}


@pytest.mark.parametrize("answer", HOSTILE, ids=lambda answer: answer[:30].encode("ascii", "replace").decode())
def test_the_event_loop_is_held_for_a_bounded_time(answer):
    """Nothing that would take for ever is begun in the server's process: it is decided, or left to a worker."""
    for reference in ("42", "x^2+1", r"\sqrt{3}", r"(1,2)\cup(3,4)"):
        found = compare(reference, answer, MathSettings())
        assert found is None or found.verdict is MathVerdict.INCORRECT


@pytest.mark.parametrize(
    "payload",
    [
        "__import__('os').system('touch {path}')",
        "open('{path}','w').close()",
        "exec(\"open('{path}','w')\")",
        "[x for x in ().__class__.__base__.__subclasses__()]+[open('{path}','w')]",
        r"\text{{__import__('os').system('touch {path}')}}",
        "lambda: open('{path}', 'w')",
    ],
)
def test_python_in_a_box_is_never_run(verify, tmp_path, payload):
    """No text is evaluated, in the server or in a worker."""
    path = tmp_path / "ran"
    code = payload.format(path=path)
    for reference in ("42", r"\int_0^1 x\,dx", r"\text{ran}"):
        assert verify(reference, code).verdict is MathVerdict.INCORRECT
    assert not path.exists()


def test_the_time_limit_is_a_verdict_with_its_reason(verify):
    found = verify("1", SLOW, cpu_seconds=0.3)
    assert found.verdict is MathVerdict.MATH_TIMEOUT
    assert "0.3 s of CPU time" in found.reason


@pytest.mark.parametrize("reference", ["", "  ", r"\frac{1}{", "{", r"\left(1,", "???", r"\frac{1}"])
def test_a_reference_that_says_nothing_is_found_at_once(verify, reference):
    """It is the task that is bad, not the answer."""
    with pytest.raises(BadReferenceError):
        verify(reference, "42")


def test_one_usable_reference_among_bad_ones_is_enough(verify):
    assert verify(["", "42"], "42").verdict is MathVerdict.CORRECT


@pytest.mark.parametrize("reference", ["42", r"\text{Evelyn}", r"4:30p..", r"\bigstar", "10^{10^{10}}", "9" * 5_000])
def test_an_unusual_reference_can_be_matched_by_itself(verify, reference):
    assert verify(reference, reference).verdict is MathVerdict.CORRECT


def test_a_worker_killed_in_the_middle_costs_no_answer_its_verdict(verify):
    """While a hundred comparisons need a worker, workers are killed again and again."""

    async def story():
        questions = [(rf"\int_0^{n} x\,dx", rf"\frac{{{n * n}}}{{2}}") for n in range(2, 42)]
        asked = [
            asyncio.create_task(
                verify.verifier.verify(answer=answer, references=[reference], settings=MathSettings(cpu_seconds=20))
            )
            for reference, answer in questions
        ]
        for done in asyncio.as_completed(asked):
            await done
            if sum(task.done() for task in asked) % 8 == 0:
                for process_id in verify.verifier.process_ids:
                    os.kill(process_id, 9)
        return [task.result().verdict for task in asked]

    assert set(verify.run(story())) == {MathVerdict.CORRECT}


def test_identical_pairs_are_judged_once(verify):
    """Those that are asked at the same time share one comparison."""

    async def story():
        settings = MathSettings(cpu_seconds=0.4)
        asked = [verify.verifier.verify(answer=SLOW + " ", references=["3"], settings=settings) for _ in range(40)]
        return await asyncio.gather(*asked)

    found = verify.run(story())
    assert len(set(map(id, found))) == 1


def test_a_caller_that_gives_up_takes_nothing_from_the_others(verify):
    async def story():
        settings = MathSettings(cpu_seconds=20)
        asked = [
            asyncio.create_task(
                verify.verifier.verify(answer=r"\frac{49}{2}", references=[r"\int_0^7 x\,dx "], settings=settings)
            )
            for _ in range(3)
        ]
        await asyncio.sleep(0)
        asked[0].cancel()
        return await asyncio.gather(*asked, return_exceptions=True)

    found = verify.run(story())
    assert [one.verdict for one in found[1:]] == ["correct", "correct"]


def test_a_verifier_that_is_not_running_is_our_failure():
    async def story():
        verifier = MathVerifier(workers=1)
        assert not verifier.health().ready
        assert (await verifier.verify(answer="1", references=["1"], settings=MathSettings())).verdict == "correct"
        with pytest.raises(MathUnavailableError):
            await verifier.verify(answer=SLOW, references=["1"], settings=MathSettings())

    asyncio.run(story())


def test_the_cheap_rungs_do_without_sympy():
    """The server starts in the time that SymPy would take to import."""
    code = "import sys, reward_server.math.verifier; print({'sympy', 'math_verify', 'numpy'} & set(sys.modules))"
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert ended.stdout.strip() == "set()"
