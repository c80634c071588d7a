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
import dis
import importlib
import itertools
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NoReturn

from sandbox.inside import plain, values
from sandbox.inside.peer import FarSideGoneError, Peer

# Modules that tests name without importing them, beside those of the standard library.
_ALIASES: Final = {"np": "numpy", "numpy": "numpy"}
_COUNTER: Final = "__asserted__"
_RUNS: Final = "__runs__"
_SOLUTION: Final = "solution"  # the module that tests may import the program's names from
# Answers of built-in types that a test takes for granted; an object that it did not make may not give them.
_PREDICATES: Final = frozenset(
    name
    for kind in (str, bytes, float, set)
    for name in dir(kind)
    if name.startswith("is") or name in ("startswith", "endswith")
)


_LOADS: Final = ("LOAD_NAME", "LOAD_GLOBAL")
_TAKES: Final = ("LOAD_ATTR", "LOAD_METHOD")
_PLAIN_ATTRIBUTES: Final = frozenset(
    name
    for kind in (str, bytes, bytearray, int, float, complex, list, tuple, dict, set, frozenset, range)
    for name in dir(kind)
) | {"__name__", "__doc__", "tolist", "shape", "dtype", "all", "any", "sum", "item", "flatten"}

# What built-in types that change answer without changing.
_READING: Final[dict[type, frozenset[str]]] = {
    list: frozenset({"copy", "count", "index"}),
    dict: frozenset({"copy", "get", "items", "keys", "values"}),
    set: frozenset(name for name in dir(frozenset) if not name.startswith("_")),
}
_MANY_LENT: Final = 32  # of what the test holds; of more, the oldest is a copy from then on

# Questions after which globals, and what is lent, are looked at.
_CHANGING_QUESTIONS: Final = ("call", "run", "enter", "exit", "set", "put", "drop")


class NeedsObjectsError(BaseException):
    """The test asks something that only the program's own object could answer. Not for the test to catch."""


def compiled(source: bytes, filename: str) -> types.CodeType:
    """The test's code, which tells of assertions that held and of test functions that run. Raises as compilers do."""
    import ast  # imported ahead for submissions with assertions; other forks would pay for it

    class Counting(ast.NodeTransformer):
        def visit_Assert(self, node: ast.Assert) -> list[ast.stmt]:
            counted = ast.Expr(ast.Call(ast.Name(_COUNTER, ast.Load()), [], []))
            return [node, ast.copy_location(counted, node)]

        def visit_FunctionDef(self, node: Any) -> ast.AST:
            self.generic_visit(node)
            if node.name.startswith("test"):
                line = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                marked = ast.withitem(ast.Call(ast.Name(_RUNS, ast.Load()), [ast.Constant(line)], []))
                told = 1 if ast.get_docstring(node, clean=False) is not None else 0
                if len(node.body) > told:
                    node.body[told:] = [ast.copy_location(ast.With([marked], node.body[told:]), node.body[told])]
            return node  # type: ignore[no-any-return]

        visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - as the base has it

    tree = Counting().visit(ast.parse(source, filename))
    code = compile(ast.fix_missing_locations(tree), filename, "exec", dont_inherit=True)
    assert isinstance(code, types.CodeType)
    return code


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
    main.__dict__.update({_COUNTER: test.count, _RUNS: test.runs})
    sys.modules["__main__"] = main
    try:
        test.fill(main.__dict__, code, fn_name)
        left = False
        try:
            exec(code, main.__dict__)  # noqa: S102 - the task's own test
        except SystemExit as error:
            if not _left_well(error):
                raise
            left = True
        _run_what_waits(main.__dict__, main, code, test, fn_name, left=left)
    except _NoFunctionError:
        return {"ended": "no_function"}
    except NeedsObjectsError as error:
        return {"ended": "needs_objects", "message": str(error)}
    except FarSideGoneError:
        return {"ended": "program_ended"}
    except BaseException as error:  # noqa: BLE001 - the test's or the program's; how it completes is told below
        if not _left_well(error) and not test.gone and test.needed is None:  # those are told below
            ended = "broken" if test.is_alone and isinstance(error, MemoryError) else _ended_by(error)
            return {"ended": ended, "message": _describe(error)}
    return _completed(test)


