"""Values of the standard library, and arrays of numpy, taken apart into plain data and put together again.

What a function returns is compared where the program cannot reach. A fraction, a decimal number, a date or an array is
no more than its parts, so its parts cross and the far side builds the same value from them: by the class of the
library, whatever class of the program's own it came from. `put_together` trusts nothing: parts that make no such value
raise ValueError.
"""

from __future__ import annotations

import collections
import importlib
import sys
from collections.abc import Callable
from typing import Any, Final

Parts = tuple[object, ...]

_ARRAY_KINDS: Final = "biufcUM"  # of numpy: bool, int, unsigned, float, complex, text, date; never an object
_ARRAY_BYTES: Final = 256 * 1024 * 1024


def taken_apart(value: object) -> Parts | None:
    """The kind of `value` and its parts, as plain data; None where it is no such value."""
    if type(value) is collections.Counter:
        return "counter", dict(value)
    if type(value) is collections.OrderedDict:
        return "ordered", list(value.items())
    if type(value) is bytearray:
        return "bytearray", bytes(value)
    if isinstance(value, complex):
        return "complex", value.real, value.imag
    if isinstance(value, collections.deque):
        return "deque", list(value), value.maxlen
    if isinstance(value, range):
        return "range", value.start, value.stop, value.step
    return _number_apart(value) or _time_apart(value) or _array_apart(value)


def put_together(parts: Any) -> object:
    """The value that `parts` are of. Raises ValueError where there is none."""
    try:
        kind, *rest = parts
        return _MAKERS[kind](*rest)
    except (TypeError, ArithmeticError, KeyError, AttributeError, ImportError) as error:
        raise ValueError(f"no such value: {error}") from error


def _number_apart(value: object) -> Parts | None:
    # Who never imported one of these modules cannot have a value of it.
    fractions: Any = sys.modules.get("fractions")
    if fractions is not None and isinstance(value, fractions.Fraction):
        number: Any = value
        return "fraction", number.numerator, number.denominator
    decimal: Any = sys.modules.get("decimal")
    if decimal is not None and isinstance(value, decimal.Decimal):
        return "decimal", str(value)
    return None


def _time_apart(value: Any) -> Parts | None:
    datetime: Any = sys.modules.get("datetime")
    if datetime is None:
        return None
    for kind, name in ((datetime.datetime, "datetime"), (datetime.date, "date"), (datetime.time, "time")):
        if isinstance(value, kind):
            return name, value.isoformat()
    if isinstance(value, datetime.timedelta):
        return "timedelta", value.days, value.seconds, value.microseconds
    return None


def _array_apart(value: object) -> Parts | None:
    numpy: Any = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, (numpy.ndarray, numpy.generic)) or value.dtype.kind not in _ARRAY_KINDS:
        return None
    if isinstance(value, numpy.generic):
        return "scalar", value.dtype.str, value.tobytes()
    array: Any = numpy.ascontiguousarray(value)
    return "array", array.dtype.str, list(value.shape), array.tobytes()


def _array(dtype: str, shape: list[int], content: bytes) -> object:
    import numpy

    kind = numpy.dtype(dtype)
    if kind.kind not in _ARRAY_KINDS or len(content) > _ARRAY_BYTES:
        raise ValueError("not an array of numbers or texts")
    return numpy.frombuffer(content, kind).reshape(shape).copy()


def _fraction(numerator: int, denominator: int) -> object:
    if type(numerator) is not int or type(denominator) is not int:
        raise ValueError("a fraction of what are no ints")
    return importlib.import_module("fractions").Fraction(numerator, denominator)


def _of_library(module: str, *names: str) -> Callable[..., object]:
    """What makes a value by the class of a module, which is imported when the first is made."""

    def make(*parts: object) -> object:
        maker: Any = importlib.import_module(module)
        for name in names:
            maker = getattr(maker, name)
        return maker(*parts)

    return make


_MAKERS: Final[dict[str, Any]] = {
    "counter": collections.Counter,
    "ordered": collections.OrderedDict,
    "bytearray": bytearray,
    "complex": complex,
    "fraction": _fraction,
    "decimal": _of_library("decimal", "Decimal"),
    "datetime": _of_library("datetime", "datetime", "fromisoformat"),
    "date": _of_library("datetime", "date", "fromisoformat"),
    "time": _of_library("datetime", "time", "fromisoformat"),
    "timedelta": _of_library("datetime", "timedelta"),
    "deque": collections.deque,
    "range": range,
    "array": _array,
    "scalar": lambda dtype, content: _array(dtype, [1], content)[0],  # type: ignore[index]
}
