"""The program's side of assertions: answers questions about its names until the asserting side hangs up.

Nothing here is trusted. It runs in the program's own process, and a program that patches it only changes what it says
about itself.
"""

from __future__ import annotations

import builtins
import contextlib
import copy
import marshal
import sys
import types
from collections.abc import Callable
from typing import Any, Final

from sandbox.inside import plain, prelude, values
from sandbox.inside.peer import Peer

_MAX_GLOBALS_BYTES: Final = 48 * 1024 * 1024  # together
_UNCHANGING: Final = (type(None), bool, int, float, complex, str, bytes)


def serve(fd: int, namespace: dict[str, Any]) -> None:
    """Answer questions about the names in `namespace`."""
    _Program(fd, namespace).serve()


class _Program(Peer):
    def __init__(self, fd: int, namespace: dict[str, Any]) -> None:
        super().__init__(fd)
        self._namespace = namespace
        self._told: dict[str, tuple[object, int, int]] = {}
        self._lent: dict[int, tuple[object, object]] = {}  # how each was seen, and a copy that is sooner compared
        self._theirs: dict[int, _Theirs] = {}  # one for each, as there is one in the test
        self._their_exceptions: dict[int, type[Exception]] = {}  # classes of the test's, by its index
        self._changed: tuple[BaseException, list[object]] | None = None  # what a call changed before it raised

    def reply_to(self, message: Any) -> None:
        _, number, operation, *operands = message
        try:
            answer = getattr(self, f"_on_{operation}")(*operands)
        except SystemExit as error:
            self._answer_raised(number, error)
            return
        except Exception as error:  # noqa: BLE001 - the program's own, for the test to see
            self._answer_raised(number, error)
            return
        try:
            self.send_answer(number, "returned", *answer)
        except (plain.NotPlainError, RecursionError, MemoryError) as error:
            if operation == "names":
                self.send_answer(number, "returned", self._as_they_can(*answer))
                return
            why = f"the result cannot be passed on: {error}"
            self.send_answer(number, "raised", "TypeError", (why,), {}, None, None, None, None)

    def _answer_raised(self, number: int, error: BaseException) -> None:
        kind = type(error)
        known: object = kind.__name__ if getattr(builtins, kind.__name__, None) is kind else kind
        changed = self._changed[1] if self._changed is not None and self._changed[0] is error else None
        self._changed = None
        parts = self._parts_of(error)
        try:
            self.send_answer(number, "raised", known, *parts, _cause(error), changed)
        except (plain.NotPlainError, RecursionError):
            self.send_answer(number, "raised", known, (str(error),), {}, *parts[2:], None, None)

    def _parts_of(self, error: BaseException) -> tuple[object, ...]:
        """Its arguments, its plain attributes, what it says for itself and its index, of a class of the program's."""
        attributes = {name: value for name, value in vars(error).items() if _is_plain(value)}
        if not _is_own(type(error)):
            return error.args, attributes, None, None
        index = self.keep(error) if len(self._exported) < _MANY_KEPT else None
        text = str(error) if type(error).__str__ not in _PLAIN_TEXTS else None
        return error.args, attributes, text if type(text) is str else None, index

    def _on_names(self, names: list[str]) -> tuple[dict[str, object]]:
        self._told |= {name: self._seen(self._namespace[name]) for name in names if name in self._namespace}
        return ({name: self._namespace[name] for name in names if name in self._namespace},)

    def _on_function(self, name: str) -> tuple[object]:
        """The function that the task names, which may be a method of `Solution`."""
        return (prelude.find(self._namespace, name),)

    def _on_changed(self, names: list[str]) -> tuple[dict[str, object]]:
        """Those of the globals that are not as they were when they were told, and whether they are the same objects."""
        found: dict[str, object] = {}
        for name in names:
            if name in self._namespace:
                value = self._namespace[name]
                told = self._told.get(name)
                if type(value) in _UNCHANGING and told is not None and told[0] is value:
                    continue
                seen = self._seen(value)
                if told is None or seen[0] is not told[0] or seen[1:] != told[1:]:
                    self._told[name] = seen
                    found[name] = (told is not None and told[0] is value, value)
        return (found,)

    def _seen(self, value: object) -> tuple[object, int, int]:
        """What tells a value from what it was or becomes: the object, and how it would cross where that may change."""
        if type(value) in _UNCHANGING:
            return value, 0, 0
        try:
            encoded = plain.dumps(value, extend=self.cross)
        except (plain.NotPlainError, RecursionError, MemoryError):
            return value, 0, 0
        return value, len(encoded), hash(encoded)

    def _as_they_can(self, found: dict[str, object]) -> dict[str, object]:
        """Globals as they are, or where they cannot cross by value as objects: one must not take the others along."""
        left = _MAX_GLOBALS_BYTES
        told = {}
        for name, value in found.items():
            told[name] = value
            try:
                left -= len(plain.dumps(value, max_bytes=max(left, 0), extend=self.cross))
            except (plain.NotPlainError, RecursionError, MemoryError):
                told[name] = _Opaque(value)
        return told

    def _on_call(self, target: int, arguments: list[Any], named: dict[str, Any]) -> tuple[object, ...]:
        """What is returned, and with it what the test needs to have the same: what was changed, and what is shared."""
        given = [*arguments, *named.values()]
        before, inside = _snapshot(given), values.inside(given)
        held = [sys.getrefcount(given[place]) for place in range(len(given))]
        try:
            returned = self.kept(target)(*arguments, **named)
        except BaseException as error:  # the program's own goes on, with what it had changed
            if before != _snapshot(given):
                self._changed = error, given
            raise
        itself = next((place for place, one in enumerate(given) if one is returned and values.is_changing(one)), None)
        more = [sys.getrefcount(given[place]) - held[place] - (place == itself) for place in range(len(given))]
        retained = {place: self._lend(given[place]) for place in range(len(given)) if more[place] > 0}
        changed = given if before != _snapshot(given) else None
        moved = values.moved(inside, given) if changed is not None else []
        if itself is not None:
            return None, itself, changed, retained, [], None, moved
        alias = self._alias(returned)
        return returned, itself, changed, retained, values.shared(given, returned), alias, moved

    def _lend(self, value: object) -> int | None:
        """The index of a list, dict or set that both sides have from now on; None where it is too large for that."""
        if not values.is_changing(value) or len(self._lent) > _MANY_LENT:
            return None
        seen = self._seen(value)
        if not 0 < seen[1] <= values.MOST_SHARED_BYTES:
            return None
        index = self.keep(value)
        self._lent[index] = seen, values.flat_copy(value)
        return index

    def _alias(self, value: object) -> int | None:
        """The index of one that is not only in the caller's hands, who has it in a variable and nowhere else."""
        return self._lend(value) if sys.getrefcount(value) > _UNSHARED else None

    def _on_run(self, target: int) -> tuple[object]:
        """Run a coroutine to its end."""
        import asyncio  # slow to import, and few programs need it

        return (asyncio.run(self.kept(target)),)

    def _on_get(self, target: int, name: str) -> tuple[object, ...]:
        value = getattr(self.kept(target), name)
        alias = self._alias(value)
        return (value, alias)

    def _on_lent(self, lent: list[int]) -> tuple[dict[int, object]]:
        """Those lists, dicts and sets that are not as they were."""
        changed = {}
        for place, index in enumerate(lent):
            value = self.kept(index)
            before, flat = self._lent[index]
            if not values.is_still(value, flat) and (seen := self._seen(value)) != before:
                self._lent[index] = seen, values.flat_copy(value)
                changed[place] = value
        return (changed,)

    def _on_set(self, target: int, name: str, value: object) -> tuple[object]:
        setattr(self.kept(target), name, value)
        return (None,)

    def _on_unset(self, target: int, name: str) -> tuple[object]:
        delattr(self.kept(target), name)
        return (None,)

    def _on_made_of(self, index: int | None, name: str, value: object) -> tuple[object]:
        """Make of a list, dict or set that both sides have, or of a global, what the test has made of its own."""
        mine = self._namespace.get(name) if index is None else self.kept(index)
        values.refresh(mine, value)
        if index is not None:
            self._lent[index] = self._seen(mine), values.flat_copy(mine)
        elif name in self._told:
            self._told[name] = self._seen(mine)
        return (None,)

    def _on_iter(self, target: int) -> tuple[object]:
        return (self.keep(iter(self.kept(target))),)

    def _on_next(self, target: int) -> tuple[object, ...]:
        try:
            value = next(self.kept(target))
        except StopIteration:
            return (False, None, None)
        alias = self._alias(value)
        return (True, value, alias)

    def _on_len(self, target: int) -> tuple[object]:
        return (len(self.kept(target)),)

    def _on_item(self, target: int, key: object) -> tuple[object, ...]:
        value = self.kept(target)[key]
        alias = self._alias(value)
        return (value, alias)

    def _on_copied(self, target: int, how: str) -> tuple[object]:
        return ((copy.deepcopy if how == "deepcopy" else copy.copy)(self.kept(target)),)

    def _on_hash(self, target: int) -> tuple[object]:
        return (hash(self.kept(target)),)

    def _on_contains(self, target: int, item: object) -> tuple[object]:
        return (item in self.kept(target),)

    def _on_put(self, target: int, key: object, value: object) -> tuple[object]:
        self.kept(target)[key] = value
        return (None,)

    def _on_drop(self, target: int, key: object) -> tuple[object]:
        del self.kept(target)[key]
        return (None,)

    def _on_enter(self, target: int) -> tuple[object, ...]:
        context = self.kept(target)
        value = type(context).__enter__(context)
        alias = self._alias(value)
        return (value, alias)

    def _on_exit(self, target: int, kind: Any, arguments: Any) -> tuple[object]:
        """Leave it, by an exception where a `kind` is given."""
        context = self.kept(target)
        error = _raised(kind, arguments) if kind is not None else None
        return (bool(type(context).__exit__(context, None if error is None else type(error), error, None)),)

    def _on_text(self, target: int, how: str) -> tuple[object]:
        return ((repr if how == "repr" else str)(self.kept(target)),)

    def _on_isinstance(self, target: int, kind: int) -> tuple[object]:
        return (isinstance(self.kept(target), self.kept(kind)),)

    def _on_issubclass(self, target: int, kind: int) -> tuple[object]:
        return (issubclass(self.kept(target), self.kept(kind)),)

    def _on_value(self, target: int) -> tuple[object]:
        """An object of a class that derives from a built-in one, as that."""
        value = self.kept(target)
        base = next(base for base in type(value).__mro__ if base in _BUILT_IN)
        return (_BUILT_IN[base](value),)

    def gives(self, kind: type) -> bool:
        """No exceptions: the far side makes its own of them."""
        return not issubclass(kind, BaseException)

    def name(self, value: object) -> tuple[object, ...] | None:
        if isinstance(value, _Theirs):
            return "yours", value.index
        if isinstance(value, _Opaque):
            return "object", self.keep(value.value), "object", _truth(value.value)
        if isinstance(value, type) and issubclass(value, Exception):
            if value in self._their_exceptions.values():
                return "yours", next(index for index, kind in self._their_exceptions.items() if kind is value)
            is_builtin = getattr(builtins, value.__name__, None) is value
            bases = [base for base in value.__bases__ if issubclass(base, Exception) and base is not Exception]
            return "exception", self.keep(value), value.__name__, None if is_builtin else bases, _origin(value)
        if isinstance(value, Exception):
            return "error", self.keep(value), type(value), *self._parts_of(value)
        if isinstance(value, types.CoroutineType):
            return "coroutine", self.keep(value)
        if isinstance(value, tuple(_BUILT_IN)) and not isinstance(value, type):
            return (
                ("valued", self.keep(value), type(value).__name__, self._unchanging(value))
                if _has_members(value)
                else None
            )
        if isinstance(value, types.GeneratorType):
            return "generator", self.keep(value), value.__name__, True
        kind = "class" if isinstance(value, type) else "function" if _is_function(value) else "object"
        named = value if kind != "object" else type(value)
        return kind, self.keep(value), str(getattr(named, "__name__", kind)), _truth(value)

    @staticmethod
    def _unchanging(value: object) -> object:
        """What it is as the built-in type that its class derives from, once and for all, where that cannot change."""
        base = next(base for base in type(value).__mro__ if base in _BUILT_IN)
        return None if base in (list, dict, set) else (_BUILT_IN[base](value),)

    def named(self, kind: str, index: Any, *rest: Any) -> object:
        if kind == "exception":
            return self._their_exceptions.setdefault(index, _made(*rest))
        if kind == "yours":
            return self.kept(index)
        if index not in self._theirs:
            self._theirs[index] = _Theirs(self, index, *rest)
        return self._theirs[index]


