"""Assertions in a process of their own, with references in the place of what the program made.

Plain data crosses by value, functions and objects as references that their owner resolves. What an assertion compares
is therefore built here from plain data, or is a reference, which is equal to itself alone: no `__eq__`, `__bool__` or
`__contains__` of the program ever decides. Only running to its end completes a test, and only when it asked the
program something, or asserted something, on its way.

Which name means what is settled by the test alone: its own definitions first, then built-ins, then modules of the
standard library that it uses as such, then the program. Where a test mentions built-ins only (`assert sum(10, 15) ==
6`), they are what is tested and the program's come first. A test runs as `__main__`, may import the program's names
from `solution`, and has its `check`, its `test_…` functions and its test cases called where it does not call them.

A list, dict or set that both sides have is one, up to a size. Exceptions cross as their built-in type, or
as a class made here for one of the program's own. Where a test asks of an object that it made itself what cannot be
answered without trusting it (is it equal, is it smaller), it `needs_objects`, whatever the program is like; nothing
that a program does makes a test need them.
"""

from __future__ import annotations

import builtins
import collections
import contextlib
import importlib
import sys
import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from sandbox.inside import collected, mentions, plain, prelude, unrun, values
from sandbox.inside.peer import FarSideGoneError, Peer
from sandbox.inside.raised import Exceptions
from sandbox.inside.references import KINDS, Class, Function, Reference, named_alike
from sandbox.inside.unrun import NoFunctionError, Tally, is_the_programs, left_well

_SOLUTION: Final = "solution"  # the module that tests may import the program's names from
_MANY_LENT: Final = 32  # of what the test holds; of more, the oldest is a copy from then on

# Questions after which globals, and what is lent, are looked at.
_CHANGING_QUESTIONS: Final = ("call", "run", "enter", "exit", "set", "put", "drop")


class NeedsObjectsError(BaseException):
    """The test asks something that only the program's own object could answer. Not for the test to catch."""


def run_assertions(
    fd: int, code: types.CodeType, fn_name: str | None, say: Callable[[dict[str, str]], object]
) -> dict[str, str]:
    """Run the asserting code to its end and tell how it ended.

    `say` is called with how it has ended if this process ends now: `alone`, as long as nothing of the program's has
    come to the test but names to call. What breaks until then breaks beside every program.
    """
    test = _Test(fd, say)
    main = types.ModuleType("__main__")
    main.__dict__.update(__builtins__=dict(vars(builtins)), __file__=code.co_filename)
    main.__dict__.update(test.hooks)
    sys.modules["__main__"] = main
    try:
        test.fill(main.__dict__, code, fn_name)
        unrun.prepare(code)
        left = False
        try:
            exec(code, main.__dict__)  # noqa: S102 - the task's own test
        except SystemExit as error:
            if not left_well(error):
                raise
            left = True
        unrun.run_what_waits(main.__dict__, main, code, test, fn_name, left=left)
    except NoFunctionError:
        return {"ended": "no_function"}
    except NeedsObjectsError as error:
        return {"ended": "needs_objects", "message": str(error)}
    except FarSideGoneError:
        return {"ended": "program_ended"}
    except BaseException as error:  # noqa: BLE001 - the test's or the program's; how it completes is told below
        if not left_well(error) and not test.gone and test.needed is None:  # those are told below
            by_itself = test.is_alone and isinstance(error, (MemoryError, collected.NotCollectedError))
            ended = "broken" if by_itself else _ended_by(error)
            return {"ended": ended, "message": _describe(error)}
    return _completed(test)


def run_together(program: types.ModuleType, source: str, fn_name: str | None) -> dict[str, str]:
    """Run the asserting code over the program's own names, in the program's own process."""
    tally = Tally()
    namespace = program.__dict__
    tally.offered = dict(namespace)
    code = unrun.compiled(source.encode(), "<test>")
    namespace.update({"__name__": "__main__", **tally.hooks})
    sys.modules["__main__"] = program
    unrun.prepare(code)
    left = False
    try:
        try:
            exec(code, namespace)  # noqa: S102 - the task's own test
        except SystemExit as error:
            if error.code:
                raise
            left = True
        own = {name: namespace[name] for name in mentions.bound(code) if name in namespace}
        unrun.run_what_waits(own, program, code, tally, fn_name, left=left)
    except NoFunctionError:
        return {"ended": "no_function"}
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whose it is cannot be told here
        return {"ended": "assertion", "message": _describe(error)}
    ended_well = any(tally.ended.values())
    return {"ended": "completed"} if tally.asked or ended_well else {"ended": "broken", "message": "it asserts nothing"}


