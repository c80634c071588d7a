"""Rules that a second, hostile review asked for: each states what may not pass for right, or be lost as ours."""

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


def test_a_fault_of_ours_is_no_verdict(monkeypatch):
    """It climbs, and leaves the rollout without a reward: zero would teach the model that it was its mistake."""

    def failing(self, reference, answer):
        raise KeyError("ours")

    monkeypatch.setattr(Comparer, "equal", failing)
    with pytest.raises(KeyError):
        ladder.compare("x^2+1", "x^2+2", MathSettings())


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
    def in_parts():
        with limited(10):
            spend(6)
            with limited(100):
                spend(6)

    with pytest.raises(BeyondBudgetError):
        in_parts()
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


# What may not pass for right


@pytest.mark.parametrize("word", ["apples", "boxes", "buses", "potatoes", "cities", "ordered pairs", "square inches"])
def test_a_thing_that_is_counted_is_known(verify, word):
    """In the singular or the plural; it may be left out."""
    assert verify.equal("5", rf"5\text{{ {word}}}")


@pytest.mark.parametrize(
    "word",
    [
        *("millones", "milhares", "milliards", "milions", "bilhoes", "centenas", "docenas", "douzaines"),
        *("menos", "moins", "veces menos", "tercios", "tiers", "cuartos", "quarts"),
        *("pairs", "couples", "scores", "grosses", "decades", "centuries", "factorials", "others", "positives"),
    ],
)
def test_a_plural_that_nobody_called_a_thing_is_no_unit(verify, word):
    """In some language it is a number."""
    both_ways(verify, "5", rf"5\text{{ {word}}}", same=False)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("HHT", "HTH", False),
        ("AABB", "ABAB", False),
        ("RGB", "BGR", False),
        ("XYZ", "ZYX", False),
        (r"\{HHT,HTH,THH\}", r"\{HHT,HHT,TTH\}", False),
        ("s=HHT", "s=HTH", False),
        ("cat", "act", False),
        ("HHT", r"\text{HHT}", True),
        ("HHT", "HHT", True),
        (r"\{HHT,HTH,THH\}", r"\{THH,HTH,HHT\}", True),
        ("PQ", "QP", True),
        ("xy", "yx", True),
        ("abc", "cab", True),
        ("2ABC", "2CBA", True),
        ("PQR", r"R\cdot Q\cdot P", True),
        ("BAC_{16}", "ABC_{16}", False),
        ("1BAC_{16}", "1ABC_{16}", False),
        ("ABC_{16}", "2748_{10}", True),
        ("2A_{12}", "34_{10}", True),
    ],
)
def test_letters_side_by_side_are_a_product_only_where_they_can_be_nothing_else(verify, one, other, same):
    """Three capitals or more and ordinary words are in order, and letters before a base are digits."""
    both_ways(verify, one, other, same)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("12345678", r"1.23457\times10^7", False),
        ("2^{100}", r"1.26765\times10^{30}", False),
        ("20!", r"2.43290\times10^{18}", False),
        ("1000000007", r"1.00000\times10^9", False),
        (r"\frac{1000001}{1000000}", "1.00000", False),
        ("123000000", r"1.23\times10^8", True),
        ("5", "5.000000", True),
        (r"\frac23", "0.666667", True),
        (r"10^{30}\sqrt2", r"1.41421\times10^{30}", True),
        ("12345678", r"12345678\approx1.23\times10^7", True),
    ],
)
def test_no_rounded_decimal_stands_for_an_integer(verify, one, other, same):
    """Integers are compared exactly at any size, and a decimal that shows an integer is one."""
    both_ways(verify, one, other, same)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("(1) 3; (2) 4", "3; 8", False),
        ("(1) 3; (2) 4", "4; 3", False),
        ("(2) 6", "12", False),
        ("(1) 5 (2) 6", "60", False),
        (r"(1) $\frac12$ (2) $\sqrt3$", r"\sqrt3", False),
        (r"(1) $\frac12$; (2) $\sqrt3$", r"\frac12, 2\sqrt3", False),
        ("(1) 3; (2) 4", "3; 4", True),
        ("(1)3;(2)4", "(1) 3 (2) 4", True),
        ("(4)(5)", "20", True),
        (r"(2)\sqrt3", r"2\sqrt3", True),
    ],
)
def test_the_numbers_of_parts_are_no_factors(verify, one, other, same):
    """Parts that are numbered from 1 are in order."""
    both_ways(verify, one, other, same)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("①③", "13", False),
        ("①②③", "123", False),
        ("①③", "①④", False),
        ("①3", "3", False),
        ("①③", "③①", True),
        ("①②④", "①、②、④", True),
    ],
)
def test_circled_numbers_are_a_list(verify, one, other, same):
    """They do not join to one number."""
    both_ways(verify, one, other, same)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2nm", "2", False),
        ("5km", "5", False),
        (r"\frac12kg", r"\frac12", False),
        ("2mol", "2", False),
        ("2nm-n-m", "2mn-m-n", True),
        (r"-\frac{8km}{3+4k^2}", r"-\frac{8mk}{3+4k^2}", True),
        ("2mm", "2m^2", True),
        ("5km", r"5\text{ km}", True),
        ("5cm^2", r"5\text{ cm}^2", True),
        ("5 km", "5", True),
        ("5mk", r"5\text{ km}", False),
    ],
)
def test_letters_that_touch_a_number_are_variables(verify, one, other, same):
    """Unless the other side has them as its unit."""
    both_ways(verify, one, other, same)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (r"(1\pm\sqrt2,1\mp\sqrt2)", r"(1\pm\sqrt2,1\pm\sqrt2)", False),
        (r"(\pm1,\pm2)", r"(\pm1,\mp2)", False),
        (r"(1\pm\sqrt2,1\mp\sqrt2)", r"(1+\sqrt2,1-\sqrt2),(1-\sqrt2,1+\sqrt2)", True),
        (r"(\pm1,0)", "(1,0),(-1,0)", True),
    ],
)
def test_the_signs_of_a_point_are_those_of_all_its_coordinates(verify, one, other, same):
    r"""`\mp` is tied to `\pm` in all of it."""
    both_ways(verify, one, other, same)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (r"n\equiv1\pmod3", "n=1", False),
        (r"n\equiv1\pmod3", "1", False),
        (r"n\equiv0,1\pmod4", "n=0,1", False),
        (r"n\equiv1\pmod3", r"n\equiv4\pmod3", True),
        (r"n\equiv1\pmod3", r"1\pmod3", True),
        (r"3\pmod7", "3", True),
    ],
)
def test_a_residue_class_is_not_its_representative(verify, one, other, same):
    """A bare remainder is."""
    both_ways(verify, one, other, same)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("f(2)=5", "f(2.0)=7", False),
        ("f(2)=5", "f(2.0)=5", True),
        ("A, B", r"A\text{ or }B", False),
        (r"\text{A and B}", r"\text{A or B}", False),
        (r"\text{A and B}", "A, B", True),
        (r"\begin{pmatrix}1&&2\end{pmatrix}", r"\begin{pmatrix}1&2\end{pmatrix}", False),
        (
            r"\begin{pmatrix}1&&\\&2&\\&&3\end{pmatrix}",
            r"\begin{pmatrix}1\\2\\3\end{pmatrix}",
            False,
        ),
        ("0.6", "0.1(6)", False),
        (r"\frac16", "0.1(6)", True),
        ("a", r"\text{a circle}", False),
        (r"\text{circle}", r"\text{a circle}", True),
        (r"a\text{ cm}", "a", True),
        (r"\text{no solutions}", r"\text{no real solutions}", False),
        (r"\text{no real solution}", r"\text{no real solutions}", True),
        ("5", r"\text{wrong}=5", False),
        ("5", r"\text{twice the area}=5", False),
        ("5", r"\text{area}=5", True),
    ],
)
def test_what_is_said_beside_the_value_counts(verify, one, other, same):
    """Arguments of functions, `or`, cells left empty, digits that repeat, articles, and what a label takes back."""
    both_ways(verify, one, other, same)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("5", r"\approx5.0", False),
        ("5", r"x\approx5.0", False),
        (r"\frac12", r"\approx0.5", False),
        ("78.5", r"\approx78.5", True),
        (r"36.87^\circ", r"x\approx36.87^\circ", True),
        (r"\pi", r"\approx3.14159265", True),
    ],
)
def test_an_approximate_value_is_never_the_value_itself(verify, one, other, same):
    """It stands for a decimal, or for what it shows enough digits of."""
    both_ways(verify, one, other, same)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (r"\{\{1\},\{2\}\}", r"\{1,2\}", False),
        (r"\{1,\{2\}\}", r"\{1,2\}", False),
        (r"\{\emptyset,\{1\}\}", r"\{\emptyset,1\}", False),
        (r"(\{1\},2)", "(1,2)", False),
        (r"\{5\}", "5", True),
        (r"x\in\{5\}", "x=5", True),
    ],
)
def test_only_the_outermost_braces_may_be_left_out(verify, one, other, same):
    both_ways(verify, one, other, same)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (r"\ln\frac{x-1}{x-2}", r"\ln(x-1)-\ln(x-2)", False),
        (r"\sqrt{\frac ab}", r"\frac{\sqrt a}{\sqrt b}", False),
        ("x", r"(\sqrt x)^2", False),
        (r"\frac12\ln x", r"\ln\sqrt x", True),
        (r"\sqrt{\frac1n}", r"\frac{1}{\sqrt n}", True),
        (r"x\sqrt x", r"x^{\frac32}", True),
    ],
)
def test_a_function_is_defined_where_all_its_parts_are_real(verify, one, other, same):
    """Not also where the imaginary parts cancel."""
    both_ways(verify, one, other, same)