# How each built-in type reads a value of a class that derives from it, whatever that class overrides.
_BUILT_IN: Final[dict[type, Callable[[Any], object]]] = {
    int: int.__index__,
    float: float.__float__,
    str: str.__str__,
    bytes: lambda value: b"".join((value,)),
    list: lambda value: list(list.__iter__(value)),
    tuple: lambda value: tuple(tuple.__iter__(value)),
    dict: lambda value: dict(dict.items(value)),
    set: lambda value: set(set.__iter__(value)),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
}


def _origin(kind: type) -> tuple[str, str] | None:
    """The module and name of a class of the library's; None of one of the program's own."""
    known = kind.__module__.partition(".")[0] in {*sys.stdlib_module_names, "numpy"}
    return (kind.__module__, kind.__qualname__) if known else None


def _is_own(kind: type) -> bool:
    return kind.__module__ != "builtins" and _origin(kind) is None


def _cause(error: BaseException) -> Exception | None:
    return error.__cause__ if isinstance(error.__cause__, Exception) else None


def _made(name: str, bases: list[type]) -> type[Exception]:
    """A class in the place of an exception of the test's own."""
    made: type[Exception] = type(name, tuple(bases) or (Exception,), {})
    return made


_PLAIN_TEXTS: Final = (BaseException.__str__, KeyError.__str__, OSError.__str__)
_MANY_KEPT: Final = 100_000
_UNSHARED: Final = 3  # references to what a function has in a variable, while it calls another with it
_MANY_LENT: Final = 1000  # kept for as long as the program; what comes after them is a copy


