"""Assertions in one process, the program they speak of in another.

`run_assertions` executes the asserting code with proxies for the names of the program; `serve` answers them in the
program's process. Plain data crosses by value, functions and objects as references that the owner resolves. What an
assertion compares is therefore built here from plain data, or is a reference, which is equal to itself alone: no
`__eq__`, `__bool__` or `__contains__` of the program ever decides. Fractions, dates, arrays and their like cross in
their parts (`values`) and are built anew. Only running to its end completes a test.

Which name means what is settled by the test alone: its own definitions first, then built-ins, then modules of the
standard library that it uses as such, then the program. Where a test mentions built-ins only (`assert sum(10, 15) ==
6`), they are what is tested and the program's come first.

A list, dict or set that a function changes in place is changed here too. Exceptions cross as their built-in type, or
as a class made here for one of the program's own. Where a test asks of an object that it made itself what cannot be
answered without trusting it (is it equal, is it smaller), it `needs_objects`, whatever the program is like.
"""

from __future__ import annotations

import builtins
import collections
import contextlib
import dis
import importlib
import socket
import struct
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn

from sandbox.inside import plain, values

_LENGTH: Final = struct.Struct("<I")
_MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024
_MAX_NESTED_CALLS: Final = 50
# Modules that tests name without importing them, beside those of the standard library.
_ALIASES: Final = {"np": "numpy", "numpy": "numpy"}


class NeedsObjectsError(BaseException):
    """The test asks something that only the program's own object could answer. Not for the test to catch."""


class _ProgramEndedError(BaseException):
    """The program is gone, or talks nonsense."""


class _Peer:
    """One end of the channel: asks, and answers while it waits."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._exported: list[object] = []  # kept alive, so that an id names one object
        self._indices: dict[int, int] = {}
        self._depth = 0

    def ask(self, *question: object) -> Any:
        """Send a question and return the answer, answering what the far side asks meanwhile."""
        self._depth += 1
        try:
            if self._depth > _MAX_NESTED_CALLS:
                raise RecursionError("calls back and forth nested too deep")
            self._send(("ask", *question))
            while True:
                message = self._receive()
                if message[0] == "answer":
                    return message[1:]
                self.reply_to(message)
        finally:
            self._depth -= 1

    def serve(self) -> None:
        """Answer until the far side hangs up."""
        while True:
            try:
                message = self._receive()
            except _ProgramEndedError:
                return
            self.reply_to(message)

    def reply_to(self, message: Any) -> None:
        raise NotImplementedError

    def send_answer(self, *answer: object) -> None:
        self._send(("answer", *answer))

    def cross(self, value: object) -> bytes:
        """How `value`, which is not plain, crosses: in its parts where it has any, else by a name."""
        parts = values.taken_apart(value)
        if parts is not None:
            return plain.extension(plain.dumps(("value", *parts), extend=self.cross))
        return plain.extension(plain.dumps(self.name(value)))

    def arrive(self, payload: bytes) -> object:
        """What the far side sent in that way."""
        said = plain.loads(payload, extend=self.arrive)
        if type(said) is not tuple or len(said) < 2 or type(said[0]) is not str:
            raise _ProgramEndedError("not a name")
        if said[0] == "value":
            try:
                return values.put_together(said[1:])
            except ValueError as error:
                raise _ProgramEndedError(str(error)) from error
        return self.named(*said)

    def name(self, value: object) -> tuple[object, ...]:
        """How `value` is named for the far side."""
        raise NotImplementedError

    def named(self, kind: str, index: Any, *rest: Any) -> object:
        """What the far side's name stands for."""
        raise NotImplementedError

    def keep(self, value: object) -> int:
        index = self._indices.setdefault(id(value), len(self._exported))
        if index == len(self._exported):
            self._exported.append(value)
        return index

    def kept(self, index: object) -> Any:
        if type(index) is not int or not 0 <= index < len(self._exported):
            raise _ProgramEndedError("unknown reference")
        return self._exported[index]

    def _send(self, message: tuple[object, ...]) -> None:
        encoded = plain.dumps(message, max_bytes=_MAX_MESSAGE_BYTES, extend=self.cross)
        try:
            self._socket.sendall(_LENGTH.pack(len(encoded)) + encoded)
        except OSError as error:
            raise _ProgramEndedError(str(error)) from error

    def _receive(self) -> Any:
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        if length > _MAX_MESSAGE_BYTES:
            raise _ProgramEndedError("message too large")
        try:
            message = plain.loads(self._exactly(length), extend=self.arrive)
        except plain.MalformedError as error:
            raise _ProgramEndedError(str(error)) from error
        if type(message) is not tuple or len(message) < 2 or message[0] not in ("ask", "answer"):
            raise _ProgramEndedError("not a message")
        return message

    def _exactly(self, count: int) -> bytes:
        chunks = bytearray()
        while len(chunks) < count:
            try:
                chunk = self._socket.recv(min(count - len(chunks), 1 << 20))
            except OSError as error:
                raise _ProgramEndedError(str(error)) from error
            if not chunk:
                raise _ProgramEndedError("the program ended")
            chunks += chunk
        return bytes(chunks)