def run_together(program: types.ModuleType, source: str, fn_name: str | None) -> dict[str, str]:
    """Run the asserting code over the program's own names, in the program's own process."""
    tally = _Tally()
    tally.offered = namespace = program.__dict__
    code = compiled(source.encode(), "<test>")
    namespace.update({"__name__": "__main__", _COUNTER: tally.count, _RUNS: tally.runs})
    sys.modules["__main__"] = program
    left = False
    try:
        try:
            exec(code, namespace)  # noqa: S102 - the task's own test
        except SystemExit as error:
            if error.code:
                raise
            left = True
        own = {name: namespace[name] for name in _bound(code) if name in namespace}
        _run_what_waits(own, program, code, tally, fn_name, left=left)
    except _NoFunctionError:
        return {"ended": "no_function"}
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whose it is cannot be told here
        return {"ended": "assertion", "message": _describe(error)}
    ended_well = any(tally.ended.values())
    return {"ended": "completed"} if tally.asked or ended_well else {"ended": "broken", "message": "it asserts nothing"}


class _NoFunctionError(Exception):
    """The program does not define what the test is about."""


class _Tally:
    """What a test has been seen to do."""

    def __init__(self) -> None:
        self.offered: dict[str, Any] = {}  # what it was given of the program's
        self.asked = 0  # questions to the program, and assertions that held
        self.ended: dict[int, bool] = {}  # by its first line, whether a test function has always ended well
        self.needed: str | None = None  # why it needs objects
        self.gone = False  # the program is

    def count(self) -> None:
        """An assertion held."""
        self.asked += 1

    @contextlib.contextmanager
    def runs(self, line: int) -> Iterator[None]:
        """While a test function runs."""
        try:
            yield
        except BaseException:  # a skip and an exit, too: whatever it is, it goes on, and this has not ended well
            self.ended[line] = False
            raise
        self.ended.setdefault(line, True)


def _run_what_waits(
    namespace: dict[str, Any],
    main: types.ModuleType,
    code: types.CodeType,
    test: _Tally,
    fn_name: str | None,
    *,
    left: bool,
) -> None:
    """Call what the test defines to be called by whoever runs it, where it has not called it itself.

    What it called and let fail is called again. A test that `left` has run its test cases, as `unittest.main` does.
    """
    called = _called_at_top(code)
    check = namespace.get("check")
    if isinstance(check, types.FunctionType) and "check" not in called:
        if fn_name is None or fn_name not in test.offered:
            raise _NoFunctionError
        check(test.offered[fn_name])
    unittest: Any = sys.modules.get("unittest")  # who never imported it has no test cases
    named = [value for name, value in namespace.items() if name.startswith("test") and _runs_alone(value)]
    lines = [_lines_of(value) for value in named]
    passed = {line for line, well in test.ended.items() if well}
    waiting = [value for value, own in zip(named, lines, strict=True) if lines.count(own) > 1 or not own & passed]
    classes = [
        value
        for name, value in namespace.items()
        if isinstance(value, type) and value.__module__ == "__main__" and getattr(value, "__test__", True)
    ]
    cases = [] if unittest is None or left else [one for one in classes if issubclass(one, unittest.TestCase)]
    plain = [one for one in classes if one.__name__.startswith("Test") and _needs_nothing(one)]
    if waiting or cases or plain:
        _prepare(namespace.get("setup_module"), main)
    for function in waiting:
        _prepare(namespace.get("setup_function"), function)
        _run(function)
    for kind in plain:
        _run_class(kind)
    for case in cases:
        _run_case(unittest, case, test)


def _runs_alone(value: Any) -> bool:
    """Whether it is a test function that needs no arguments."""
    if not isinstance(value, types.FunctionType) or not getattr(value, "__test__", True):
        return False
    return value.__code__.co_argcount == len(value.__defaults__ or ())


def _lines_of(function: Any) -> frozenset[int]:
    """The first lines of a function, and of those that it wraps."""
    around = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
    wrapped = [one for one in around if isinstance(one, types.FunctionType)]
    return frozenset(one.__code__.co_firstlineno for one in (function, *wrapped))


def _is_filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def _run(function: Callable[[], object]) -> None:
    """Run a test function; one that leaves without a fault leaves the others to be run."""
    try:
        returned = function()
        if isinstance(returned, types.CoroutineType):
            importlib.import_module("asyncio").run(returned)
    except SystemExit as error:
        if not _left_well(error):
            raise