# Integrals and bound variables


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (r"\frac{\pi^2}{12}", r"\int_0^1\frac{\ln(1+x)}{x}dx", True),
        ("5", r"\int_0^1\frac{\ln(1+x)}{x}dx", False),
        (r"\frac\pi4", r"\int_0^1\sqrt{1-x^2}\,dx", True),
        (r"\int_0^1 e^{x^2}\sin x^3\,dx", "1", False),
        (r"\frac{a^2}{2}", r"\int_0^a x\,dx", True),
        (r"\frac{a^3}{2}", r"\int_0^a x\,dx", False),
        ("1", r"\int_0^1(1+10^{-400})dx", False),
        ("5", r"5+\int_0^1e^{-10^{100}(x-1/3)^2}dx", False),
        ("0", r"\int_{-1}^1\frac{dx}{x}", False),
    ],
)
def test_a_definite_integral_needs_no_antiderivative(verify, one, other, same):
    """It is enclosed; what is tiny in it is seen."""
    both_ways(verify, one, other, same)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (r"\int_0^1 e^{x^x}dx", r"\int_0^1 e^{t^t}dt", True),
        (r"\sum_{n=0}^\infty x^n", r"\sum_{k=0}^\infty x^k", True),
        (r"\sum_{i=1}^{n}\sum_{j=1}^{i}f(i,j)", r"\sum_{j=1}^{n}\sum_{i=1}^{j}f(j,i)", True),
        (r"\sum_{i=1}^{n}\sum_{j=1}^{i}f(i,j)", r"\sum_{j=1}^{n}\sum_{i=1}^{j}f(i,j)", False),
        (r"\sum_{k=1}^{n}a_k", r"\sum_{j=1}^{n}a_k", False),
        (r"\sum_{k=1}^{n}kx", r"\sum_{x=1}^{n}kx", False),
        (r"\int x^2dx", r"\int t^2dt", False),
    ],
)
def test_the_name_of_a_bound_variable_means_nothing(verify, one, other, same):
    """An antiderivative has no bound variable."""
    both_ways(verify, one, other, same)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("nf(k)", r"\sum_{k=1}^{n}f(k)"),
        ("f(x)", r"\int_0^1f(x)dx"),
        ("f(x)", r"\lim_{x\to a}f(x)"),
        (r"\int_0^1f(x)dt", r"\int_0^1f(x)dx"),
    ],
)
def test_a_function_known_by_name_depends_on_the_bound_variable(verify, one, other):
    both_ways(verify, one, other, same=False)