# --- the program's side --------------------------------------------------------------------------------------------


def serve(fd: int, namespace: dict[str, Any]) -> None:
    """Answer questions about the program's names until the asserting side hangs up."""
    _Program(fd, namespace).serve()


class _Program(_Peer):
    def __init__(self, fd: int, namespace: dict[str, Any]) -> None:
        super().__init__(fd)
        self._namespace = namespace

    def reply_to(self, message: Any) -> None:
        _, operation, *operands = message
        try:
            answer = getattr(self, f"_on_{operation}")(*operands)
        except Exception as error:  # noqa: BLE001 - the program's own, for the test to see
            self._answer_raised(error)
            return
        try:
            self.send_answer("returned", *answer)
        except (plain.NotPlainError, RecursionError) as error:
            self.send_answer("raised", "TypeError", (f"the result cannot be passed on: {error}",))

    def _answer_raised(self, error: Exception) -> None:
        kind = type(error)
        known: object = kind.__name__ if getattr(builtins, kind.__name__, None) is kind else kind
        try:
            self.send_answer("raised", known, error.args)
        except (plain.NotPlainError, RecursionError):
            self.send_answer("raised", known, (str(error),))

    def _on_names(self, names: list[str]) -> tuple[dict[str, object]]:
        return ({name: self._namespace[name] for name in names if name in self._namespace},)

    def _on_call(self, target: int, arguments: list[Any], named: dict[str, Any]) -> tuple[object, ...]:
        before = self._snapshot(arguments)
        returned = self.kept(target)(*arguments, **named)
        after = self._snapshot(arguments)
        return (returned, arguments if before != after else None)

    @staticmethod
    def _snapshot(arguments: list[Any]) -> bytes | None:
        try:
            return plain.dumps(arguments, extend=_parts_alone)
        except (plain.NotPlainError, RecursionError):
            return None

    def _on_get(self, target: int, name: str) -> tuple[object]:
        return (getattr(self.kept(target), name),)

    def _on_iter(self, target: int) -> tuple[object]:
        return (self.keep(iter(self.kept(target))),)

    def _on_next(self, target: int) -> tuple[object, ...]:
        for item in self.kept(target):
            return (True, item)
        return (False, None)

    def _on_len(self, target: int) -> tuple[object]:
        return (len(self.kept(target)),)

    def _on_item(self, target: int, key: object) -> tuple[object]:
        return (self.kept(target)[key],)

    def _on_text(self, target: int, how: str) -> tuple[object]:
        return ((repr if how == "repr" else str)(self.kept(target)),)

    def name(self, value: object) -> tuple[object, ...]:
        if isinstance(value, _Callback):
            return "yours", value.index
        if isinstance(value, type) and issubclass(value, Exception):
            base = next(base.__name__ for base in value.__mro__ if getattr(builtins, base.__name__, None) is base)
            return "exception", self.keep(value), value.__name__, base
        kind = "class" if isinstance(value, type) else "function" if _is_function(value) else "object"
        return kind, self.keep(value), str(getattr(value, "__name__", kind))

    def named(self, kind: str, index: Any, *rest: Any) -> object:
        return self.kept(index) if kind == "yours" else _Callback(self, index)