def _prepare(function: Any, *arguments: object) -> None:
    """Call what comes before or after a test, with as many of the arguments as it takes."""
    if callable(function):
        code = getattr(function, "__code__", None)
        takes = code.co_argcount - isinstance(function, types.MethodType) if code is not None else 0
        function(*arguments[:takes])


def _needs_nothing(kind: Any) -> bool:
    """Whether instances are made of nothing: others are no classes of tests to pytest."""
    made_plainly = (kind.__init__, kind.__new__) == (object.__init__, object.__new__)
    return made_plainly and not getattr(kind, "__abstractmethods__", None)


def _run_class(kind: Any) -> None:
    """Run the methods of a class as pytest does, in the order in which they are written."""
    names = {name: None for base in reversed(kind.__mro__) for name in vars(base) if name.startswith("test")}
    if names:
        _prepare(getattr(kind, "setup_class", None), kind)
    for name in names:
        instance = kind()
        method = getattr(instance, name)
        code = getattr(method, "__code__", None)
        if code is None or code.co_argcount - len(method.__defaults__ or ()) > isinstance(method, types.MethodType):
            continue
        _prepare(getattr(instance, "setup_method", None), method)
        _run(method)
        _prepare(getattr(instance, "teardown_method", None), method)
    if names:
        _prepare(getattr(kind, "teardown_class", None), kind)


def _run_case(unittest: Any, case: Any, test: _Tally) -> None:
    """Run the methods of a test case."""
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    if test.gone or test.needed is not None:
        return  # whatever became of that
    for _, trace in [*result.failures, *result.errors]:
        raise AssertionError(trace.strip().rpartition("\n")[2])
    if result.unexpectedSuccesses:
        raise AssertionError("unexpected success")


def _left_well(error: BaseException) -> bool:
    """Whether the test itself left, as `unittest.main()` does when all went well."""
    return isinstance(error, SystemExit) and not _is_the_programs(error) and not error.code


def _ended_by(error: BaseException) -> str:
    if _is_the_programs(error) or isinstance(error, NameError):
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
    if not test.asked and not (test.ended and test.offered):
        return {"ended": "broken", "message": "it asserts nothing and asks the program nothing"}
    return {"ended": "completed"}


def _is_the_programs(error: BaseException) -> bool:
    return bool(getattr(error, "_of_the_program", False))


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:500]


def _called_at_top(code: types.CodeType) -> tuple[str, ...]:
    # The names that the top level mentions, without those that a `def` there binds: a call has to load it once more.
    return tuple(
        str(instruction.argval) for instruction in dis.get_instructions(code) if instruction.opname == "LOAD_NAME"
    )


