"""What answers in words, in letters of choices and in units may not get away with, and what they may."""

# ruff: noqa: SIM905 - a paragraph of words is read more easily than a list of strings

import pytest


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        ("2^n", "(n)2^n"),
        (r"\sqrt2", r"(x)\sqrt{2}"),
        ("x+1", "(A)x+1"),
        ("5", "(x) 5"),
        ("5", "N: 5"),
        ("(b)h", "h"),
        ("(B)h", "h"),
    ],
)
def test_a_factor_is_no_label(verify, reference, answer):
    """Only A to J label a value, and only where they are set apart from it."""
    assert not verify.equal(reference, answer)
    assert not verify.equal(answer, reference)


@pytest.mark.parametrize(
    ("reference", "answer", "same"),
    [
        ("A", "(A) 12", True),
        ("A", r"(A) 12\text{ cm}", True),
        ("B", "(B) x^2+C", True),
        ("12", "(C)12", True),
        (r"\text{(C) }12", "(C) 12.0", True),
        (r"\text{(C) red}", "(C) red", True),
        (r"\textbf{(C) } 12", "(C) 13", False),
        ("A", r"(A)\ \text{but really B}", False),
        ("A", "(A) wait B", False),
        ("A", r"A. \text{No, B}", False),
        ("A", "A: B", False),
        ("A", "(A) 12, B", False),
        ("B", "(B)h", False),
    ],
)
def test_a_letter_may_be_followed_by_its_value_and_by_nothing_else(verify, reference, answer, same):
    """The value is that of the reference, where it has one, and else no prose and no other letter."""
    assert verify.equal(reference, answer) is same


@pytest.mark.parametrize(
    ("reference", "answer", "same"),
    [
        ("A, C, B", "B, C, A", True),
        ("BD", r"\text{B, D}", True),
        (r"\text{ABCD}", r"\text{DCBA}", False),
        ("CAB", "ABC", False),
    ],
)
def test_letters_without_separators_are_in_order(verify, reference, answer, same):
    """`ABCD` might be a word or a figure."""
    assert verify.equal(reference, answer) is same


@pytest.mark.parametrize(
    ("reference", "answer", "same"),
    [
        (r"\text{more than .5}", r"\text{more than 0.5}", True),
        (r"\text{about five.}", "about five", True),
        (r"\text{more than .5}", r"\text{more than 5}", False),
        (r"\text{between }.5\text{ and }.6", r"\text{between }5\text{ and }6", False),
    ],
)
def test_a_point_before_a_digit_belongs_to_the_number(verify, reference, answer, same):
    """Elsewhere in a text a full stop is typography."""
    assert verify.equal(reference, answer) is same


@pytest.mark.parametrize(
    "unit",
    [
        "apples",
        "students",
        "of the house per hour",
        "cups of flour",
        "square feet",
        "sq ft",
        "km/h",
        "children",
        "red apples",
        "years old",
        "sheep",
        "times",
        "kWh",
        "个",
        "рублей",
    ],
)
def test_a_unit_is_a_known_word_or_a_plain_plural(verify, unit):
    """It may be left out."""
    assert verify.equal("5", rf"5\text{{ {unit}}}")


@pytest.mark.parametrize(
    "word",
    """quadrillion lakh crore bn mil gross sixteenths twelfths repeating recurring halved cube inverse reciprocal sqrt
    permille percentile binary hex hmm guess unsure rejected excluded never nope wait roughly ish onwards minimum
    multiples 以上 左右 неверно 万 k M""".split(),
)
@pytest.mark.parametrize("context", [r"5\text{ WORD}", r"5\text{ apples WORD}", r"\$5\text{WORD}"])
def test_any_other_word_is_no_unit(verify, word, context):
    """Words that nobody has called a unit may change the number or take it back."""
    said = context.replace("WORD", word)
    assert not verify.equal("5", said)
    assert not verify.equal(said, "5")


@pytest.mark.parametrize(("one", "other"), [("MW", "mW"), ("MPa", "mPa"), ("MHz", "mHz"), ("Mg", "mg"), ("MB", "Mb")])
def test_the_case_of_a_symbol_counts(verify, one, other):
    """SI prefixes differ in nothing else."""
    assert not verify.equal(rf"5\text{{ {one}}}", rf"5\text{{ {other}}}")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (r"5\text{ MW}", r"5000\text{ kW}", True),
        (r"5\text{ Meters}", r"5\text{ m}", True),
        (r"5\text{ KG}", r"5\text{ kg}", True),
        (r"US\$5", r"5\text{ dollars}", True),
        (r"\text{USD } 42", r"\$42", True),
        (r"\text{USD } 42", r"42\text{ euros}", False),
        (r"5\text{ people}", r"5\text{ People}", True),
        (r"100\text{ grad}", r"100^\circ", False),
    ],
)
def test_units_are_converted(verify, one, other, same):
    """Spelled out they have no case."""
    assert verify.equal(one, other) is same


@pytest.mark.parametrize(
    ("reference", "answer", "same"),
    [
        (r"\infty", r"\text{infinity}", True),
        (r"-\infty", r"\text{negative infinity}", True),
        (r"\frac12", r"\text{one half}", True),
        (r"\frac23", r"\text{two-thirds}", True),
        ("105", r"\text{one hundred and five}", True),
        ("-42", r"\text{minus } 42", True),
        (r"\text{DNE}", r"\text{does not exist}", True),
        ("-42", r"\text{minus minus } 42", False),
        ("21", r"\text{twenty and one}", False),
        ("1", r"\text{one half}", False),
        ("2", r"\text{two third}", False),
        (r"\infty", r"\text{not infinity}", False),
        (r"\infty", r"\text{infinity or 2}", False),
    ],
)
def test_a_number_may_be_said(verify, reference, answer, same):
    """Where nothing else is said."""
    assert verify.equal(reference, answer) is same