def _has_members(value: object) -> bool:
    """Whether a class of the program's own gave it more than its built-in type has."""
    own = [base for base in type(value).__mro__ if base.__module__ not in ("builtins", "collections", "numpy")]
    has_names = any(not name.startswith("__") for base in own for name in vars(base) if name != "_abc_impl")
    return has_names or bool(getattr(value, "__dict__", None))


def _truth(value: object) -> bool | None:
    """True for an object that is true because nothing says otherwise; None where its own methods decide."""
    kind = type(value)
    return None if hasattr(kind, "__bool__") or hasattr(kind, "__len__") else True


def _is_plain(value: object) -> bool:
    with contextlib.suppress(plain.NotPlainError, RecursionError):
        plain.dumps(value)
        return True
    return False


def _snapshot(arguments: list[Any]) -> bytes | None:
    with contextlib.suppress(ValueError):  # it is plain data: soon told
        return marshal.dumps(arguments, 2)
    try:
        return plain.dumps(arguments, extend=_parts_alone)
    except (plain.NotPlainError, RecursionError):
        return None


def _parts_alone(value: object) -> bytes | None:
    """The parts of a value, to see whether they change; of what has none, which it is."""
    parts = values.taken_apart(value)
    if parts is not None:
        return plain.dumps(parts, extend=_parts_alone)
    return None if isinstance(value, tuple(_BUILT_IN)) else plain.dumps(id(value))