class _Test(_Tally, Peer):
    def __init__(self, fd: int, say: Callable[[dict[str, str]], object]) -> None:
        _Tally.__init__(self)
        Peer.__init__(self, fd)
        self._say = say
        self.is_alone = False
        self._namespace: dict[str, Any] = {}
        self._module: dict[str, Any] = {}  # what the test may import
        self._bound: set[str] = set()  # names that are the test's own
        self._references: dict[int, _Reference] = {}
        self._exceptions: dict[int, type[Exception]] = {}
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
        mentioned = {name for name in _mentioned(code) if not name.startswith("__")}
        mentioned |= {fn_name} if fn_name is not None else set()
        # Decided by the test alone: a program must not reach what judges it.
        only_builtins = all(hasattr(builtins, name) for name in mentioned)
        wanted = {name for name in mentioned if only_builtins or name == fn_name or not hasattr(builtins, name)}
        self.uses_objects = _uses_objects(code)
        self.offered = self._named_in_the_program(wanted)
        self._namespace = namespace
        namespace.update(self.offered)
        for name, attributes in _modules_used(code).items():
            module = _ALIASES.get(name, name)
            if module in sys.stdlib_module_names or module in _ALIASES.values():
                with contextlib.suppress(ImportError):  # the test hears of it where it uses it
                    found = importlib.import_module(module)
                    if name not in self.offered or all(hasattr(found, attribute) for attribute in attributes):
                        namespace[name] = found
        self._bound = _bound(code)
        solution = types.ModuleType(_SOLUTION)
        # What a test binds itself, as by another import, is not covered by all that the program has.
        importable = [name for name in self.offered if name not in self._bound]
        solution.__dict__.update(self.offered, __getattr__=self._of_the_module, __all__=importable)
        sys.modules[_SOLUTION] = solution
        self._module = solution.__dict__
        for name, value in self.offered.items():
            self.lend(None, name, value)
        self.is_alone = all(isinstance(value, _Reference) for value in self.offered.values())
        if self.is_alone:
            self._say({"ended": "alone"})

    def wait_for_answer(self) -> None:
        """What the program says reaches the test from here on."""
        if self.is_alone:
            self.is_alone = False
            self._say({})

    def refresh(self) -> None:
        """Take over what has become of the program's globals, where the test has put nothing else in their place."""
        placed = {name: value for name, value in self.offered.items() if not isinstance(value, _Reference)}
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
            if isinstance(value, (_Function, _Class)):
                object.__setattr__(value, "_known_to_test", True)
        return found

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
            known = next(base.__name__ for base in type(error).__mro__ if hasattr(builtins, base.__name__))
            return "raised", known, tuple(map(str, error.args))
        if operation in ("call", "next"):
            return "raised", "TypeError", ("this is not to be called or iterated",)
        raise self.lost("a question that a program may not ask")

    def cross(self, value: object) -> bytes | None:
        if isinstance(value, _Reference):
            return plain.extension(plain.dumps(("yours", value._index)))
        for coroutine, index in self._coroutines:
            if coroutine is value:
                return plain.extension(plain.dumps(("yours", index)))
        return super().cross(value)

    def takes(self, kind: type) -> bool:
        """No exceptions: how a test ends is told by their kinds."""
        return not issubclass(kind, BaseException)

    def name(self, value: object) -> tuple[object, ...] | None:
        if isinstance(value, (int, float, str, bytes, list, tuple, dict, set, frozenset)):
            return None
        named = str(getattr(value, "__name__", "function"))
        functions = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, type)
        # What the program asked for, or made itself, may be of any kind: it gets a name that tells it nothing.
        if self.answering or isinstance(value, functions) or type(value) in self._exceptions.values():
            return "mine", self.keep(value), named
        if isinstance(value, collections.abc.Iterator) or (isinstance(value, Exception) and _is_the_programs(value)):
            return "mine", self.keep(value), named
        why = f"the test passes an object of type {type(value).__name__!r} to the program"
        if self._is_asked_as_plain:
            raise TypeError(why)  # of what came from the program, where another would have returned plain data
        raise self.needs(why)

    def named(self, kind: str, index: Any, *rest: Any) -> object:
        if kind == "yours":
            return self.kept(index)
        if type(index) is not int:
            raise self.lost("not an index")
        if kind == "exception" and len(rest) == 2:
            return self._exception(index, *rest)
        if kind == "coroutine":
            self._coroutines.append((self._coroutine(index), index))
            return self._coroutines[-1][0]
        if kind not in _KINDS:
            raise self.lost("unknown kind of reference")
        known = self._references.get(index)
        if type(known) is not _KINDS[kind]:
            known = self._references[index] = _KINDS[kind](self, index, *rest[:2])
        return known

    async def _coroutine(self, index: int) -> object:
        return self.question("run", index)[0]

    def _exception(self, index: int, name: object, ancestors: object) -> type[Exception]:
        """A class for one of the program's own, below those made for its ancestors; a built-in one by another name."""
        if type(ancestors) is not list:
            raise self.lost("not an exception")
        if not ancestors:
            known: object = vars(builtins).get(str(name))
            # Not those that would catch what the test itself finds.
            if isinstance(known, type) and issubclass(known, Exception) and known not in (Exception, AssertionError):
                return known
            return self._exceptions.setdefault(index, self._made(str(name), Exception))
        parent = getattr(builtins, str(ancestors[-1]), Exception)
        if not (isinstance(parent, type) and issubclass(parent, Exception)):
            raise self.lost("not an exception")
        for ancestor in reversed(ancestors[:-1]):
            parent = self._made(str(ancestor), parent)
        return self._exceptions.setdefault(index, self._made(str(name), parent))

    def _made(self, name: str, parent: type[Exception]) -> type[Exception]:
        # One class a name: the program's class, sent twice, must be caught by what was sent first.
        known = next((kind for kind in self._exceptions.values() if kind.__name__ == name), None)
        made: type[Exception] = known or type(name, (parent,), {})
        return self._exceptions.setdefault(-1 - len(self._exceptions), made)

    def take_changes(self, given: Sequence[object], changed: object) -> None:
        """Make of the arguments of a call what the program has made of them."""
        if type(changed) is list and len(changed) == len(given):
            for old, new in zip(given, changed, strict=True):
                self.take_over(old, new)

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
        if len(rest) != (parts if outcome == "returned" else 4):
            raise self.lost("not an answer")
        if outcome == "returned":
            return rest
        kind, arguments, attributes, changed = rest
        self.take_changes(given, changed)
        raise self._raised(kind, arguments, attributes)

    def _raised(self, kind: Any, arguments: Any, attributes: Any) -> BaseException:
        if isinstance(kind, str):
            kind = getattr(builtins, kind, Exception)
        if not (isinstance(kind, type) and (issubclass(kind, Exception) or kind is SystemExit)):
            kind = Exception
        if issubclass(kind, (StopIteration, StopAsyncIteration)):
            kind = RuntimeError  # raised in the test, it would end a loop of the test's in silence
        try:
            error = kind(*arguments)
        except Exception:  # noqa: BLE001 - a class with a constructor of its own mind
            error = Exception(*arguments)
        for name, value in attributes.items() if type(attributes) is dict else ():
            if type(name) is str and not name.startswith("_"):
                with contextlib.suppress(AttributeError, TypeError):
                    setattr(error, name, value)
        error._of_the_program = True
        return error  # type: ignore[no-any-return]


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


