"""What a test has of a program's: references to functions, classes and objects that stay where they are.

What a reference does is asked of the program; what it is, whether it is equal, true or smaller, is not, for nothing
could be believed of that. `asserting` says what comes of it.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NoReturn, Protocol

from sandbox.inside import values
from sandbox.inside.mentions import PLAIN_ATTRIBUTES

# Answers of built-in types that a test takes for granted; an object that it did not make may not give them.
_PREDICATES: Final = frozenset(
    name
    for kind in (str, bytes, float, set)
    for name in dir(kind)
    if name.startswith("is") or name in ("startswith", "endswith")
)

# What tests ask of classes and functions, and no reference has itself.
_TOLD: Final = frozenset({"__bases__", "__mro__", "__members__", "__wrapped__", "__defaults__", "__code__"})
_UNCHANGING: Final = (int, float, str, bytes, tuple, frozenset)

# What built-in types that change answer without changing.
_READING: Final[dict[type, frozenset[str]]] = {
    list: frozenset({"copy", "count", "index"}),
    dict: frozenset({"copy", "get", "items", "keys", "values"}),
    set: frozenset(name for name in dir(frozenset) if not name.startswith("_")),
}


class Asking(Protocol):
    """The test, as its references see it."""

    offered: dict[str, Any]
    asked: int
    answering: int
    uses_objects: bool

    def question(self, *question: object, parts: int = 1, given: Sequence[object] = ()) -> Any:
        """Ask the program; raise what it raised."""

    def needs(self, why: str) -> BaseException:
        """The error to raise where only an object of the program's could answer."""

    def lost(self, why: str) -> BaseException:
        """The error to raise where the program does not speak as it should."""

    def lend(self, index: int | None, name: str, value: object) -> None:
        """The test has a list, dict or set that the program has by an index: one for both."""

    def raised_here(self, error: Exception) -> tuple[object, ...]:
        """What the program is told of an exception in the test."""

    def one_with(self, value: object, index: object) -> object:
        """What the program has given and has itself by an index: the test's own of it, where it has one."""

    def take_changes(self, given: Sequence[object], changed: object, moved: object = None) -> None:
        """Make of the arguments of a call what the program has made of them."""


class Reference:
    """Something of the program's that stays where it is."""

    _test: Asking
    _index: int
    _made_by_test: Reference | None
    _known_to_test: bool  # by a name, or as an object that it made
    _came_back: bool  # given by the program, where another one may have given plain data
    _is_plains: bool  # a method called like one of plain data's, of an object that the test does not know
    _truth: bool | None
    _born: int  # with which question
    _hash: int | None
    _kind: str  # which of `KINDS`

    def __init__(self, test: Asking, index: int, name: str = "", truth: bool | None = None) -> None:
        for attribute, value in (
            ("_test", test),
            ("_index", index),
            ("__name__", str(name)),
            ("_made_by_test", None),
            ("_known_to_test", False),
            ("_came_back", False),
            ("_is_plains", False),
            ("_truth", truth),
            ("_born", test.asked),
            ("_hash", None),
            ("_kind", ""),
        ):
            object.__setattr__(self, attribute, value)

    def _ask(self, what: str, *operands: object) -> Any:
        return self._test.question(what, self._index, *operands)[0]

    def _ask_one(self, what: str, *operands: object) -> Any:
        """Ask for what the program may have itself."""
        value, index = self._test.question(what, self._index, *operands, parts=2)
        return self._test.one_with(value, index)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        given = [*arguments, *named.values()]
        answer = self._test.question("call", self._index, list(arguments), named, parts=7, given=given)
        returned, itself, changed, retained, shared, alias, moved = answer
        self._test.take_changes(given, changed, moved)
        for place, one in enumerate(given):
            if type(retained) is dict and type(retained.get(place)) is int:
                self._test.lend(retained[place], "", one)
        if type(itself) is int and 0 <= itself < len(given):
            return given[itself]
        if isinstance(returned, Reference):
            object.__setattr__(returned, "_came_back", True)
        return self._test.one_with(values.share(given, returned, shared), alias)

    def __getattr__(self, name: str) -> object:
        if (name.startswith("__") and name not in _TOLD) or name == "_test":  # which has none until it is made
            raise AttributeError(name)
        if name in _PREDICATES and self._made_by_test is None and isinstance(self, _Object):
            raise AttributeError(f"the program's own object has no {name!r} here")
        value = self._ask_one("get", name)
        if isinstance(value, Reference) and not self._known_to_test and name in PLAIN_ATTRIBUTES:
            object.__setattr__(value, "_is_plains", True)
        return value

    @property
    def __annotations__(self) -> Any:  # type: ignore[override]
        return self._ask_one("get", "__annotations__")

    def __delattr__(self, name: str) -> None:
        self._ask("unset", name)

    def __setattr__(self, name: str, value: object) -> None:
        self._ask("set", name, value)

    def __hash__(self) -> int:
        """Of an object that the test made what its class says, from the first time on; else which object it is."""
        if self._hash is None:
            is_the_tests = self._made_by_test is not None and not self._came_back and not self._test.answering
            value = self._ask("hash") if is_the_tests else self._index
            if type(value) is not int:
                raise self._test.lost("a hash that is no number")
            object.__setattr__(self, "_hash", value)
        return hash(self._hash)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Reference) and other._index == self._index:
            return True
        self._undecidable("equal", other)
        return False

    def __ne__(self, other: object) -> bool:
        return not self == other

    def _undecidable(self, what: str, other: object = None) -> None:
        """What a test asks of objects it made itself it asks of every program; of a returned one, only of this.

        That it makes objects is told by the test alone: it asks about two, or uses one as no plain data is used. Else
        a class where a function was to be written would be a way not to be judged.
        """
        objects = [side for side in (self, other) if isinstance(side, Reference)]
        if self._test.answering or all(one._came_back for one in objects):
            return  # the program asks, or has given them where plain data was wanted
        if any(one._made_by_test for one in objects) and (len(objects) == 2 or self._test.uses_objects):
            raise self._test.needs(f"the test asks whether an object is {what}")


