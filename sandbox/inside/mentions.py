"""What a test mentions, told from its code alone: what is decided by it, no program decides."""

from __future__ import annotations

import dis
import importlib
import itertools
import sys
import types
from collections.abc import Iterator
from typing import Final

# Modules that tests name without importing them, beside those of the standard library.
ALIASES: Final = {"np": "numpy", "numpy": "numpy"}
_LOADS: Final = ("LOAD_NAME", "LOAD_GLOBAL")
_TAKES: Final = ("LOAD_ATTR", "LOAD_METHOD")
# What plain data may be asked for.
PLAIN_ATTRIBUTES: Final = frozenset(
    name
    for kind in (str, bytes, bytearray, int, float, complex, list, tuple, dict, set, frozenset, range)
    for name in dir(kind)
) | {"__name__", "__doc__", "tolist", "shape", "dtype", "all", "any", "sum", "item", "flatten"}


def _instructions(code: types.CodeType) -> Iterator[dis.Instruction]:
    for part in _parts(code):
        yield from (one for one in dis.get_instructions(part) if one.opname != "EXTENDED_ARG")


def mentioned(code: types.CodeType) -> set[str]:
    """Names that the test looks up, its own globals among them."""
    return {str(one.argval) for one in _instructions(code) if one.opname in ("LOAD_NAME", "LOAD_GLOBAL")}


def uses_objects(code: types.CodeType) -> bool:
    """Whether the test uses something as no plain data is used, and no module: attributes of objects, their classes."""
    following = list(_instructions(code))
    modules = (sys.stdlib_module_names | ALIASES.keys()) - bound(code)
    modules |= {after.argval for one, after in itertools.pairwise(following) if one.opname == "IMPORT_NAME"}
    known = PLAIN_ATTRIBUTES
    if any(one.opname == "IMPORT_NAME" and one.argval == "unittest" for one in following):
        known = known.union(dir(importlib.import_module("unittest").TestCase))
    of_a_module = False
    for one in following:
        if one.opname in ("LOAD_ATTR", "LOAD_METHOD", "STORE_ATTR"):
            if not of_a_module and one.argval not in known:
                return True
        else:
            of_a_module = (one.opname in _LOADS and one.argval in modules) or one.argval in ("self", "cls")
    return False


def bound(code: types.CodeType) -> set[str]:
    """Names that the test itself gives a meaning to."""
    return {str(one.argval) for one in _instructions(code) if one.opname in ("STORE_NAME", "STORE_GLOBAL")}


def modules_used(code: types.CodeType) -> dict[str, set[str]]:
    """Names of which the test takes attributes, as one does of a module, and which it does not bind itself."""
    own = bound(code)
    used: dict[str, set[str]] = {}
    for one, after in itertools.pairwise(_instructions(code)):
        if one.opname in _LOADS and after.opname in _TAKES and one.argval not in own:
            used.setdefault(str(one.argval), set()).add(str(after.argval))
    return used


def _parts(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _parts(constant)


def imports(code: types.CodeType, module: str) -> bool:
    """Whether the test imports a module, or something of it."""
    named = (str(one.argval) for one in _instructions(code) if one.opname == "IMPORT_NAME")
    return any(name.split(".")[0] == module for name in named)


def imports_by_name(code: types.CodeType, module: str) -> bool:
    """Whether the test says what it takes of a module, or takes the module; all of it says nothing."""
    return imports(code, module) and not any(one.opname == "IMPORT_STAR" for one in _instructions(code))


def called_at_top(code: types.CodeType) -> tuple[str, ...]:
    """The names that the top level mentions, without those that a `def` there binds: a call loads it once more."""
    return tuple(
        str(instruction.argval) for instruction in dis.get_instructions(code) if instruction.opname == "LOAD_NAME"
    )