class _Reference:
    """Something of the program's that stays where it is."""

    _test: _Test
    _index: int
    _made_by_test: _Reference | None
    _known_to_test: bool  # by a name, or as an object that it made
    _came_back: bool  # out of a call, where another program may have returned plain data
    _is_plains: bool  # a method called like one of plain data's, of an object that the test does not know
    _truth: bool | None

    def __init__(self, test: _Test, index: int, name: str = "", truth: bool | None = None) -> None:
        for attribute, value in (
            ("_test", test),
            ("_index", index),
            ("__name__", str(name)),
            ("_made_by_test", None),
            ("_known_to_test", False),
            ("_came_back", False),
            ("_is_plains", False),
            ("_truth", truth),
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
        answer = self._test.question("call", self._index, list(arguments), named, parts=6, given=given)
        returned, itself, changed, retained, shared, alias = answer
        self._test.take_changes(given, changed)
        for place, one in enumerate(given):
            if type(retained) is dict and type(retained.get(place)) is int:
                self._test.lend(retained[place], "", one)
        if type(itself) is int and 0 <= itself < len(given):
            return given[itself]
        if isinstance(returned, _Reference):
            object.__setattr__(returned, "_came_back", True)
        return self._test.one_with(values.share(given, returned, shared), alias)

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in _PREDICATES and self._made_by_test is None and isinstance(self, _Object):
            raise AttributeError(f"the program's own object has no {name!r} here")
        value = self._ask_one("get", name)
        if isinstance(value, _Reference) and not self._known_to_test and name in _PLAIN_ATTRIBUTES:
            object.__setattr__(value, "_is_plains", True)
        return value

    def __delattr__(self, name: str) -> None:
        self._ask("unset", name)

    def __setattr__(self, name: str, value: object) -> None:
        self._ask("set", name, value)

    def __hash__(self) -> int:
        return hash(self._index)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _Reference) and other._index == self._index:
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
        objects = [side for side in (self, other) if isinstance(side, _Reference)]
        if self._test.answering or (len(objects) == 1 and self._came_back):
            return  # the program asks, or has returned it where plain data was wanted
        if any(one._made_by_test for one in objects) and (len(objects) == 2 or self._test.uses_objects):
            raise self._test.needs(f"the test asks whether an object is {what}")


class _Function(_Reference):
    """A function, or whatever is called like one."""


class _Object(_Reference):
    """An object: what it does is asked of it, what it is is not."""

    def __iter__(self) -> Iterator[object]:
        iterator = self._ask("iter")
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
        try:
            items = list(self)
        except TypeError:
            self._undecidable("a member of another")
            raise
        return any(item is other or item == other for other in items)

    def __enter__(self) -> object:
        return self._ask_one("enter")

    def __exit__(self, *_: object) -> None:
        self._ask("exit")  # nothing that the block raised is for the program to swallow

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


