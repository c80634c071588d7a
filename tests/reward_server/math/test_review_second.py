"""Rules that a second, hostile review asked for: each states what may not pass for right, or be lost as ours."""

# ruff: noqa: SIM905 - a paragraph of words is read more easily than a list of strings

import pytest

from reward_server.math import ladder
from reward_server.math.budget import BeyondBudgetError, is_limited, limited, spend
from reward_server.math.models import BadReferenceError, MathSettings, MathVerdict
from reward_server.math.structure import Comparer


def both_ways(verify, one, other, same):
    assert verify.equal(one, other) is same
    assert verify.equal(other, one) is same


# What an answer can make of the verifier


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        ("3:4", r"\frac10:4"),
        ("7:30", r"7:30\frac00"),
        (r"3\pmod7", r"\frac10\pmod7"),
        (r"3\pmod7", r"3\pmod{1/0}"),
        (r"n\equiv1\pmod3", r"n\equiv1/0\pmod3"),
        ("5", r"x=\frac13\approx1.5\times10^{1/0}"),
        (r"\{1,2\}", r"\{1,\frac10\}"),
        ("(0,1)", r"(0,\frac10)"),
        ("x>0", r"x>\frac10"),
        ("0", r"\frac00"),
        (r"\infty", r"\frac10"),
    ],
)
def test_an_answer_without_a_value_is_wrong_and_not_unscored(verify, reference, answer):
    """Wherever in it something is divided by zero."""
    assert verify(reference, answer).verdict is MathVerdict.INCORRECT


@pytest.mark.parametrize("reference", [r"\frac10", r"\frac00", r"(1,\frac10)", "x=1/0", r"n\equiv\frac10\pmod3"])
def test_a_reference_without_a_value_is_a_bad_task(verify, reference):
    """No answer could have it."""
    with pytest.raises(BadReferenceError):
        verify(reference, "5")


def test_a_fault_that_an_answer_provokes_is_its_own(monkeypatch):
    """It is wrong: an answer that could make itself unscored would be spared its zero."""
    compare = Comparer.equal

    def failing(self, reference, answer):
        if reference != answer:
            raise ZeroDivisionError
        return compare(self, reference, answer)

    monkeypatch.setattr(Comparer, "equal", failing)
    found = ladder.compare("x^2+1", "x^2+2", MathSettings())
    assert found is not None
    assert found.verdict is MathVerdict.INCORRECT
    assert "ZeroDivisionError" in found.reason


SUMS = [rf"\sum_{{k=1}}^{{{n}}}k^{{-k}}" for n in range(400, 388, -1)]


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        (r"\{1,2\}", r"\{" + ",".join(SUMS) + r"\}"),
        ("5", "+".join(SUMS)),
        ("5", r"\sum_{k=1}^{400}\det\begin{pmatrix}k&1&2&3\\1&k&2&3\\k&2&3&k\\1&1&k&1\end{pmatrix}"),
        (r"x\ne5", r"\mathbb R\setminus\{" + ",".join(rf"\sqrt{{{n}}}" for n in range(2, 32)) + r"\}"),
    ],
)
def test_the_work_in_the_server_is_bounded_for_the_whole_comparison(reference, answer):
    """However it is divided into parts; what is too much is for a worker."""
    assert len(answer) < 400
    assert ladder.compare(reference, answer, MathSettings()) is None


def test_a_budget_is_shared_by_all_that_is_inside_of_it():
    with pytest.raises(BeyondBudgetError), limited(10):
        spend(6)
        with limited(100):
            spend(6)
    assert not is_limited()
    spend(10**9)


@pytest.mark.parametrize(
    ("reference", "answer", "same"),
    [
        ("1", r"\lim_{x\to0}\frac{\sin x}{x}=1", True),
        (r"\frac13", r"I=\int_0^1x^2dx=\frac13", True),
        (r"\frac13", r"\int_0^1x^2\,dx=\frac13", True),
        ("1", r"\lim_{x\to0}f(x)=1", True),
        ("2", r"\lim_{x\to0}\frac{\sin x}{x}=2", False),
        (r"\frac12", r"\int_0^1x^2\,dx=\frac12", False),
    ],
)
def test_a_chain_is_false_only_where_a_worker_says_so(verify, reference, answer, same):
    """What the server cannot decide about it is not decided."""
    assert verify.equal(reference, answer) is same


# References


@pytest.mark.parametrize(
    "reference",
    [
        r"\left\{\begin{array}{l}x=1\\y=2\end{array}\right.",
        r"f(x)=\left\{\begin{array}{ll}x^2 & x>0\\ 0 & x\le 0\end{array}\right.",
        r"a_n=2n-1(n\in N^*)",
        "N^*",
        r"p\mid q",
        r"5\text{ sec}",
        r"\sin",
        r"\frac1.5",
        r"(x \text{ is odd})",
        "x^*y",
    ],
)
def test_a_reference_that_is_not_cut_off_is_no_bad_task(verify, reference):
    """We may not read it, and then it is compared as text."""
    assert verify(reference, reference).verdict is MathVerdict.CORRECT
    assert verify(reference, "77").verdict is MathVerdict.INCORRECT


@pytest.mark.parametrize("reference", [r"\left\{x", "(1,2", r"\frac{1}", "x^", r"\sqrt", r"\begin{cases}1", "|x|+|y"])
def test_a_reference_that_is_cut_off_is_a_bad_task(verify, reference):
    with pytest.raises(BadReferenceError):
        verify(reference, "5")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("x^*", "x^{*}", True),
        (r"\frac12", r"p^*=\frac12", True),
        ("x^*", "x", False),
        ("x^*=5", "x=5", False),
        (r"p\mid q", "p|q", True),
        (r"p\mid q", r"q\mid p", False),
        (r"\left.5\right.", "5", True),
    ],
)
def test_a_star_belongs_to_a_name(verify, one, other, same):
    both_ways(verify, one, other, same)
