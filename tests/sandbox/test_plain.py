"""Plain data as bytes: what crosses, what is rebuilt, what is refused."""

from __future__ import annotations

import contextlib
import math
from collections import Counter, OrderedDict, defaultdict, namedtuple
from enum import IntEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.inside.plain import MAX_DEPTH, MalformedError, NotPlainError, dumps, loads

plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)


@given(plain_values)
def test_what_goes_in_comes_out(value: object) -> None:
    """Types and values survive."""
    returned = loads(dumps(value))
    assert returned == value
    assert type(returned) is type(value)


@given(st.binary(max_size=200))
def test_bytes_from_anywhere_are_read_or_refused(data: bytes) -> None:
    """There is no third way: no other exception, and no value but plain data."""
    with contextlib.suppress(MalformedError):
        loads(data)


class Sly(int):
    """Equal to everything, says its overridden methods."""

    def __eq__(self, other: object) -> bool:
        return True

    def __index__(self) -> int:
        return 99

    __hash__ = int.__hash__


class SlyList(list):  # type: ignore[type-arg]
    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter([99])

    def __len__(self) -> int:
        return 1


class Colour(IntEnum):
    RED = 1


Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("value", "rebuilt"),
    [
        pytest.param(Sly(5), 5, id="an int with its own __eq__ and __index__"),
        pytest.param(SlyList([1, 2]), [1, 2], id="a list with its own __iter__"),
        pytest.param(Colour.RED, 1, id="an enumeration of ints"),
        pytest.param(Counter("aab"), {"a": 2, "b": 1}, id="a Counter"),
        pytest.param(defaultdict(list, a=[1]), {"a": [1]}, id="a defaultdict"),
        pytest.param(OrderedDict(a=1), {"a": 1}, id="an OrderedDict"),
        pytest.param(Point(1, 2), (1, 2), id="a named tuple"),
        pytest.param("\ud800", "\ud800", id="a lone surrogate"),
    ],
)
def test_subclasses_arrive_as_what_they_derive_from(value: object, rebuilt: object) -> None:
    """By the built-in type's own methods: nothing overridden is asked."""
    returned = loads(dumps(value))
    assert returned == rebuilt
    assert type(returned) is type(rebuilt)


def _nested(depth: int) -> list[object]:
    nest: list[object] = []
    for _ in range(depth):
        nest = [nest]
    return nest


def _recursive() -> list[object]:
    endless: list[object] = []
    endless.append(endless)
    return endless


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(object(), id="an object"),
        pytest.param((n for n in [1]), id="a generator"),
        pytest.param(print, id="a function"),
        pytest.param(1j, id="a complex number"),
        pytest.param(_recursive(), id="a list in itself"),
        pytest.param(_nested(MAX_DEPTH + 1), id="nested too deep"),
    ],
)
def test_what_is_not_plain_is_refused(value: object) -> None:
    """Lazily made, callable or endless: it does not cross."""
    with pytest.raises(NotPlainError):
        dumps(value)


def test_the_deepest_that_crosses() -> None:
    """Exactly the documented depth."""
    assert loads(dumps(_nested(MAX_DEPTH))) == _nested(MAX_DEPTH)


def test_the_size_limit_is_exact() -> None:
    """A byte more than allowed is refused while it is written, not after."""
    size = len(dumps("x" * 1000))
    assert dumps("x" * 1000, max_bytes=size)
    with pytest.raises(NotPlainError):
        dumps("x" * 1000, max_bytes=size - 1)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"l\xff\xff\xff\xff", id="a count beyond the end"),
        pytest.param(b"l\x01\x00\x00\x00" * 100_000, id="a deep nest"),
        pytest.param(b"nn", id="something after the end"),
        pytest.param(b"q", id="an unknown tag"),
        pytest.param(b"s\x01\x00\x00\x00\xff", id="text that is none"),
        pytest.param(b"m\x01\x00\x00\x00l\x00\x00\x00\x00n", id="a list as a key"),
        pytest.param(b"x\x01\x00\x00\x00n", id="an extension nobody asked for"),
    ],
)
def test_bytes_nobody_wrote_are_refused(data: bytes) -> None:
    """Before anything is built from them that is larger than they are."""
    with pytest.raises(MalformedError):
        loads(data)


def test_not_a_number_crosses_as_itself() -> None:
    """It is for the comparison to refuse it, not for the transport."""
    assert math.isnan(loads(dumps(math.nan)))
