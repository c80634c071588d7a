"""The program's exceptions as a test has them: built-in ones, the library's, and classes in the place of its own.

They can be caught, looked at, made, raised and handed back as in one process; but none of them is one by which a test
tells how it ended, whatever a program calls it.
"""

from __future__ import annotations

import builtins
import contextlib
import sys
from typing import Any, Final

from sandbox.inside.references import Asking

# Modules by whose exceptions a test tells how it ended.
_JUDGING: Final = frozenset({"unittest", "doctest", "bdb", "pdb", "test"})


class Exceptions:
    """Those that have come to a test."""

    def __init__(self, test: Asking) -> None:
        self._test = test
        self._kinds: dict[int, type[Exception]] = {}
        self._handed_over: dict[int, BaseException] = {}

    def index_of(self, kind: type) -> int | None:
        """Under which index the program has a class; None of one that is not its own."""
        return next((index for index, known in self._kinds.items() if known is kind), None)

    def handed_over(self, index: int, *parts: Any) -> BaseException:
        """One that the program has not raised, but returned: the same whenever it comes."""
        if index not in self._handed_over:
            error = self._handed_over[index] = self.made(*parts)
            error.__dict__.update(_index=index, _of_the_program=True)
        return self._handed_over[index]

    def kind(self, index: int, name: object, bases: object, origin: object) -> type[Exception]:
        """The library's class, or one in the place of the program's own; a built-in one by another name."""
        if index in self._kinds:
            return self._kinds[index]
        if bases is None:
            known: object = vars(builtins).get(str(name))
            # Not those that would catch what the test itself finds.
            if isinstance(known, type) and issubclass(known, Exception) and known not in (Exception, AssertionError):
                return known
        elif type(bases) is not list or not all(isinstance(base, type) for base in bases):
            raise self._test.lost("not an exception")
        parents = [base for base in bases or () if issubclass(base, Exception)]
        made = _of_the_library(origin) or self._made(index, str(name), tuple(parents))
        return self._kinds.setdefault(index, made)

    def _made(self, index: int, name: str, parents: tuple[type, ...]) -> type[Exception]:
        """A class whose instances have what the program's have, and ask it for what did not come with them."""
        test = self._test

        class Made(*(parents or (Exception,))):  # type: ignore[misc]
            def __init__(self, *arguments: Any, **named: Any) -> None:
                """Made by the test: what it is then says the program's own."""
                answer = test.question("call", index, list(arguments), named, parts=7)
                if not isinstance(answer[0], Exception):
                    raise test.lost("an exception that is none")
                self.args = answer[0].args
                self.__dict__.update(answer[0].__dict__)

            def __getattr__(self, attribute: str) -> object:
                if attribute.startswith("__") or type(self.__dict__.get("_index")) is not int:
                    raise AttributeError(f"{type(self).__name__!r} object has no attribute {attribute!r}")
                value, alias = test.question("get", self._index, attribute, parts=2)
                return test.one_with(value, alias)

            def __str__(self) -> str:
                said = self.__dict__.get("_said")
                return said if type(said) is str else str(super().__str__())

        Made.__name__ = Made.__qualname__ = name
        return Made

    def made(self, kind: Any, arguments: Any, attributes: Any, text: Any, index: Any) -> BaseException:
        """An exception as the program has it."""
        if isinstance(kind, str):
            kind = getattr(builtins, kind, Exception)
        if not (isinstance(kind, type) and (issubclass(kind, Exception) or kind is SystemExit)):
            kind = Exception
        if issubclass(kind, (StopIteration, StopAsyncIteration)):
            kind = RuntimeError  # raised in the test, it would end a loop of the test's in silence
        if type(arguments) is not tuple and type(arguments) is not list:
            raise self._test.lost("arguments that are none")
        try:
            made: Any = kind(*arguments) if kind.__module__ == "builtins" else kind.__new__(kind, *arguments)
        except Exception:  # noqa: BLE001 - a class with a constructor of its own mind
            made = Exception(*arguments)
        for name, value in attributes.items() if type(attributes) is dict else ():
            if type(name) is str and (not name.startswith("_") or name == "__notes__"):
                with contextlib.suppress(AttributeError, TypeError):
                    setattr(made, name, value)
        if kind in self._kinds.values():
            made.__dict__.update(_said=text, _index=index)
        return made  # type: ignore[no-any-return]


def _of_the_library(origin: object) -> type[Exception] | None:
    """The class of a module that the test has, by the names of both; not one by which a test tells how it ended."""
    if type(origin) is not tuple or len(origin) != 2 or not all(type(part) is str for part in origin):
        return None
    module, path = origin
    if module.partition(".")[0] not in {*sys.stdlib_module_names, "numpy"} - _JUDGING:
        return None
    found: Any = sys.modules.get(module)
    for name in path.split("."):
        found = getattr(found, name, None)
    is_one = isinstance(found, type) and issubclass(found, Exception) and not issubclass(found, AssertionError)
    return found if is_one else None