def _ended_by(error: BaseException) -> str:
    if is_the_programs(error) or isinstance(error, NameError):
        return "raised"
    if isinstance(error, ImportError):
        return "raised" if error.name == _SOLUTION else "broken"
    return "assertion" if isinstance(error, AssertionError) else "test_raised"


def _completed(test: _Test) -> dict[str, str]:
    """How a test ended that came to its end: a test may have swallowed what no test should."""
    if test.gone:
        return {"ended": "program_ended"}
    if test.needed is not None:
        return {"ended": "needs_objects", "message": test.needed}
    if not test.asked and not (any(test.ended.values()) and test.offered):
        return {"ended": "broken", "message": "it asserts nothing and asks the program nothing"}
    return {"ended": "completed"}


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:500]


class _Test(Tally, Peer):
    def __init__(self, fd: int, say: Callable[[dict[str, str]], object]) -> None:
        Tally.__init__(self)
        Peer.__init__(self, fd)
        self._say = say
        self.is_alone = False
        self._namespace: dict[str, Any] = {}
        self._module: dict[str, Any] = {}  # what the test may import
        self._bound: set[str] = set()  # names that are the test's own
        self._references: dict[int, Reference] = {}
        self._classes: dict[tuple[str, str], type[Reference]] = {}
        self._exceptions = Exceptions(self)
        self._coroutines: list[tuple[object, int]] = []
        self.answering = 0  # questions of the program's
        self._is_asked_as_plain = False
        self.uses_objects = False
        self._lent: list[_Lent] = []

    def needs(self, why: str) -> NeedsObjectsError:
        """The error to raise, remembered: a test that swallows it has not been answered."""
        self.needed = why
        return NeedsObjectsError(why)

    def fill(self, namespace: dict[str, Any], code: types.CodeType, fn_name: str | None) -> None:
        """Give the test the names it mentions and does not define."""
        mentioned = {name for name in mentions.mentioned(code) if not name.startswith("__")}
        mentioned |= {fn_name} if fn_name is not None else set()
        # Decided by the test alone: a program must not reach what judges it.
        its_own = mentions.bound(code) | (sys.stdlib_module_names & mentions.modules_used(code).keys())
        only_builtins = all(hasattr(builtins, name) for name in mentioned - its_own)
        only_builtins &= not mentions.imports_by_name(code, _SOLUTION)  # which says what is the program's
        given = _JUDGES if only_builtins and fn_name is None else vars(builtins).keys()
        wanted = {name for name in mentioned if name == fn_name or name not in given or _is_replaceable(name)}
        self.uses_objects = mentions.uses_objects(code) or unrun.OBJECTS in code.co_names
        self.offered = self._named_in_the_program(wanted)
        if fn_name is not None and fn_name not in self.offered:
            self.offered |= self._found_in_the_program(fn_name)
        self._namespace = namespace
        if self.offered:  # else what is asked for may be one of them
            namespace.update(prelude.tools(mentioned - its_own - vars(builtins).keys()))
        namespace.update(self.offered)
        for name, attributes in mentions.modules_used(code).items():
            module = mentions.ALIASES.get(name, name)
            if module in sys.stdlib_module_names or module in mentions.ALIASES.values():
                with contextlib.suppress(ImportError):  # the test hears of it where it uses it
                    found = importlib.import_module(module)
                    if name not in self.offered or all(hasattr(found, attribute) for attribute in attributes):
                        namespace[name] = found
        self._bound = mentions.bound(code)
        solution = types.ModuleType(_SOLUTION)
        # What a test binds itself, as by another import, is not covered by all that the program has.
        importable = [name for name in self.offered if name not in self._bound]
        solution.__dict__.update(self.offered, __getattr__=self._of_the_module, __all__=importable)
        sys.modules[_SOLUTION] = solution
        self._module = solution.__dict__
        for name, value in self.offered.items():
            self.lend(None, name, value)
        self.is_alone = all(isinstance(value, Reference) for value in self.offered.values())
        if self.is_alone:
            self._say({"ended": "alone"})

    def wait_for_answer(self) -> None:
        """What the program says reaches the test from here on."""
        if self.is_alone:
            self.is_alone = False
            self._say({})

    def refresh(self) -> None:
        """Take over what has become of the program's globals, where the test has put nothing else in their place."""
        placed = {name: value for name, value in self.offered.items() if not isinstance(value, Reference)}
        if not placed:
            return
        for name, said in self._named_in_the_program(placed, "changed").items():
            if type(said) is not tuple or len(said) != 2:
                raise self.lost("no change")
            is_the_same, value = said
            old = placed[name]
            self._lent = [lent for lent in self._lent if lent.value is not old]
            if is_the_same is True and type(old) is type(value) and values.is_changing(old):
                self.take_over(old, value)
                self.lend(None, name, old)
                continue
            self.lend(None, name, value)
            self.offered[name] = value
            for names in (self._module, *([self._namespace] if name not in self._bound else [])):
                if names.get(name) is old:
                    names[name] = value

    def lend(self, index: int | None, name: str, value: object) -> None:
        """The test has a list, dict or set that the program has by an index, or as a global: one for both."""
        if not values.is_changing(value):
            return
        encoded = self._encoded(value)
        if encoded is None:
            return
        self._lent.append(_Lent(index, name, value, encoded))
        held = [lent for lent in self._lent if lent.index is not None]
        if len(held) > _MANY_LENT:
            self._lent.remove(held[0])

    def one_with(self, value: object, index: object) -> object:
        """What the program has given, and has itself by an index: the test's own of it, where it has one already."""
        if type(index) is not int:
            return value
        for lent in self._lent:
            if lent.index == index:
                self.take_over(lent.value, value)
                lent.note(self._encoded(lent.value) or b"")
                return lent.value
        self.lend(index, "", value)
        return value

    def take_over(self, old: object, new: object) -> None:
        """`values.refresh`, in which no object of the program's is asked anything."""
        self.answering += 1
        try:
            values.refresh(old, new)
        finally:
            self.answering -= 1

    def _encoded(self, value: object) -> bytes | None:
        self.answering += 1  # what is in it has been given to the program, or is named without a word
        try:
            return plain.dumps(value, max_bytes=values.MOST_SHARED_BYTES, extend=self.cross)
        except (plain.NotPlainError, RecursionError):
            return None
        finally:
            self.answering -= 1

    def _tell_changes(self) -> None:
        """Make of the program's what the test has made of what was lent to it, and forget what it has no more."""
        lent, self._lent = self._lent, []
        for one in lent:
            encoded = one.encoded if one.is_still else self._encoded(one.value)
            if encoded != one.encoded:
                self.answering += 1
                try:
                    with contextlib.suppress(plain.NotPlainError):
                        self.ask("made_of", one.index, one.name, one.value)
                finally:
                    self.answering -= 1
            if encoded is not None and (one.index is None or sys.getrefcount(one.value) > 2):
                if encoded != one.encoded:
                    one.note(encoded)
                self._lent.append(one)

    def _hear_changes(self) -> None:
        """Make of what was lent what the program has made of its own."""
        held = [lent for lent in self._lent if lent.index is not None]
        if not held:
            return
        outcome = self.ask("lent", [lent.index for lent in held])
        changed = outcome[1] if outcome[0] == "returned" and type(outcome[1]) is dict else {}
        for place, value in changed.items():
            if type(place) is int and 0 <= place < len(held):
                self.take_over(held[place].value, value)
                held[place].note(self._encoded(held[place].value) or b"")

    def _named_in_the_program(self, names: Iterable[str], operation: str = "names") -> dict[str, object]:
        """What the program calls so, as far as it does; nothing that it was not asked for."""
        outcome = self.ask(operation, sorted(names))
        answered = outcome[1] if outcome[0] == "returned" and type(outcome[1]) is dict else {}
        found = {name: answered[name] for name in names if name in answered}
        for value in found.values():
            if isinstance(value, (Function, Class)):
                object.__setattr__(value, "_known_to_test", True)
                object.__setattr__(value, "_came_back", False)  # it was asked for
        return found

    def _found_in_the_program(self, fn_name: str) -> dict[str, object]:
        outcome, *answer = self.ask("function", fn_name)
        if outcome != "returned" or len(answer) != 1 or not isinstance(answer[0], Reference):
            return {}
        object.__setattr__(answer[0], "_known_to_test", True)
        return {fn_name: answer[0]}

    def _of_the_module(self, name: str) -> object:
        """What the test takes from the module by name, be it called like a built-in or not."""
        if not name.startswith("__"):
            for value in self._named_in_the_program([name]).values():
                self.offered[name] = self._module[name] = value
                return value
        raise AttributeError(f"module {_SOLUTION!r} has no attribute {name!r}")

    def reply_to(self, message: Any) -> None:
        _, number, operation, index, *operands = message
        function = self.kept(index)
        self.answering += 1
        try:
            answer = self._answer(operation, function, operands)
            try:
                self.send_answer(number, *answer)
            except plain.NotPlainError as error:
                self.send_answer(number, "raised", "TypeError", (str(error),))
        finally:
            self.answering -= 1

    def _answer(self, operation: object, asked: Any, operands: list[Any]) -> tuple[object, ...]:
        try:
            if operation == "call" and len(operands) == 2:
                return "returned", asked(*operands[0], **operands[1])
            if operation == "next" and hasattr(type(asked), "__next__"):
                return "returned", next(asked)
        except Exception as error:  # noqa: BLE001 - crosses as its type
            return self.raised_here(error)
        if operation in ("call", "next"):
            return "raised", "TypeError", ("this is not to be called or iterated",)
        raise self.lost("a question that a program may not ask")

    def raised_here(self, error: Exception) -> tuple[object, ...]:
        """What the program is to raise where a function of the test's has raised."""
        if type(error.__dict__.get("_index")) is int:
            return "raised", error, ()
        builtin = vars(builtins).get(type(error).__name__) is type(error)
        try:
            plain.dumps(error.args, extend=self.cross)
        except (plain.NotPlainError, RecursionError):
            return "raised", type(error).__name__ if builtin else type(error), tuple(map(str, error.args))
        return "raised", type(error).__name__ if builtin else type(error), error.args

    def cross(self, value: object) -> bytes | None:
        if isinstance(value, Reference):
            return plain.extension(plain.dumps(("yours", value._index)))
        if isinstance(value, Exception) and type(value.__dict__.get("_index")) is int:
            return plain.extension(plain.dumps(("yours", value.__dict__["_index"])))
        if isinstance(value, type) and issubclass(value, Exception):
            known = self._exceptions.index_of(value)
            if known is not None:
                return plain.extension(plain.dumps(("yours", known)))
        for coroutine, index in self._coroutines:
            if coroutine is value:
                return plain.extension(plain.dumps(("yours", index)))
        return super().cross(value)

    def decoded(self, message: bytes) -> Any:
        """The same; no object of the program's is asked anything for it."""
        self.answering += 1
        try:
            return super().decoded(message)
        finally:
            self.answering -= 1

    def takes(self, kind: type) -> bool:
        """No exceptions: how a test ends is told by their kinds."""
        return not issubclass(kind, BaseException)

    def name(self, value: object) -> tuple[object, ...] | None:
        if isinstance(value, (int, float, str, bytes, list, tuple, dict, set, frozenset)):
            # Its class says more than the built-in one.
            if type(value).__module__ == "__main__" and not self.answering:
                raise self.needs(f"the test passes an object of its class {type(value).__name__!r} to the program")
            return None
        doc = value.__doc__ if isinstance(value, types.FunctionType) else None
        named = str(getattr(value, "__name__", "function")), doc
        functions = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, type)
        # What the program asked for, or made itself, may be of any kind: it gets a name that tells it nothing.
        if isinstance(value, type) and issubclass(value, Exception):
            bases = [base for base in value.__bases__ if base is not object]
            return "exception", self.keep(value), value.__name__, bases
        if self.answering or isinstance(value, functions) or self._exceptions.index_of(type(value)) is not None:
            return "mine", self.keep(value), *named
        # A file is more than its lines.
        iterates = isinstance(value, collections.abc.Iterator) and not hasattr(value, "read")
        if iterates or (isinstance(value, Exception) and is_the_programs(value)):
            return "mine", self.keep(value), *named
        why = f"the test passes an object of type {type(value).__name__!r} to the program"
        if self._is_asked_as_plain:
            raise TypeError(why)  # of what came from the program, where another would have returned plain data
        raise self.needs(why)

    def named(self, kind: str, index: Any, *rest: Any) -> object:
        if kind == "yours":
            return self.kept(index)
        if type(index) is not int:
            raise self.lost("not an index")
        if kind == "exception" and len(rest) == 3:
            return self._exceptions.kind(index, *rest)
        if kind == "error" and len(rest) == 5:
            return self._exceptions.handed_over(index, *rest)
        if kind == "coroutine":
            self._coroutines.append((self._coroutine(index), index))
            return self._coroutines[-1][0]
        if kind not in KINDS:
            raise self.lost("unknown kind of reference")
        known = self._references.get(index)
        if known is None or known._kind != kind:
            known = self._references[index] = self._reference(kind, index, *rest[:2])
        else:
            object.__setattr__(known, "_came_back", True)
        return known

    def _reference(self, kind: str, index: int, name: object = "", *rest: Any) -> Reference:
        """A reference, of a class that is called like that of the object."""
        base = KINDS[kind]
        if kind in ("object", "valued"):
            if (kind, str(name)) not in self._classes:
                self._classes[kind, str(name)] = named_alike(base, str(name))
            base = self._classes[kind, str(name)]
        reference = base(self, index, str(name), *rest)
        object.__setattr__(reference, "_kind", kind)
        return reference

    async def _coroutine(self, index: int) -> object:
        return self.question("run", index)[0]

    def take_changes(self, given: Sequence[object], changed: object, moved: object = None) -> None:
        """Make of the arguments of a call what the program has made of them; see `values.moved`."""
        if type(changed) is list and len(changed) == len(given):
            self.answering += 1
            try:
                values.take_over(given, changed, moved)
            finally:
                self.answering -= 1

    def question(self, *question: object, parts: int = 1, given: Sequence[object] = ()) -> Any:
        """Ask the program; raise what it raised.

        `parts` are those that an answer has, `given` the arguments of a call.
        """
        self.asked += 1
        if self._lent and not self.answering:
            self._tell_changes()
        of = self._references.get(question[1]) if len(question) > 1 and type(question[1]) is int else None
        self._is_asked_as_plain = of is not None and (
            of._is_plains or (question[0] in ("item", "put", "drop") and not of._known_to_test)
        )
        try:
            outcome, *rest = self.ask(*question)
        except plain.NotPlainError as error:
            why = f"the test passes what cannot cross: {error}"
            if self.is_alone:
                raise self.needs(why) from None
            refusal = TypeError(why)  # it may have grown by what came from the program
            refusal._of_the_program = True  # type: ignore[attr-defined]
            raise refusal from None
        if question[0] in _CHANGING_QUESTIONS or (question[0] == "next" and rest[:1] != [True]):
            self.refresh()
            self._hear_changes()
        if len(rest) != (parts if outcome == "returned" else 7):
            raise self.lost("not an answer")
        if outcome == "returned":
            return rest
        kind, arguments, attributes, text, index, cause, changed = rest
        self.take_changes(given, changed)
        raised: Any = self._exceptions.made(kind, arguments, attributes, text, index)
        if isinstance(cause, Exception):
            raised.__cause__ = cause
        raised._of_the_program = True
        raise raised


def _is_replaceable(name: str) -> bool:
    """Whether it is an exception that a program may have a class of its own for, and no test judges by."""
    kind = vars(builtins).get(name)
    return isinstance(kind, type) and issubclass(kind, Exception) and kind not in (Exception, AssertionError)


# Built-ins that tests judge by, and that no program is asked to write.
_JUDGES: Final = frozenset(
    {
        *("all", "any", "callable", "getattr", "hasattr", "isinstance", "issubclass", "iter", "len", "next"),
        *("print", "range", "repr", "setattr", "super", "type"),
    }
)


class _Lent:
    """A list, dict or set of both sides: what the program keeps under `index`, or its global of that name."""

    def __init__(self, index: int | None, name: str, value: object, encoded: bytes) -> None:
        self.index = index
        self.name = name
        self.value = value
        self.note(encoded)

    def note(self, encoded: bytes) -> None:
        """Both sides have it as it is."""
        self.encoded = encoded
        self._copy = values.flat_copy(self.value)  # which is sooner compared

    @property
    def is_still(self) -> bool:
        """Whether it is as it was, as far as that is told at a glance."""
        return values.is_still(self.value, self._copy)
