"""What a function test takes for granted: the names that judges of function problems import, and how results are read.

Problem sets of the LeetCode kind are written as if `typing`, `collections`, `math` and their neighbours were
imported; LiveCodeBench's judge says which, and how deep a recursion may be. They are found where built-ins are: what a
program defines comes first, and nothing of them is its own. Script programs get none of this.
"""

from __future__ import annotations

import builtins
import importlib
import sys
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any, Final

from sandbox.inside import plain

RECURSION_LIMIT: Final = 50_000

# Everything public of these, the later before the earlier; all of them are there by their own names, too.
_FROM: Final = (
    *("string", "re", "datetime", "collections", "heapq", "bisect", "copy", "math", "random", "statistics"),
    *("itertools", "functools", "operator", "io", "json", "typing"),
)
_MODULES: Final = (*_FROM, "sys")


def names(code: types.CodeType) -> dict[str, Any]:
    """The built-ins, and what the code mentions beside them of what judges import."""
    wanted = set(_mentioned(code)) - vars(builtins).keys()
    found = dict(vars(builtins))
    for module in (importlib.import_module(name) for name in _FROM if wanted & _PUBLIC[name]):
        found |= {name: getattr(module, name) for name in wanted & _PUBLIC[module.__name__] if hasattr(module, name)}
    found |= {name: importlib.import_module(name) for name in _MODULES if name in wanted}
    return found


def tools(wanted: set[str]) -> dict[str, object]:
    """Those of the names that a test may use without an import: types and numbers, and nothing to be written."""
    found = {
        name: getattr(importlib.import_module(module), name, None)
        for module in _FROM
        for name in wanted & _PUBLIC[module]
    }
    typing_names = _PUBLIC["typing"]
    return {
        name: one for name, one in found.items() if isinstance(one, type | int | float | str) or name in typing_names
    }


def _mentioned(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _mentioned(constant)


def _public(name: str) -> frozenset[str]:
    module = importlib.import_module(name)
    listed = getattr(module, "__all__", None)
    return frozenset(listed if listed is not None else (one for one in dir(module) if not one.startswith("_")))


# Read ahead where that is cheap; of the others this is all that is ever wanted.
_SLOW: Final = {
    "datetime": frozenset({"date", "time", "datetime", "timedelta", "timezone", "tzinfo", "MINYEAR", "MAXYEAR", "UTC"}),
    "statistics": frozenset(
        {
            *("fmean", "geometric_mean", "harmonic_mean", "mean", "median", "median_grouped", "median_high"),
            *("median_low", "mode", "multimode", "pstdev", "pvariance", "quantiles", "stdev", "variance"),
            *("covariance", "correlation", "linear_regression", "NormalDist", "StatisticsError"),
        }
    ),
}
_PUBLIC: Final[dict[str, frozenset[str]]] = {}


def prepare() -> None:
    """Read ahead, once, for every run to come, what the modules offer."""
    _PUBLIC.update({name: _SLOW.get(name) or _public(name) for name in _FROM})


def find(namespace: dict[str, Any], fn_name: str) -> Callable[..., object]:
    """The method `fn_name` of a fresh `Solution`, or the function of that name. Raises NameError when there is none.

    In this order: a program that imports a whole module may have a function of that name without having written it.
    """
    solution = namespace.get("Solution")
    if isinstance(solution, type) and hasattr(solution, fn_name):
        return typing.cast("Callable[..., object]", getattr(solution(), fn_name))
    defined = namespace.get(fn_name)
    if callable(defined):
        return typing.cast("Callable[..., object]", defined)
    raise NameError(f"neither a function nor a method of Solution is named {fn_name!r}")


def as_plain(value: object) -> bytes | None:
    """Scalars of numpy as numbers, its arrays as lists; nothing else that is not plain becomes so."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic):
        return plain.dumps(value.item())
    if numpy is not None and isinstance(value, numpy.ndarray):
        return plain.dumps(value.tolist())
    return None
