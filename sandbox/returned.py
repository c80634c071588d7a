"""What a function returned, compared with what it should have returned.

- bool only with an equal bool, None only with None, str only with an equal str;
- numbers: two ints when equal; when either is a float, when within the tolerance; NaN and infinities never agree,
  save an infinity with itself;
- a list or tuple with a list of as many elements that agree, for JSON cannot say tuple;
- a dict with an object of the same keys and agreeing values; a key that is an int, float, bool or None is read as JSON
  would spell it, and two keys that spell alike agree with nothing;
- anything else (a set, bytes) with nothing.

It is compared as it is read, and read no further than to the first difference: what a program returned is never built
in the server, and nothing of it is hashed but keys that are expected. The work is bounded by the expected value.
"""

from __future__ import annotations

import json
import math
from typing import Final

from sandbox.inside.plain import Cursor, MalformedError, integer, text
from sandbox.models import Checker, CheckerKind, JsonValue

_TOLERANCE: Final = Checker(CheckerKind.FLOATS, abs_tol=1e-9, rel_tol=1e-9)
_LONGEST_KEY: Final = 1_000
_SHOWN_CHARS: Final = 80


def agrees(expected: JsonValue, encoded: bytes, tolerance: Checker = _TOLERANCE) -> bool:
    """Whether `encoded`, which `plain.dumps` may have written, is what was expected. Raises MalformedError."""
    cursor = Cursor(encoded)
    same = _same(expected, cursor, tolerance)
    if same and cursor.left:
        raise MalformedError("bytes are left over")
    return same


def shown(encoded: bytes) -> str:
    """The beginning of a returned value, as Python would print it."""
    pieces: list[str] = []
    try:
        _show(Cursor(encoded), pieces)
    except MalformedError:
        pieces.append("…")
    said = "".join(pieces)
    return said if len(said) <= _SHOWN_CHARS else said[:_SHOWN_CHARS] + "…"


def _same(expected: JsonValue, cursor: Cursor, tolerance: Checker) -> bool:
    tag = cursor.tag()
    if expected is None or isinstance(expected, bool):
        return tag == (b"n" if expected is None else b"t" if expected else b"f")
    if isinstance(expected, (int, float)):
        return _same_number(expected, tag, cursor, tolerance)
    if isinstance(expected, str):
        return tag == b"s" and cursor.payload() == expected.encode("utf-8", "surrogatepass")
    if isinstance(expected, list):
        if tag not in (b"l", b"u") or cursor.count() != len(expected):
            return False
        return all(_same(one, cursor, tolerance) for one in expected)
    return tag == b"m" and _same_object(expected, cursor, tolerance)


def _same_number(expected: float, tag: bytes, cursor: Cursor, tolerance: Checker) -> bool:
    if tag == b"i":
        number = integer(cursor.payload())
        return number == expected if isinstance(expected, int) else close(expected, number, tolerance)
    return tag == b"d" and close(expected, cursor.double(), tolerance)


def close(expected: float, actual: float, tolerance: Checker) -> bool:
    """Whether two numbers are within the tolerance. An infinity is close to itself alone, NaN to nothing."""
    try:
        one, other = float(expected), float(actual)
    except OverflowError:  # an int beyond any float
        return expected == actual
    if math.isinf(one) or math.isinf(other):
        return one == other
    # False for NaN on either side.
    return abs(one - other) <= max(tolerance.abs_tol, tolerance.rel_tol * abs(one))


def _same_object(expected: dict[str, JsonValue], cursor: Cursor, tolerance: Checker) -> bool:
    if cursor.count() != len(expected):
        return False
    missing = set(expected)
    for _ in range(len(expected)):
        key = _key(cursor)
        if key not in missing or not _same(expected[key], cursor, tolerance):
            return False
        missing.discard(key)
    return True


def _key(cursor: Cursor) -> str | None:
    """A key as JSON spells it; None for one that no JSON has."""
    tag = cursor.tag()
    if tag in _CONSTANTS:
        return _CONSTANTS[tag][1]
    if tag == b"d":
        return json.dumps(cursor.double())
    if tag not in (b"s", b"i"):
        return None
    payload = cursor.payload()
    if tag == b"s":
        return text(payload)
    return str(integer(payload)) if len(payload) <= _LONGEST_KEY else None


def _show(cursor: Cursor, pieces: list[str]) -> None:
    """Add the next value, a piece at a time, until there is enough to be seen."""
    if sum(map(len, pieces)) > _SHOWN_CHARS:
        raise MalformedError("enough")
    tag = cursor.tag()
    if tag in _CONSTANTS:
        pieces.append(_CONSTANTS[tag][0])
    elif tag == b"d":
        pieces.append(repr(cursor.double()))
    elif tag in (b"i", b"s", b"b"):
        pieces.append(_shown_sized(tag, cursor.payload()))
    elif tag in _BRACKETS:
        _show_collection(tag, cursor, pieces)
    else:
        pieces.append("?")
        raise MalformedError("no value")


def _shown_sized(tag: bytes, payload: bytes) -> str:
    if tag == b"i":
        return str(integer(payload)) if len(payload) <= _LONGEST_KEY else f"an int of {len(payload)} bytes"
    if tag == b"b":
        return repr(payload[: _SHOWN_CHARS + 1])
    return repr(payload[: 4 * _SHOWN_CHARS].decode("utf-8", "replace"))


def _show_collection(tag: bytes, cursor: Cursor, pieces: list[str]) -> None:
    opening, closing = _BRACKETS[tag]
    pieces.append(opening)
    count = cursor.count()
    for place in range(count):
        pieces.append(", " if place else "")
        _show(cursor, pieces)
        if tag == b"m":
            pieces.append(": ")
            _show(cursor, pieces)
    pieces.append("," + closing if tag == b"u" and count == 1 else closing)


# How Python writes them, and how JSON spells them as keys.
_CONSTANTS: Final = {b"n": ("None", "null"), b"t": ("True", "true"), b"f": ("False", "false")}
_BRACKETS: Final = {
    b"l": ("[", "]"),
    b"u": ("(", ")"),
    b"m": ("{", "}"),
    b"e": ("{", "}"),
    b"z": ("frozenset({", "})"),
}
