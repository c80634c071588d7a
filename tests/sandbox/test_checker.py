"""When two outputs are the same."""

from __future__ import annotations

import tracemalloc

import pytest

from sandbox.checker import difference
from sandbox.models import Checker, CheckerKind

TOKENS, EXACT, FLOATS, UNORDERED = map(
    Checker, (CheckerKind.TOKENS, CheckerKind.EXACT, CheckerKind.FLOATS, CheckerKind.UNORDERED_LINES)
)
LOOSE = Checker(CheckerKind.FLOATS, abs_tol=1e-6, rel_tol=1e-6)


@pytest.mark.parametrize(
    ("checker", "expected", "actual"),
    [
        pytest.param(TOKENS, b"1 2\n3\n", b"1 2\n3", id="no newline at the end"),
        pytest.param(TOKENS, b"1 2\n", b"1   2  \r\n\n\n", id="spaces, carriage return, empty lines at the end"),
        pytest.param(TOKENS, b"", b"\n \n", id="nothing and white space"),
        pytest.param(TOKENS, b"\xff\x00\n", b"\xff\x00", id="bytes that are no text"),
        pytest.param(EXACT, b"a b\n", b"a b\n", id="the same bytes"),
        pytest.param(FLOATS, b"0.5 x\n", b"0.50000000001 x\n", id="within the tolerance"),
        pytest.param(FLOATS, b"1e9\n", b"1000000000.5\n", id="within the relative tolerance"),
        pytest.param(FLOATS, b"0\n", b"-0.0\n", id="zero is zero"),
        pytest.param(FLOATS, b"1" * 320 + b"\n", b"1" * 320 + b"\n", id="an int beyond any float"),
        pytest.param(LOOSE, b"1\n", b"1.0000005\n", id="a wider tolerance"),
        pytest.param(UNORDERED, b"a\nb\na\n", b"b\na \na\n", id="lines in another order"),
    ],
)
def test_outputs_that_are_the_same(checker: Checker, expected: bytes, actual: bytes) -> None:
    """Each checker forgives what its definition says."""
    assert difference(expected, actual, checker) is None


@pytest.mark.parametrize(
    ("checker", "expected", "actual"),
    [
        pytest.param(TOKENS, b"1\n2\n", b"1\n", id="a prefix"),
        pytest.param(TOKENS, b"1\n", b"1\n2\n", id="more than expected"),
        pytest.param(TOKENS, b"1 2\n", b"1\n2\n", id="a line break is not a space"),
        pytest.param(TOKENS, b"1\n2\n", b"1\n\n2\n", id="an empty line in between"),
        pytest.param(TOKENS, b"1\n", b"", id="nothing"),
        pytest.param(TOKENS, b"\n1\n", b"1\n", id="an empty line in front"),
        pytest.param(TOKENS, b"1.0\n", b"1\n", id="tokens are not numbers"),
        pytest.param(TOKENS, b"Yes\n", b"YES\n", id="case"),
        pytest.param(EXACT, b"a b\n", b"a b", id="a missing newline is a difference"),
        pytest.param(FLOATS, b"1\n", b"nan\n", id="nan for a number"),
        pytest.param(FLOATS, b"nan\n", b"nan\n", id="nan agrees with nothing"),
        pytest.param(FLOATS, b"1e999\n", b"1e998\n", id="numbers beyond any float"),
        pytest.param(FLOATS, b"1\n", b"inf\n", id="inf"),
        pytest.param(FLOATS, b"10\n", b"1_0\n", id="what only Python reads as a number"),
        pytest.param(FLOATS, b"1.0\n", b"1.001\n", id="beyond the tolerance"),
        pytest.param(FLOATS, b"1 2\n", b"1\n", id="a number missing"),
        pytest.param(UNORDERED, b"a\na\nb\n", b"a\nb\nb\n", id="each line as often"),
        pytest.param(UNORDERED, b"a\n", b"a\nb\n", id="a line too many"),
    ],
)
def test_outputs_that_differ(checker: Checker, expected: bytes, actual: bytes) -> None:
    """A difference is said in one sentence."""
    assert difference(expected, actual, checker)


@pytest.mark.parametrize("length", [0, 1, 2, 7, 100])
def test_the_first_byte_that_differs_is_named(length: int) -> None:
    """Whoever looks for it finds it there."""
    assert (difference(b"a" * length + b"b", b"a" * length + b"c", EXACT) or "").startswith(f"byte {length}:")
    assert (difference(b"a" * length, b"a" * (length + 1), EXACT) or "").startswith(f"byte {length}:")


@pytest.mark.parametrize("checker", [TOKENS, FLOATS, UNORDERED], ids=lambda checker: checker.kind.value)
def test_an_output_of_millions_of_lines_is_not_taken_apart_at_once(checker: Checker) -> None:
    """What a program prints is bounded; what it costs to compare must be, too."""
    output = b"1\n" + b"\n" * 4_000_000 + b"2\n"
    tracemalloc.start()
    try:
        assert difference(b"1\n2\n", output, checker)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 3 * len(output)
