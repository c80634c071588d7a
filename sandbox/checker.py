"""When two outputs are the same. Pure; it runs outside of the sandbox, on bytes and plain data.

Output of a script, by checker:

`tokens` (the default): line by line the same tokens, a token being what white space separates. White space at the
ends of lines and empty lines at the end of the output do not count; an empty line elsewhere does. Bytes are compared,
whatever they encode; a carriage return is white space.

`exact`: the same bytes.

`floats`: as `tokens`, but two tokens that both read as finite decimal numbers agree when they differ by at most
`abs_tol`, or by at most `rel_tol` of the expected one. `nan` and `inf` are never numbers: they agree only with nothing.

`unordered_lines`: the same lines, as `tokens` reads them, in any order, each as often.

What a function returned, compared with what it should have returned:

- bool only with an equal bool, None only with None, str only with an equal str;
- numbers: two ints when equal; when either is a float, when within the tolerance; NaN and infinities never agree,
save an infinity with itself;
- a list or tuple with a list of as many elements that agree, for JSON cannot say tuple;
- a dict with an object of the same keys and agreeing values; a key that is an int, float, bool or None is read as JSON
  would spell it, and two keys that spell alike agree with nothing;
- anything else (a set, bytes) with nothing.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from sandbox.models import Checker, CheckerKind, JsonValue

# Python's float() also reads "1_0", "nan" and digits of other scripts.
# Every digit can be matched in one way only, or a long one that is no number is tried in all of them.
_NUMBER: Final = re.compile(rb"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_SHOWN_BYTES: Final = 80
_RETURNED: Final = Checker(CheckerKind.FLOATS, abs_tol=1e-9, rel_tol=1e-9)


def difference(expected: bytes, actual: bytes, checker: Checker) -> str | None:
    """One sentence on the first difference, or None where the outputs are the same."""
    if checker.kind is CheckerKind.EXACT:
        return None if expected == actual else _exact_difference(expected, actual)
    if expected == actual and checker.kind is not CheckerKind.FLOATS:
        return None
    if checker.kind is CheckerKind.UNORDERED_LINES:
        return _unordered_difference(expected, actual)
    return _ordered_difference(expected, actual, checker)


def agrees(expected: JsonValue, actual: object, tolerance: Checker = _RETURNED) -> bool:
    """Whether what a function returned is what it should have returned."""
    if isinstance(expected, bool) or isinstance(actual, bool) or expected is None or actual is None:
        return expected is actual
    if isinstance(expected, (int, float)) and isinstance(actual, (int, float)):
        if isinstance(expected, int) and isinstance(actual, int):
            return expected == actual
        return _close(expected, actual, tolerance)
    if isinstance(expected, str):
        return isinstance(actual, str) and expected == actual
    if isinstance(expected, list):
        if not isinstance(actual, (list, tuple)) or len(expected) != len(actual):
            return False
        return all(agrees(one, other, tolerance) for one, other in zip(expected, actual, strict=True))
    if isinstance(expected, dict):
        return isinstance(actual, dict) and _same_objects(expected, actual, tolerance)
    return False


def _same_objects(expected: dict[str, JsonValue], actual: dict[object, object], tolerance: Checker) -> bool:
    spelled = {_key(key): value for key, value in actual.items()}
    if len(spelled) != len(actual) or spelled.keys() != expected.keys():
        return False
    return all(agrees(value, spelled[key], tolerance) for key, value in expected.items())


def _key(key: object) -> object:
    if isinstance(key, int) and key.bit_length() > 1_000:  # no JSON has such a key, and some are too long to print
        return key
    return json.dumps(key) if key is None or isinstance(key, (bool, int, float)) else key


def _close(expected: float, actual: float, tolerance: Checker) -> bool:
    try:
        one, other = float(expected), float(actual)
    except OverflowError:  # an int beyond any float
        return expected == actual
    if math.isinf(one) or math.isinf(other):
        return one == other
    # False for NaN on either side.
    return abs(one - other) <= max(tolerance.abs_tol, tolerance.rel_tol * abs(one))


def _lines(output: bytes) -> Iterator[list[bytes]]:
    """The tokens of each line, one line at a time: an output may hold millions, and the first may decide."""
    output = output.rstrip()
    start = 0
    while start < len(output):
        end = output.find(b"\n", start)
        end = end if end >= 0 else len(output)
        yield output[start:end].split()
        start = end + 1


def _ordered_difference(expected: bytes, actual: bytes, checker: Checker) -> str | None:
    pairs = itertools.zip_longest(_lines(expected), _lines(actual))
    for number, (one, other) in enumerate(pairs, start=1):
        if one is None or other is None:
            return f"expected {_count_lines(expected)} lines, got {_count_lines(actual)}"
        if one == other and checker.kind is not CheckerKind.FLOATS:
            continue
        if len(one) != len(other) or not all(map(lambda a, b: _same_token(a, b, checker), one, other)):
            return f"line {number}: expected {_shown(b' '.join(one))}, got {_shown(b' '.join(other))}"
    return None


def _count_lines(output: bytes) -> int:
    output = output.rstrip()
    return output.count(b"\n") + 1 if output else 0


def _same_token(expected: bytes, actual: bytes, checker: Checker) -> bool:
    if checker.kind is not CheckerKind.FLOATS or not (_NUMBER.fullmatch(expected) and _NUMBER.fullmatch(actual)):
        return expected == actual and not _is_not_finite(actual, checker)
    one, other = float(expected), float(actual)
    if math.isinf(one) or math.isinf(other):  # 1e999
        return False
    return expected == actual or abs(one - other) <= max(checker.abs_tol, checker.rel_tol * abs(one))


def _is_not_finite(token: bytes, checker: Checker) -> bool:
    if checker.kind is not CheckerKind.FLOATS:
        return False
    return token.lower().lstrip(b"+-") in (b"nan", b"inf", b"infinity")


def _unordered_difference(expected: bytes, actual: bytes) -> str | None:
    missing = Counter(map(tuple, _lines(expected)))
    for line in map(tuple, _lines(actual)):
        if missing[line] == 0:  # as often as expected, or never: no later line mends that
            return f"unexpected line {_shown(b' '.join(line))}"
        missing[line] -= 1
    absent = next(missing.elements(), None)
    return None if absent is None else f"missing line {_shown(b' '.join(absent))}"


def _exact_difference(expected: bytes, actual: bytes) -> str:
    position = _common_prefix(expected, actual)
    return f"byte {position}: expected {_shown(expected[position:])}, got {_shown(actual[position:])}"


def _common_prefix(one: bytes, other: bytes) -> int:
    """How many bytes both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _shown(text: bytes) -> str:
    cut = text[:_SHOWN_BYTES].decode("utf-8", "replace")
    return repr(cut) + ("…" if len(text) > _SHOWN_BYTES else "")
