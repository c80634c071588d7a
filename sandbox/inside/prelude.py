"""What a function test takes for granted: the names that judges of function problems import, and how results are read.

Problem sets of the LeetCode kind are written as if `typing`, `collections`, `math` and their neighbours were
imported. A program that defines such a name replaces it. Script programs get none of this.
"""

from __future__ import annotations

import importlib
import math
import sys
import typing
from collections.abc import Callable
from typing import Any

from sandbox.inside import plain

_MODULES = [
    "bisect",
    "collections",
    "functools",
    "heapq",
    "itertools",
    "math",
    "operator",
    "random",
    "re",
    "string",
    "sys",
    "typing",
]
_FROM = ["bisect", "collections", "functools", "heapq", "itertools", "typing"]


def names(fn_name: str | None) -> dict[str, object]:
    """The modules, everything public of some, a few names of `math`; never `fn_name`, which is to be written."""
    found: dict[str, object] = {}
    for module in map(importlib.import_module, _FROM):
        found |= {name: getattr(module, name) for name in _public(module)}
    found |= {name: getattr(math, name) for name in ("inf", "gcd", "lcm", "sqrt", "ceil", "floor", "comb", "pi")}
    found |= {name: importlib.import_module(name) for name in _MODULES}
    return {name: value for name, value in found.items() if name != fn_name}


def _public(module: Any) -> list[str]:
    listed = getattr(module, "__all__", None)
    return list(listed) if listed is not None else [name for name in dir(module) if not name.startswith("_")]


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