class Function(Reference):
    """A function, or whatever is called like one."""

    def __get__(self, instance: object, owner: type | None = None) -> object:
        """A method, where a class of the test's has it."""
        return self if instance is None else types.MethodType(self, instance)


class _Object(Reference):
    """An object: what it does is asked of it, what it is is not."""

    def __copy__(self) -> object:
        return self._copied("copy")

    def __deepcopy__(self, memo: object) -> object:
        return self._copied("deepcopy")

    def _copied(self, how: str) -> object:
        """What the program has of it twice; made by the test as far as this was."""
        copied = self._ask("copied", how)
        if isinstance(copied, Reference) and not copied._came_back:
            for attribute in ("_made_by_test", "_known_to_test"):
                object.__setattr__(copied, attribute, getattr(self, attribute))
        return copied

    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        return self._ask_one("get", "__dict__")

    def __iter__(self) -> Iterator[object]:
        iterator = self._ask("iter")
        return self if iterator == self._index else self._items_of(iterator)

    def _items_of(self, iterator: object) -> Iterator[object]:
        while True:
            more, item, index = self._test.question("next", iterator, parts=3)
            if more is not True:
                return
            yield self._test.one_with(item, index)

    def __next__(self) -> object:
        more, item, index = self._test.question("next", self._index, parts=3)
        if more is not True:
            raise StopIteration
        return self._test.one_with(item, index)

    def __len__(self) -> int:
        length = self._ask("len")
        if type(length) is not int:
            raise self._test.lost("a length that is no number")
        return length

    def __getitem__(self, key: object) -> object:
        return self._ask_one("item", key)

    def __setitem__(self, key: object, value: object) -> None:
        self._ask("put", key, value)

    def __delitem__(self, key: object) -> None:
        self._ask("drop", key)

    def __contains__(self, item: object) -> bool:
        """Asked of what the test made itself and uses as an object, like any method of it; else its items tell."""
        if self._made_by_test is not None and not self._came_back and self._test.uses_objects:
            return self._ask("contains", item) is True
        return any(item is other or item == other for other in self)

    def __enter__(self) -> object:
        return self._ask_one("enter")

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        """Leave it. It hears of what the test raises, and may swallow what was certain to be raised there."""
        if not isinstance(error, Exception) or isinstance(error, AssertionError):
            self._ask("exit", None, None)
            return False
        was_certain = error.__dict__.pop("_certain", False) is True
        return self._ask("exit", *self._test.raised_here(error)[1:]) is True and was_certain

    def __repr__(self) -> str:
        return self._text("repr")

    def __str__(self) -> str:
        return self._text("str")

    def _text(self, how: str) -> str:
        text = self._ask("text", how)
        if type(text) is not str:
            raise self._test.lost("a text that is none")
        return text

    def __bool__(self) -> bool:
        if self._truth is True:
            return True
        self._undecidable("true")
        raise TypeError("an object is neither true nor false here")


