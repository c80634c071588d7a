"""Rules of reading and comparing structures, each with the pairs that lie at its edges."""

import pytest

from reward_server.math import ladder
from reward_server.math.models import BadReferenceError, MathSettings
from reward_server.math.structure import Comparer


@pytest.mark.parametrize(
    "text", [r"0.\overline{3}_3", r"0.\overline{3}_{10}", "1e5000_2", r"\mathbb{R}^{1e5000}", "2.5_7", "1e-3_2"]
)
def test_a_base_belongs_to_an_integer_and_nothing_else_with_a_subscript_is_a_failure_of_ours(verify, text):
    """Whatever stands before a subscript or an exponent is read or refused, as an answer and as a reference."""
    assert not verify.equal("5", text)
    assert not verify.equal(text, "5")


class _UnforeseenError(Exception):
    pass


def test_a_fault_of_ours_while_comparing_is_no_verdict(monkeypatch):
    """It is raised, so that the rollout is unscored: zero would teach the model that our fault was its mistake."""

    def failing(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(Comparer, "equal", failing)
    with pytest.raises(ZeroDivisionError):
        ladder.compare("x^2+1", "x^2+2", MathSettings())


def test_a_reference_that_cannot_be_understood_is_a_failure_of_ours(monkeypatch):
    """No verdict on an answer may come from what is wrong with the reference."""

    def failing(self, node):
        raise _UnforeseenError

    monkeypatch.setattr(Comparer, "_meaning", failing)
    with pytest.raises(_UnforeseenError):
        ladder.compare("x+1", "x+2", MathSettings())


def _both_ways(verify, one, other, same):
    assert verify.equal(one, other) is same
    assert verify.equal(other, one) is same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (r"[0,1)\cup(1,\infty)", r"x\ge0, x\ne1", True),
        (r"(0,1)\cup(1,\infty)", r"x>0 \text{ and } x\neq1", True),
        ("x>3", r"x\ge3, x\ne3", True),
        (r"(-\infty,-1)\cup(-1,2)", r"x<2, x\ne-1", True),
        (r"x\ne1, x\ne5", r"x\ne5, x\ne1", True),
        (r"(-\infty,1)\cup(3,\infty)", "x<1, x>3", True),
        (r"\{1\}", r"x\le1, x\ge1", True),
        (r"\mathbb{R}", r"x\ge0, x\ne1", False),
        (r"\mathbb{R}", r"x<2 \text{ and } x\ne-1", False),
        (r"x > 0, x \ne 1", r"x > -5, x \ne 7", False),
        (r"\mathbb{R}", r"x\le1, x\ge1", False),
        (r"x\ne1, x\ne5", r"x\ne5, x\in(-\infty,1)\cup(3,\infty)", False),
        (r"x<1 \text{ or } x>3", r"x<1 \text{ and } x>3", False),
        (r"x\neq1 \text{ or } x\neq2", r"x\ne1 \text{ and } x\ne2", False),
    ],
)
def test_conditions_on_one_variable_intersect_unless_they_are_joined_by_or(verify, one, other, same):
    """A conjunction is the intersection of its sets."""
    _both_ways(verify, one, other, same)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (r"2\text{ or }3", "3, 2", True),
        (r"x=1\text{ or }x=2", "x=1, x=2", True),
        (r"(1,2)\text{ or }(3,4)", "(3,4), (1,2)", True),
        (r"\text{Alice and Bob}", r"\text{Bob and Alice}", True),
        (r"x=1\text{ or }y=2", "x=1, y=2", False),
        (r"x=1\text{ or }y=2", "(1,2)", False),
        (r"\text{Alice and Bob}", r"\text{Alice or Bob}", False),
        (
            r"x=1\text{ and }y=2\text{ or }x=3\text{ and }y=4",
            r"x=1\text{ and }x=3\text{ and }y=2\text{ and }y=4",
            False,
        ),
    ],
)
def test_or_between_statements_is_no_and(verify, one, other, same):
    """Between bare values and points `or` makes a list; between statements and words it says less than `and`."""
    _both_ways(verify, one, other, same)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (r"|x-10^{12}|", r"10^{12}-x", False),
        (r"|x-50!|", r"50!-x", False),
        (r"\max(10^{10},x)", r"10^{10}", False),
        (r"\max(n,50)\cdot 2^n", r"50\cdot2^n", False),
        (r"\max(2^n,10^9)", r"10^9", False),
        (r"\max(\ln x,50)", "50", False),
        (r"\min(n!,10^{20})", "n!", False),
        (r"\sum_{k=20}^{n}k^2", "0", False),
        (r"\gcd(n,101)", "1", False),
        (r"\lfloor n/100\rfloor!+n", "n+1", False),
        (r"n!\bmod 2", "0", False),
        (r"|x^2+1|", "x^2+1", True),
        (r"|x-10^{12}|", r"|10^{12}-x|", True),
        (r"\max(x,y)", r"\frac{x+y+|x-y|}{2}", True),
        (r"\sum_{k=20}^{n}k", r"\frac{n(n+1)}{2}-190", True),
        (r"\gcd(2n,4)", r"2\gcd(n,2)", True),
    ],
)
def test_points_lie_on_both_sides_of_where_a_branch_turns(verify, one, other, same):
    """However far a branch turns, both of its sides are looked at."""
    _both_ways(verify, one, other, same)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2", "AB=2", True),
        ("x^2", "f(x)=x^2", True),
        ("5", r"\text{width}=5", True),
        ("x=5", r"\text{width}=5", False),
        ("2", "|n|=2", False),
        ("2", r"\sin u=2", False),
        ("2", "f(f(x))=2", False),
        ("2", "XX=2", False),
        (r"\{1,2\}", "a=1,b=2", False),
        ("x=1,2", "x=(1,2)", False),
        (r"\{1,2\}", r"\{1\},\{2\}", False),
        (r"x\in[1,2]", "x=[1,2]", False),
    ],
)
def test_only_a_plain_name_may_be_left_out(verify, one, other, same):
    """An equation that has to be solved for its name is no value, and a name belongs to what it names."""
    _both_ways(verify, one, other, same)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("x^2+C", "x^2+K", True),
        ("A+C", "A+K", False),
        ("m+C", "m+k", False),
        (r"\pi", r"\approx 3.14159265", True),
        ("42", r"\approx 42", False),
        ("3", r"x\approx3", False),
        ("42", "42?", False),
        ("12:00", "12:000", False),
        ("12:00", r"12:00\pi", False),
        ("12:00", r"12:00\%", False),
    ],
)
def test_what_looks_alike_is_not_the_same(verify, one, other, same):
    """A constant needs something that was integrated; an approximate integer, a question and a time that is none say
    something else."""
    _both_ways(verify, one, other, same)


@pytest.mark.parametrize("reference", ["|x", r"\{x|x>0", r"\frac{}{}", r"\sqrt{}", "x_", *"<)^_!*/"])
def test_a_reference_that_is_cut_off_or_empty_is_a_bad_one(verify, reference):
    """There is nothing to compare an answer with."""
    with pytest.raises(BadReferenceError):
        verify(reference, "5")