class _Class(_Object):
    """A class: its instances are made by calling it."""

    def __call__(self, *arguments: Any, **named: Any) -> object:
        made = super().__call__(*arguments, **named)
        if isinstance(made, _Object) and self._is_expected:
            object.__setattr__(made, "_made_by_test", self)
            object.__setattr__(made, "_known_to_test", True)
            object.__setattr__(made, "_came_back", False)
        return made

    @property
    def _is_expected(self) -> bool:
        """Whether the test itself takes this for a class, by how it spells the name: no program decides that."""
        names = [name for name, offered in self._test.offered.items() if offered is self]
        return any(name.lstrip("_")[:1].isupper() for name in names)

    def __instancecheck__(self, instance: object) -> bool:
        self._test.uses_objects = True
        return isinstance(instance, _Reference) and self._ask_of("isinstance", instance)

    def __subclasscheck__(self, kind: object) -> bool:
        return isinstance(kind, _Reference) and self._ask_of("issubclass", kind)

    def _ask_of(self, what: str, other: _Reference) -> bool:
        return other._ask(what, self._index) is True

    def __mro_entries__(self, bases: tuple[object, ...]) -> NoReturn:
        raise self._test.needs("the test derives a class from the program's")


class _Valued(_Object):
    """An object of a class that derives from a built-in one: compared and computed with as that.

    One that the test did not make is read as that, too, whatever its class overrides: plain data may have been wanted.
    """

    def __init__(self, test: _Test, index: int, name: str = "", held: object = None) -> None:
        super().__init__(test, index, name)
        object.__setattr__(self, "_held", held if type(held) is tuple and len(held) == 1 else None)

    def _value(self) -> Any:
        held = object.__getattribute__(self, "_held")
        value = self._ask("value") if held is None else held[0]
        if isinstance(value, _Reference):
            raise self._test.lost("a value that is none")
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


_KINDS: Final[dict[str, type[_Reference]]] = {
    "function": _Function,
    "class": _Class,
    "object": _Object,
    "valued": _Valued,
}

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


def _of_the_value(name: str) -> Callable[..., object]:
    def operator(self: _Valued, *others: object) -> object:
        plain_others = [other._value() if type(other) is _Valued else other for other in others]
        operation = getattr(self._value(), f"__{name}__", None)
        return NotImplemented if operation is None else operation(*plain_others)

    return operator


for _name in f"{_COMPARISONS} {_OPERATORS}".split():
    setattr(_Object, f"__{_name}__", _refused(_name))
for _name in f"eq ne {_COMPARISONS} {_OPERATORS}".split():
    setattr(_Valued, f"__{_name}__", _of_the_value(_name))


def _instructions(code: types.CodeType) -> Iterator[dis.Instruction]:
    for part in _parts(code):
        yield from (one for one in dis.get_instructions(part) if one.opname != "EXTENDED_ARG")


def _mentioned(code: types.CodeType) -> set[str]:
    """Names that the test looks up, its own globals among them."""
    return {str(one.argval) for one in _instructions(code) if one.opname in ("LOAD_NAME", "LOAD_GLOBAL")}


def _uses_objects(code: types.CodeType) -> bool:
    """Whether the test uses something as no plain data is used, and no module: attributes of objects, their classes."""
    following = list(_instructions(code))
    modules = (sys.stdlib_module_names | _ALIASES.keys()) - _bound(code)
    modules |= {after.argval for one, after in itertools.pairwise(following) if one.opname == "IMPORT_NAME"}
    known = _PLAIN_ATTRIBUTES
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


def _bound(code: types.CodeType) -> set[str]:
    """Names that the test itself gives a meaning to."""
    return {str(one.argval) for one in _instructions(code) if one.opname in ("STORE_NAME", "STORE_GLOBAL")}


def _modules_used(code: types.CodeType) -> dict[str, set[str]]:
    """Names of which the test takes attributes, as one does of a module, and which it does not bind itself."""
    bound = _bound(code)
    used: dict[str, set[str]] = {}
    for one, after in itertools.pairwise(_instructions(code)):
        if one.opname in _LOADS and after.opname in _TAKES and one.argval not in bound:
            used.setdefault(str(one.argval), set()).add(str(after.argval))
    return used


def _parts(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _parts(constant)