def _parts_alone(value: object) -> bytes:
    """The parts of a value, to see whether they change; of what has none, nothing."""
    parts = values.taken_apart(value)
    return b"" if parts is None else plain.dumps(parts, extend=_parts_alone)


def _is_function(value: object) -> bool:
    return isinstance(value, (types.FunctionType, types.BuiltinFunctionType, types.MethodType)) or (
        callable(value) and hasattr(value, "__wrapped__")
    )


class _Callback:
    """A function of the test's, as the program sees it."""

    def __init__(self, program: _Program, index: int) -> None:
        self._program = program
        self.index = index

    def __call__(self, *arguments: object) -> object:
        outcome, *rest = self._program.ask("call", self.index, list(arguments))
        if outcome == "returned":
            return rest[0]
        raise getattr(builtins, rest[0])(*rest[1])


# --- the asserting side --------------------------------------------------------------------------------------------


def run_assertions(fd: int, code: types.CodeType, fn_name: str | None) -> dict[str, object]:
    """Run the asserting code to its end and say how it ended."""
    test = _Test(fd)
    namespace: dict[str, Any] = {"__name__": "assertions", "__builtins__": dict(vars(builtins))}
    try:
        test.fill(namespace, code, fn_name)
        exec(code, namespace)  # noqa: S102 - the task's own test
        check = namespace.get("check")
        if isinstance(check, types.FunctionType) and "check" not in _called_at_top(code):
            if fn_name is None or fn_name not in test.offered:
                return {"ended": "no_function"}
            check(test.offered[fn_name])
    except NeedsObjectsError as error:
        return {"ended": "needs_objects", "message": str(error)}
    except _ProgramEndedError:
        return {"ended": "program_ended"}
    except AssertionError as error:
        ours = not getattr(error, "_of_the_program", False)
        return {"ended": "assertion" if ours else "raised", "message": _describe(error)}
    except BaseException as error:  # noqa: BLE001 - the test's or the program's; neither completes a test
        ended = "raised" if getattr(error, "_of_the_program", False) or isinstance(error, NameError) else "test_raised"
        return {"ended": ended, "message": _describe(error)}
    return {"ended": "completed"}


def run_together(namespace: dict[str, Any], code: types.CodeType, fn_name: str | None) -> dict[str, object]:
    """Run the asserting code over the program's own names, in the program's own process."""
    written = namespace.get(str(fn_name))
    try:
        exec(code, namespace)  # noqa: S102 - the task's own test
        check = namespace.get("check")
        if isinstance(check, types.FunctionType) and "check" not in _called_at_top(code):
            if fn_name is None or written is None:
                return {"ended": "no_function"}
            check(written)
    except Exception as error:  # noqa: BLE001 - whose it is cannot be told here
        return {"ended": "assertion", "message": _describe(error)}
    return {"ended": "completed"}


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:500]


def _called_at_top(code: types.CodeType) -> tuple[str, ...]:
    # The names that the top level mentions, without those that a `def` there binds: a call has to load it once more.
    return tuple(
        str(instruction.argval) for instruction in dis.get_instructions(code) if instruction.opname == "LOAD_NAME"
    )


