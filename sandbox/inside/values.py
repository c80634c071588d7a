"""Values of the standard library, and arrays of numpy, taken apart into plain data and put together again.

What a function returns is compared where the program cannot reach. A fraction, a decimal number, a date or an array is
no more than its parts, so its parts cross and the far side builds the same value from them: by the class of the
library, whatever class of the program's own it came from. `put_together` trusts nothing: parts that make no such value
raise ValueError.
"""

from __future__ import annotations

import collections
import contextlib
import importlib
import operator
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

Parts = tuple[object, ...]

_ARRAY_KINDS: Final = "biufcUMm"  # of numpy: bool, int, unsigned, float, complex, text, date, time; never an object
_ARRAY_BYTES: Final = 256 * 1024 * 1024


MOST_SHARED_BYTES: Final = 4 * 1024  # of what two sides have as one: it is looked at with each question

# Kinds that are changed in place, so that whoever has one sees it.
CHANGING: Final = (
    *(list, bytearray, dict, set),
    *(collections.Counter, collections.OrderedDict, collections.defaultdict, collections.deque),
)


def is_changing(value: object) -> bool:
    """Whether it is of a kind that is changed in place, an array of numpy included."""
    numpy: Any = sys.modules.get("numpy")
    return type(value) in CHANGING or (numpy is not None and type(value) is numpy.ndarray)


