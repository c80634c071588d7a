"""When two outputs of a script are the same. Pure; it runs outside of the sandbox, on bytes.

`tokens` (the default): line by line the same tokens, a token being what white space separates. White space at the
ends of lines and empty lines at the end of the output do not count; an empty line elsewhere does. Bytes are compared,
whatever they encode; a carriage return is white space.

`exact`: the same bytes.

`floats`: as `tokens`, but two tokens that both read as decimal numbers agree when they are spelled alike, or differ by
at most `abs_tol`, or by at most `rel_tol` of the expected one. `nan` and `inf` are no numbers: they agree with nothing.

`unordered_lines`: the same lines, as `tokens` reads them, in any order, each as often.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from sandbox.models import Checker, CheckerKind

# Python's float() also reads "1_0", "nan" and digits of other scripts.
# Every digit can be matched in one way only, or a long one that is no number is tried in all of them.
_NUMBER: Final = re.compile(rb"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_NOT_FINITE: Final = (b"nan", b"inf", b"infinity")
_SHOWN_BYTES: Final = 80


def difference(expected: bytes, actual: bytes, checker: Checker) -> str | None:
    """One sentence on the first difference, or None where the outputs are the same."""
    if checker.kind is CheckerKind.EXACT:
        return None if expected == actual else _exact_difference(expected, actual)
    if expected == actual and checker.kind is not CheckerKind.FLOATS:
        return None
    if checker.kind is CheckerKind.UNORDERED_LINES:
        return _unordered_difference(expected, actual)
    return _ordered_difference(expected, actual, checker)


def _lines(output: bytes) -> Iterator[bytes]:
    """The lines, one at a time: an output may hold millions, and the first may decide."""
    output = output.rstrip()
    start = 0
    while start < len(output):
        end = output.find(b"\n", start)
        end = end if end >= 0 else len(output)
        yield output[start:end]
        start = end + 1


def _ordered_difference(expected: bytes, actual: bytes, checker: Checker) -> str | None:
    pairs = itertools.zip_longest(_lines(expected), _lines(actual))
    for number, (one, other) in enumerate(pairs, start=1):
        if one is None or other is None:
            return f"expected {_count_lines(expected)} lines, got {_count_lines(actual)}"
        if not _same_line(one, other, checker):
            return f"line {number}: expected {_shown(one)}, got {_shown(other)}"
    return None


def _same_line(expected: bytes, actual: bytes, checker: Checker) -> bool:
    wanted = expected.split()
    tokens = actual.split(None, len(wanted))  # one more than wanted tells enough, however many there are
    if len(wanted) != len(tokens):
        return False
    if checker.kind is not CheckerKind.FLOATS:
        return wanted == tokens
    return all(map(lambda one, other: _same_token(one, other, checker), wanted, tokens))


def _count_lines(output: bytes) -> int:
    output = output.rstrip()
    return output.count(b"\n") + 1 if output else 0


def _same_token(expected: bytes, actual: bytes, checker: Checker) -> bool:
    if not (_NUMBER.fullmatch(expected) and _NUMBER.fullmatch(actual)):
        return expected == actual and actual.lower().lstrip(b"+-") not in _NOT_FINITE
    if expected == actual:
        return True
    one, other = float(expected), float(actual)
    if math.isinf(one) or math.isinf(other):  # 1e999
        return False
    return abs(one - other) <= max(checker.abs_tol, checker.rel_tol * abs(one))


def _unordered_difference(expected: bytes, actual: bytes) -> str | None:
    missing = Counter(tuple(line.split()) for line in _lines(expected))
    longest = max(map(len, missing), default=0)
    for line in _lines(actual):
        tokens = tuple(line.split(None, longest))
        if missing[tokens] == 0:  # as often as expected, or never: no later line mends that
            return f"unexpected line {_shown(line)}"
        missing[tokens] -= 1
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