class _Test(_Peer):
    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self.offered: dict[str, object] = {}
        self._exceptions: dict[int, type[Exception]] = {}

    def fill(self, namespace: dict[str, Any], code: types.CodeType, fn_name: str | None) -> None:
        """Give the test the names it mentions and does not define."""
        mentioned = set(_mentioned(code)) | ({fn_name} if fn_name is not None else set())
        outcome = self.ask("names", sorted(mentioned))
        answered = outcome[1] if outcome[0] == "returned" and type(outcome[1]) is dict else {}
        # Decided by the test alone: a program that answers more than it was asked must not reach what judges it.
        only_builtins = all(hasattr(builtins, name) for name in mentioned)
        wanted = {name for name in mentioned if only_builtins or name == fn_name or not hasattr(builtins, name)}
        self.offered = {name: answered[name] for name in wanted if name in answered and not name.startswith("__")}
        namespace.update(self.offered)
        for name in _modules_used(code):
            module = _ALIASES.get(name, name)
            if module in sys.stdlib_module_names or module in _ALIASES.values():
                with contextlib.suppress(ImportError):  # the test hears of it where it uses it
                    namespace[name] = importlib.import_module(module)

    def expects_class(self, made: _Class) -> bool:
        """Whether the test itself takes `made` for a class, by how it spells the name: no program decides that.

        Else a class where a function was to be written would be a way not to be judged.
        """
        names = [name for name, offered in self.offered.items() if offered is made]
        return any(name.lstrip("_")[:1].isupper() for name in names)

    def reply_to(self, message: Any) -> None:
        _, operation, *operands = message
        if operation != "call" or len(operands) != 2:
            raise _ProgramEndedError("a question that a program may not ask")
        index, arguments = operands
        function = self.kept(index)
        try:
            answer: tuple[object, ...] = ("returned", function(*arguments))
        except Exception as error:  # noqa: BLE001 - crosses as its type
            known = next(base.__name__ for base in type(error).__mro__ if hasattr(builtins, base.__name__))
            answer = ("raised", known, tuple(map(str, error.args)))
        self.send_answer(*answer)

    def name(self, value: object) -> tuple[object, ...]:
        if isinstance(value, _Reference):
            return "yours", value._index
        if isinstance(value, (types.FunctionType, types.BuiltinFunctionType, types.MethodType, type)):
            return "mine", self.keep(value)
        raise NeedsObjectsError(f"the test passes an object of type {type(value).__name__!r} to the program")

    def named(self, kind: str, index: Any, *rest: Any) -> object:
        if kind == "yours":
            return self.kept(index)
        if kind == "exception" and len(rest) == 2:
            return self._exception(index, *rest)
        makers: dict[str, type[_Reference]] = {"function": _Function, "class": _Class, "object": _Object}
        if kind not in makers:
            raise _ProgramEndedError("unknown kind of reference")
        return makers[kind](self, index, str(rest[0]) if rest else "")

    def _exception(self, index: object, name: object, base: object) -> type[Exception]:
        parent = getattr(builtins, str(base), Exception)
        if not (isinstance(parent, type) and issubclass(parent, Exception)) or not isinstance(index, int):
            raise _ProgramEndedError("not an exception")
        if str(name) == str(base):
            return parent
        # One class a name: the program's class, sent twice, must be caught by what was sent first.
        known = next((kind for kind in self._exceptions.values() if kind.__name__ == name), None)
        made: type[Exception] = known or type(str(name), (parent,), {})
        return self._exceptions.setdefault(index, made)

    def question(self, *question: object) -> Any:
        """Ask the program; raise what it raised."""
        outcome, *rest = self.ask(*question)
        if outcome == "returned":
            return rest
        kind, arguments = rest
        if isinstance(kind, str):
            kind = getattr(builtins, kind, Exception)
        if kind in (StopIteration, StopAsyncIteration):
            kind = RuntimeError  # raised in the test, it would end a loop of the test's in silence
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            kind = Exception
        try:
            error = kind(*arguments)
        except Exception:  # noqa: BLE001 - a class with a constructor of its own mind
            error = Exception(*arguments)
        error._of_the_program = True  # type: ignore[attr-defined]
        raise error


