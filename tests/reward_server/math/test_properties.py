"""What holds for answers that nobody wrote down: generated values, their spellings, and what is next to them."""

import random
from fractions import Fraction
from math import isqrt

from hypothesis import given, settings
from hypothesis import strategies as st

from reward_server.math.ladder import compare
from reward_server.math.models import MathSettings, MathVerdict

SETTINGS = MathSettings()
FEW = settings(max_examples=60, deadline=None, derandomize=True)


def equal(reference: str, answer: str) -> bool:
    found = compare(reference, answer, SETTINGS)
    assert found is not None, (reference, answer)
    assert found == compare(reference, answer, SETTINGS)
    back = compare(answer, reference, SETTINGS)
    assert back is not None
    assert back.verdict == found.verdict, "equality has no direction"
    return found.verdict is MathVerdict.CORRECT


fractions = st.builds(Fraction, st.integers(-9_999, 9_999), st.integers(1, 999))
randoms = st.randoms(use_true_random=False)


def spelled(value: Fraction, random_: random.Random) -> str:
    """A rational number, in one of the ways that people write it."""
    top, bottom = value.numerator, value.denominator
    times = random_.randint(1, 9)
    ways = [
        rf"\frac{{{top}}}{{{bottom}}}",
        rf"\dfrac{{{top * times}}}{{{bottom * times}}}",
        rf"\frac{{{-top}}}{{{-bottom}}}",
        f"{top}/{bottom}",
        rf"\left( \frac{{{top}}}{{{bottom}}} \right)",
        rf"{top} \div {bottom}",
    ]
    if bottom == 1:
        ways += [
            str(top),
            f"{top}.0",
            f"{top:,}",
            f"{top:,}".replace(",", "{,}"),
            rf"\text{{{top}}}",
            f"+{top}" if top >= 0 else f"-({-top})",
        ]
    if top > bottom > 1:
        ways.append(rf"{top // bottom}\frac{{{top % bottom}}}{{{bottom}}}")
    if 1000 % bottom == 0:
        ways += [f"{float(value):.3f}", f"{float(value * 100):.1f}\\%"]
    return random_.choice(ways)


def spelled_inside(value: Fraction, random_: random.Random) -> str:
    """The same between brackets, where a comma would part two items."""
    return spelled(value, random_).replace("{,}", ",").replace(",", "{,}")


@FEW
@given(fractions, randoms)
def test_a_number_is_itself_however_it_is_spelled(value, random_):
    assert equal(spelled(value, random_), spelled(value, random_))


@FEW
@given(fractions, fractions, randoms)
def test_two_numbers_are_not_each_other_however_they_are_spelled(value, other, random_):
    if value != other:
        assert not equal(spelled(value, random_), spelled(other, random_))


@FEW
@given(st.integers(-(10**60), 10**60), st.integers(0, 59))
def test_one_digit_of_an_integer_matters_at_any_size(value, place):
    assert not equal(str(value), str(value + 10**place))


@FEW
@given(st.integers(2, 10**9), st.sampled_from([6, 7, 8, 9, 20, 40]), st.booleans())
def test_a_decimal_stands_for_a_root_by_its_digits(radicand, digits, wrong):
    """Cut off or rounded; with one digit changed it is another number."""
    scaled = _root_digits(radicand, digits)
    whole, places = divmod(scaled, 10**digits)
    if whole * whole == radicand:
        return
    assert equal(rf"\sqrt{{{radicand}}}", f"{whole}.{places:0{digits}}")
    whole, places = divmod(scaled + (2 if wrong else -1), 10**digits)
    assert not equal(rf"\sqrt{{{radicand}}}", f"{whole}.{places:0{digits}}")


def _root_digits(radicand: int, digits: int) -> int:
    return isqrt(radicand * 10 ** (2 * digits))


polynomials = st.dictionaries(st.integers(0, 6), st.integers(-50, 50).filter(bool), min_size=1, max_size=5)