def _is_function(value: object) -> bool:
    return isinstance(value, (types.FunctionType, types.BuiltinFunctionType, types.MethodType)) or (
        callable(value) and hasattr(value, "__wrapped__")
    )


def _raised(kind: Any, arguments: Any) -> BaseException:
    """What has been raised in the test: one of the program's own as it was, else one of that kind."""
    if isinstance(kind, Exception):
        return kind
    error: BaseException = (kind if isinstance(kind, type) else getattr(builtins, kind))(*arguments)
    return error


class _Opaque:
    """A value that does not cross itself."""

    def __init__(self, value: object) -> None:
        self.value = value


class _Theirs:
    """Something of the test's, as the program sees it: to be called, or iterated, or handed back."""

    def __init__(self, program: _Program, index: int, name: str, doc: str | None) -> None:
        self._program = program
        self.index = index
        self.__name__ = self.__qualname__ = name
        self.__doc__ = doc

    def __call__(self, *arguments: object, **named: object) -> object:
        return self._asked("call", list(arguments), named)

    def __iter__(self) -> _Theirs:
        return self

    def __next__(self) -> object:
        return self._asked("next")

    def _asked(self, *question: object) -> object:
        outcome, *rest = self._program.ask(question[0], self.index, *question[1:])
        if outcome == "returned":
            return rest[0]
        raise _raised(*rest)
