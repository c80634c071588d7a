"""When what a function returned is what it should have returned."""

from __future__ import annotations

import math
import tracemalloc

import pytest

from sandbox.inside import plain
from sandbox.inside.plain import MalformedError
from sandbox.models import JsonValue
from sandbox.returned import agrees, shown


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        pytest.param([1, [2, "x"]], (1, [2, "x"]), id="JSON cannot say tuple"),
        pytest.param(0.3, 0.1 + 0.2, id="floats within 1e-9"),
        pytest.param(2, 2.0, id="JSON does not tell 2 from 2.0"),
        pytest.param({"2": "a", "true": 2}, {2: "a", True: 2}, id="keys as JSON has them"),
        pytest.param(None, None, id="nothing"),
        pytest.param(10**400, 10**400, id="ints beyond any float"),
        pytest.param([], (), id="empty"),
    ],
)
def test_returned_values_that_agree(expected: JsonValue, actual: object) -> None:
    """What JSON cannot say makes no difference."""
    assert agrees(expected, plain.dumps(actual))


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        pytest.param(True, 1, id="a bool is no int"),
        pytest.param(0, False, id="and no int a bool"),
        pytest.param(math.nan, math.nan, id="nan never"),
        pytest.param(1, math.nan, id="nan for a number"),
        pytest.param(1.0, math.inf, id="an infinity for a number"),
        pytest.param("1", 1, id="a text is no number"),
        pytest.param([1, 2], [1, 2, 3], id="longer"),
        pytest.param([1, 2], [2, 1], id="another order"),
        pytest.param([1, 2], {1, 2}, id="a set has no order"),
        pytest.param("ab", b"ab", id="bytes are no text"),
        pytest.param(None, False, id="none is not false"),
        pytest.param({"1": 1}, {1: 1, "1": 1}, id="two keys that spell alike"),
        pytest.param(10**400, 10**400 + 1, id="great ints compare exactly"),
        pytest.param(10**400, 1.5, id="a great int and a float"),
        pytest.param([], None, id="none for a list"),
    ],
)
def test_returned_values_that_differ(expected: JsonValue, actual: object) -> None:
    """Everything JSON can say counts."""
    assert not agrees(expected, plain.dumps(actual))


def colliding(count: int) -> bytes:
    """A set of ints that all have the hash 0, which no program of the sandbox's own would write."""
    ints = (plain.dumps(n * (2**61 - 1)) for n in range(1, count + 1))
    return b"e" + count.to_bytes(4, "little") + b"".join(ints)


@pytest.mark.parametrize(
    "encoded",
    [
        pytest.param(colliding(300_000), id="a set of colliding ints"),
        pytest.param(b"m" + colliding(300_000)[1:5] + b"n" * 600_000, id="a dict of one key"),
        pytest.param(b"l" + (4_000_000).to_bytes(4, "little") + b"e\0\0\0\0" * 4_000_000, id="millions of sets"),
    ],
)
@pytest.mark.parametrize("expected", [[], {}, 7, [[1]], {"a": 1}])
def test_what_a_program_forged_costs_nothing(encoded: bytes, expected: JsonValue) -> None:
    """It is neither built nor hashed: the work is bounded by what was expected."""
    tracemalloc.start()
    try:
        assert not agrees(expected, encoded)
        assert len(shown(encoded)) < 100
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 100_000


@pytest.mark.parametrize("encoded", [b"", b"l", b"l\1\0\0\0", b"i\xff\xff\xff\xff", b"s\1\0\0\0", b"q"])
def test_bytes_that_are_no_value_are_said_to_be_none(encoded: bytes) -> None:
    """Or agree with nothing, where the first of them tells."""
    for expected in (1, "a", [1], {"a": 1}):
        try:
            assert not agrees(expected, encoded)
        except MalformedError:
            continue
    assert shown(encoded)


def test_more_than_one_value_is_none() -> None:
    """Nothing may stand behind it."""
    with pytest.raises(MalformedError):
        agrees(1, plain.dumps(1) + b"n")


@pytest.mark.parametrize(
    "value",
    [None, True, 1.5, "a'b", b"x", [], [1, [2]], (1,), (1, 2), {"a": 1, 2: None}, {1}, frozenset({2}), -(2**70)],
)
def test_a_short_value_is_shown_as_python_prints_it(value: object) -> None:
    """Whoever reads the message knows the notation."""
    assert shown(plain.dumps(value)) == repr(value)


def test_a_long_value_is_shown_by_its_beginning() -> None:
    """However long it is."""
    assert shown(plain.dumps(["x"] * 1_000_000)).startswith("['x', 'x',")
    assert len(shown(plain.dumps(["x" * 1_000_000]))) < 100