class Class(_Object):
    """A class: its instances are made by calling it."""

    def __call__(self, *arguments: Any, **named: Any) -> object:
        before = self._test.asked
        made = super().__call__(*arguments, **named)
        if isinstance(made, _Object) and self._is_expected:
            object.__setattr__(made, "_made_by_test", self)
            object.__setattr__(made, "_known_to_test", True)
            if made._born > before:  # and not one that was there already
                object.__setattr__(made, "_came_back", False)
        return made

    @property
    def _is_expected(self) -> bool:
        """Whether the test itself takes this for a class, by how it spells the name: no program decides that.

        One that a program has put under another name, or hands over, was to be something else there.
        """
        names = [name for name, offered in self._test.offered.items() if offered is self]
        return bool(names) and all(name.lstrip("_")[:1].isupper() for name in names) and not self._came_back

    def __instancecheck__(self, instance: object) -> bool:
        self._test.uses_objects = True
        return isinstance(instance, Reference) and self._ask_of("isinstance", instance)

    def __subclasscheck__(self, kind: object) -> bool:
        return isinstance(kind, Reference) and self._ask_of("issubclass", kind)

    def _ask_of(self, what: str, other: Reference) -> bool:
        return other._ask(what, self._index) is True

    def __mro_entries__(self, bases: tuple[object, ...]) -> NoReturn:
        raise self._test.needs("the test derives a class from the program's")


class _Valued(_Object):
    """An object of a class that derives from a built-in one: compared and computed with as that.

    One that the test did not make is read as that, too, whatever its class overrides: plain data may have been wanted.
    """

    def __init__(self, test: Asking, index: int, name: str = "", held: object = None) -> None:
        super().__init__(test, index, name)
        object.__setattr__(self, "_held", held if type(held) is tuple and len(held) == 1 else None)

    def _value(self) -> Any:
        held = object.__getattribute__(self, "_held")
        value = self._ask("value") if held is None else held[0]
        if isinstance(value, Reference):
            raise self._test.lost("a value that is none")
        if type(value) in _UNCHANGING:
            object.__setattr__(self, "_held", (value,))  # whatever the program would say next time
        return value

    def __getattr__(self, name: str) -> object:
        if self._made_by_test is None and not name.startswith("_"):
            value = self._value()
            if name in _READING.get(type(value), dir(type(value))):
                return getattr(value, name)
        return super().__getattr__(name)

    def __iter__(self) -> Iterator[object]:
        return iter(self._value()) if self._made_by_test is None else super().__iter__()

    def __len__(self) -> int:
        return len(self._value()) if self._made_by_test is None else super().__len__()

    def __getitem__(self, key: object) -> object:
        return self._value()[key] if self._made_by_test is None else super().__getitem__(key)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self._value())

    def __bool__(self) -> bool:
        return bool(self._value())

    def __hash__(self) -> int:
        return hash(self._value())

    def __contains__(self, item: object) -> bool:
        return item in self._value()


class _Generator(_Object):
    """A generator, which is asked as an object is."""

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return types.GeneratorType


KINDS: Final[dict[str, type[Reference]]] = {
    "generator": _Generator,
    "function": Function,
    "class": Class,
    "object": _Object,
    "valued": _Valued,
}


def named_alike(kind: type[Reference], name: str) -> type[Reference]:
    """A class of references to objects of a class of that name."""
    return type(name, (kind,), {"__doc__": _written_about})


# Each class has a text of its own, which is nothing to a test.
_written_about: Final = property(lambda reference: reference._ask_one("get", "__doc__"))
for _kind in (Reference, *KINDS.values()):
    _kind.__doc__ = _written_about  # type: ignore[assignment]

_COMPARISONS: Final = "lt le gt ge"
_OPERATORS: Final = (
    "add radd iadd sub rsub isub mul rmul imul matmul rmatmul imatmul truediv rtruediv itruediv floordiv rfloordiv "
    "ifloordiv mod rmod imod divmod rdivmod pow rpow ipow lshift rlshift ilshift rshift rrshift irshift and rand iand "
    "xor rxor ixor or ror ior neg pos abs invert int float complex index round trunc floor ceil reversed"
)


def _refused(name: str) -> Callable[..., NoReturn]:
    def operator(self: _Object, *others: object) -> NoReturn:
        self._undecidable(name, *others[:1])
        raise TypeError(f"an object of the program has no {name} here")

    return operator


def _plain_of(other: Any) -> Any:
    return other._value() if issubclass(type(other), _Valued) else other


def _of_the_value(name: str) -> Callable[..., object]:
    def operator(self: _Valued, *others: object) -> object:
        plain_others = map(_plain_of, others)
        operation = getattr(self._value(), f"__{name}__", None)
        return NotImplemented if operation is None else operation(*plain_others)

    return operator


for _name in f"{_COMPARISONS} {_OPERATORS}".split():
    setattr(_Object, f"__{_name}__", _refused(_name))
for _name in f"eq ne {_COMPARISONS} {_OPERATORS}".split():
    setattr(_Valued, f"__{_name}__", _of_the_value(_name))