class _Reference:
    """Something of the program's that stays where it is."""

    def __init__(self, test: _Test, index: int, name: str) -> None:
        object.__setattr__(self, "_test", test)
        object.__setattr__(self, "_index", index)
        object.__setattr__(self, "__name__", name)
        object.__setattr__(self, "_made_by_test", None)

    def _call(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> object:
        returned, changed = self._test.question("call", self._index, list(arguments), named)
        if type(changed) is list and len(changed) == len(arguments):
            for old, new in zip(arguments, changed, strict=True):
                _refresh(old, new)
        return returned

    _test: _Test
    _index: int
    _made_by_test: _Reference | None


def _refresh(old: Any, new: Any) -> None:
    if type(old) is not type(new):
        return
    if type(old) is list:
        old[:] = new
    elif type(old) in (dict, set):
        old.clear()
        old.update(new)
    elif type(old) is collections.deque:
        old.clear()
        old.extend(new)


class _Function(_Reference):
    def __call__(self, *arguments: Any, **named: Any) -> object:
        return self._call(arguments, named)


class _Class(_Reference):
    def __call__(self, *arguments: Any, **named: Any) -> object:
        made = self._call(arguments, named)
        if isinstance(made, _Object) and self._test.expects_class(self):
            object.__setattr__(made, "_made_by_test", self)
        return made

    def __getattr__(self, name: str) -> object:
        return self._test.question("get", self._index, name)[0]

    def __instancecheck__(self, instance: object) -> bool:
        if not isinstance(instance, _Reference):
            return False
        if instance._made_by_test is self:
            return True
        raise NeedsObjectsError("the test asks for the class of an object")


class _Object(_Reference):
    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._test.question("get", self._index, name)[0]

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise NeedsObjectsError("the test sets an attribute of an object")

    def __call__(self, *arguments: Any, **named: Any) -> object:
        return self._call(arguments, named)

    def __iter__(self) -> Iterator[object]:
        (iterator,) = self._test.question("iter", self._index)
        while True:
            more, item = self._test.question("next", iterator)
            if more is not True:
                return
            yield item

    def __next__(self) -> object:
        more, item = self._test.question("next", self._index)
        if more is not True:
            raise StopIteration
        return item

    def __len__(self) -> int:
        (length,) = self._test.question("len", self._index)
        if type(length) is not int:
            raise _ProgramEndedError("a length that is no number")
        return length

    def __getitem__(self, key: object) -> object:
        return self._test.question("item", self._index, key)[0]

    def __contains__(self, item: object) -> bool:
        return any(item is other or item == other for other in self)

    def __repr__(self) -> str:
        return self._text("repr")

    def __str__(self) -> str:
        return self._text("str")

    def _text(self, how: str) -> str:
        (text,) = self._test.question("text", self._index, how)
        if type(text) is not str:
            raise _ProgramEndedError("a text that is none")
        return text

    def __bool__(self) -> bool:
        self._undecidable("true")
        raise TypeError("an object is neither true nor false here")

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _Reference) and other._index == self._index:
            return True
        self._undecidable("equal", other)
        return False

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._index)

    def _undecidable(self, what: str, other: object = None) -> None:
        """What a test asks of objects it made itself it asks of every program; of a returned one, only of this."""
        if any(isinstance(side, _Reference) and side._made_by_test is not None for side in (self, other)):
            raise NeedsObjectsError(f"the test asks whether an object is {what}")


def _refuse(name: str) -> Callable[..., NoReturn]:
    def operator(self: _Object, *others: object) -> NoReturn:
        self._undecidable(name, *others[:1])
        raise TypeError(f"an object of the program has no {name} here")

    return operator


_OPERATORS: Final = (
    "lt le gt ge add radd sub rsub mul rmul truediv rtruediv floordiv mod pow and or xor neg pos abs invert enter exit "
    "int float index"
)
for _name in _OPERATORS.split():
    setattr(_Object, f"__{_name}__", _refuse(_name))


def _mentioned(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _mentioned(constant)


def _modules_used(code: types.CodeType) -> set[str]:
    """Names of which the test takes attributes, as one does of a module, and which it does not bind itself."""
    used: set[str] = set()
    bound: set[str] = set()
    for part in _parts(code):
        previous: dis.Instruction | None = None
        for instruction in dis.get_instructions(part):
            if instruction.opname in ("STORE_NAME", "STORE_GLOBAL"):
                bound.add(str(instruction.argval))
            if (
                instruction.opname in ("LOAD_ATTR", "LOAD_METHOD")
                and previous is not None
                and previous.opname in ("LOAD_NAME", "LOAD_GLOBAL")
            ):
                used.add(str(previous.argval))
            previous = instruction
    return used - bound


def _parts(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _parts(constant)