def refresh(old: Any, new: Any) -> None:
    """Make of `old`, in place, what `new` is. Nothing where they are of different kinds, or of one without change.

    Keys are told apart without asking them: they may be objects that answer to nobody.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        kind: Any = collections.OrderedDict if isinstance(old, collections.OrderedDict) else dict  # whose own methods
        if len(old) != len(new) or not all(map(_is_same_key, old, new)):  # else somebody may be going through it
            kind.clear(old)
        for key, value in new.items():
            kind.__setitem__(old, key, value)
    elif isinstance(old, list) and type(new) is list:
        list.__setitem__(old, slice(None), new)
    elif type(old) is not type(new):
        return
    elif type(old) is bytearray:
        old[:] = new
    elif type(old) is set:
        old.clear()
        old.update(new)
    elif type(old) is collections.deque:
        if len(old) != len(new):
            old.clear()
            old.extend(new)
        for index, value in enumerate(new):
            old[index] = value
    elif type(old) is tuple and len(old) == len(new):
        for one, other in zip(old, new, strict=True):
            refresh(one, other)
    elif is_changing(old) and old.shape == new.shape and old.dtype == new.dtype:
        old[...] = new


def flat_copy(value: object) -> object:
    """A copy of a list or dict that has none inside, for `is_still`; None of another."""
    if type(value) is list and set(map(type, value)).isdisjoint(_WITH_PARTS):
        return list(value)
    if type(value) is dict and set(map(type, value.values())).isdisjoint(_WITH_PARTS):
        return dict(value)
    return None


def is_still(value: Any, copy: Any) -> bool:
    """Whether a list or dict has the very items that it had when `copy` was made."""
    if copy is None or type(value) is not type(copy) or len(value) != len(copy):
        return False
    if type(value) is dict and not all(map(operator.is_, value.values(), copy.values())):
        return False
    return all(map(operator.is_, value, copy))


_PLAIN_KEYS: Final = (int, str, float, bytes, bool, type(None))


def _is_same_key(one: object, other: object) -> bool:
    return one is other or (type(one) is type(other) and type(one) in _PLAIN_KEYS and one == other)


Path = tuple[object, ...]  # the keys that lead from a value to one inside it

_MANY_PARTS: Final = 2000  # containers that are looked at; what comes behind them is taken for copies
_LEADING: Final = frozenset({list, tuple, dict})


def shared(given: Sequence[object], returned: object) -> list[tuple[bool, Path, Path]]:
    """Which lists, dicts and sets inside of `returned` are also elsewhere in it, or in `given`: where else, and where.

    The first of each says whether the other one is in `given`.
    """
    seen: dict[int, tuple[bool, Path]] = {}
    for path, part in _parts_of(list(given)):
        seen.setdefault(id(part), (True, path))
    found = []
    for path, part in _parts_of(returned):
        known = seen.setdefault(id(part), (False, path))
        if known != (False, path) and path:
            found.append((*known, path))
    return found


def share(given: Sequence[object], returned: object, found: object) -> object:
    """`returned` with the same lists, dicts and sets where `shared` found them; what leads nowhere is left alone."""
    whole: Any = list(returned) if type(returned) is tuple else returned
    for is_given, source, target in found if type(found) is list else ():
        with contextlib.suppress(TypeError, LookupError, ValueError):
            *way, last = target
            place = _at(whole, way)
            if isinstance(place, list | dict):
                place[last] = _at(given if is_given is True else whole, source)
    return tuple(whole) if type(returned) is tuple else whole


def inside(given: Sequence[object]) -> list[tuple[Path, object]]:
    """The lists, dicts and sets inside of those in `given`, each with the way to it."""
    return [(path, part) for path, part in _parts_of(list(given)) if len(path) > 1]


def moved(before: Sequence[tuple[Path, object]], given: Sequence[object]) -> list[tuple[Path, Path]]:
    """Where each of what was inside of `given` is now, as far as it is still there: from, and to."""
    known = {id(part): path for path, part in before}
    return [(known[id(part)], path) for path, part in _parts_of(list(given)) if len(path) > 1 and id(part) in known]


def take_over(given: Sequence[object], changed: Sequence[object], found: object) -> None:
    """Make of `given`, in place, what `changed` is: what is inside is the same where `moved` says so.

    What leads nowhere is left alone.
    """
    whole: Any = list(changed)
    ways = []
    for source, target in found if type(found) is list else ():
        with contextlib.suppress(TypeError, LookupError, ValueError):
            ways.append((target, _at(given, source)))
    for target, own in sorted(ways, key=lambda way: -len(way[0])):  # what is innermost first
        with contextlib.suppress(TypeError, LookupError, ValueError):
            *way, last = target
            place = _at(whole, way)
            if type(place[last]) is type(own) and isinstance(place, list | dict):
                refresh(own, place[last])
                place[last] = own
    for old, new in zip(given, whole, strict=True):
        refresh(old, new)


def _at(value: Any, path: Sequence[object]) -> Any:
    for key in path:
        value = dict.__getitem__(value, key) if isinstance(value, dict) else value[key]  # which makes nothing
    return value


def _parts_of(value: object) -> Iterator[tuple[Path, object]]:
    """The lists, dicts and sets that `value` is made of, itself first, each with the way to it."""
    waiting: collections.deque[tuple[Path, Any]] = collections.deque([((), value)])
    for _ in range(_MANY_PARTS):
        if not waiting:
            return
        path, part = waiting.popleft()
        if is_changing(part):
            yield path, part
        items = part.items() if type(part) is dict else enumerate(part) if type(part) in _LEADING else ()
        inside = part.values() if type(part) is dict else part
        if items and not set(map(type, inside)).isdisjoint(_WITH_PARTS):
            waiting.extend(((*path, key), item) for key, item in items if type(item) in _WITH_PARTS)


_WITH_PARTS: Final = frozenset({*CHANGING, tuple})


def taken_apart(value: object) -> Parts | None:
    """The kind of `value` and its parts, as plain data; None where it is no such value."""
    if type(value) is collections.Counter:
        return "counter", dict(value)
    if type(value) is collections.OrderedDict:
        return "ordered", list(value.items())
    if type(value) is collections.defaultdict:
        return "default", value.default_factory, dict(value)
    if type(value) is bytearray:
        return "bytearray", bytes(value)
    if isinstance(value, complex):
        return "complex", value.real, value.imag
    if isinstance(value, collections.deque):
        return "deque", list(value), value.maxlen
    if isinstance(value, (range, slice)):
        return type(value).__name__, value.start, value.stop, value.step
    return _number_apart(value) or _time_apart(value) or _name_apart(value) or _array_apart(value)


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


def _name_apart(value: Any) -> Parts | None:
    pathlib: Any = sys.modules.get("pathlib")
    if pathlib is not None and type(value) is pathlib.PosixPath:
        return "path", str(value)
    uuid: Any = sys.modules.get("uuid")
    return ("uuid", value.hex) if uuid is not None and type(value) is uuid.UUID else None


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
    "default": collections.defaultdict,
    "bytearray": bytearray,
    "complex": complex,
    "fraction": _fraction,
    "decimal": _of_library("decimal", "Decimal"),
    "datetime": _of_library("datetime", "datetime", "fromisoformat"),
    "date": _of_library("datetime", "date", "fromisoformat"),
    "time": _of_library("datetime", "time", "fromisoformat"),
    "timedelta": _of_library("datetime", "timedelta"),
    "path": _of_library("pathlib", "PosixPath"),
    "uuid": _of_library("uuid", "UUID"),
    "deque": collections.deque,
    "range": range,
    "slice": slice,
    "array": _array,
    "scalar": lambda dtype, content: _array(dtype, [1], content)[0],  # type: ignore[index]
}