def written(polynomial: dict[int, int], random_: random.Random, variable: str = "x") -> str:
    terms = list(polynomial.items())
    random_.shuffle(terms)
    text = ""
    for power, coefficient in terms:
        sign = "-" if coefficient < 0 else ("+" if text else "")
        size = abs(coefficient)
        factor = {0: "", 1: variable}.get(
            power, random_.choice([f"{variable}^{{{power}}}", rf"{{{variable}}}^{power}"])
        )
        number = "" if size == 1 and power else str(size)
        text += random_.choice([" ", ""]) + sign + random_.choice([" ", ""]) + number + factor
    return text


@FEW
@given(polynomials, randoms)
def test_a_polynomial_is_itself_in_any_order_and_as_a_product(polynomial, random_):
    text = written(polynomial, random_)
    assert equal(text, written(polynomial, random_))
    raised = {power + 1: 3 * coefficient for power, coefficient in polynomial.items()}
    assert equal(rf"3x\left({text}\right)", written(raised, random_))


@FEW
@given(polynomials, randoms)
def test_a_polynomial_with_one_thing_changed_is_another(polynomial, random_):
    """A coefficient, a sign, an exponent, the variable, or a term more."""
    power = random_.choice(list(polynomial))
    text = written(polynomial, random_)
    others = [
        {**polynomial, power: polynomial[power] + (1 if polynomial[power] != -1 else 2)},
        {**polynomial, power: -polynomial[power]},
        {**polynomial, 7: 1},
        {(key + 1 if key == power else key): value for key, value in polynomial.items() if key != power + 1},
    ]
    for other in others:
        assert other == polynomial or not equal(text, written(other, random_))
    if set(polynomial) != {0}:
        assert not equal(text, written(polynomial, random_, "y"))


values = st.lists(fractions, min_size=2, max_size=5, unique=True)


@FEW
@given(values, randoms)
def test_order_matters_in_a_point_and_not_in_a_set(items, random_):
    shuffled = random_.sample(items, len(items))
    texts = [", ".join(spelled_inside(item, random_) for item in order) for order in (items, shuffled)]
    assert equal(rf"\{{ {texts[0]} \}}", rf"\{{{texts[1]}\}}")
    assert equal(f"({texts[0]})", rf"\left({texts[1]}\right)") is (items == shuffled)
    assert not equal(f"({texts[0]})", rf"\{{{texts[0]}\}}")


@FEW
@given(values, randoms)
def test_one_item_more_or_less_is_another_answer(items, random_):
    text, fewer = (", ".join(spelled_inside(item, random_) for item in some) for some in (items, items[1:]))
    assert not equal(rf"\{{{text}\}}", rf"\{{{fewer}\}}")
    assert not equal(f"({text})", f"({fewer})")


@FEW
@given(fractions, fractions, st.tuples(st.booleans(), st.booleans()), st.tuples(st.booleans(), st.booleans()), randoms)
def test_every_end_of_an_interval_matters(lower, upper, ends, others, random_):
    """Its value and whether it belongs to it; written as an interval or as inequalities."""
    lower, upper = sorted((lower, upper))
    if lower == upper:
        return
    low, high = spelled_inside(lower, random_), spelled_inside(upper, random_)

    def interval(closed):
        return ("[" if closed[0] else "(") + f"{low}, {high}" + ("]" if closed[1] else ")")

    def inequality(closed):
        signs = [r"\le" if one else "<" for one in closed]
        return f"{low} {signs[0]} x {signs[1]} {high}"

    assert equal(interval(ends), inequality(ends))
    assert equal(interval(ends), interval(others)) is (ends == others)
    assert equal(inequality(ends), interval(others)) is (ends == others)


_PIECES = r"""\frac { } ( ) 1 2 x + - ^ _ , = < \sqrt \pm \text{\ cm} \% | \cup \{ \} [ ] \ln ! : \in \mathbb{Z} e i \pi
or"""
pieces_of_latex = st.sampled_from(_PIECES.split())


@FEW
@given(st.lists(pieces_of_latex, max_size=14))
def test_any_text_is_judged_and_equals_itself(pieces):
    """Nothing that can be written raises, and nothing is told from itself."""
    text = "".join(pieces)
    if text.strip():
        assert equal(text, text)
        compare("42", text, SETTINGS)
        compare(text + "+1", text, SETTINGS)
