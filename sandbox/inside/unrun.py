"""What a test has been seen to do, and what it leaves to whoever runs it: `check`, test functions, test cases."""

from __future__ import annotations

import contextlib
import importlib
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, Final

from sandbox.inside import collected
from sandbox.inside.mentions import bound, called_at_top, imports

_COUNTER: Final = "__asserted__"
_RUNS: Final = "__runs__"
_CERTAIN: Final = "__certain__"
# What a test raises that is not to be counted: by module and name, for neither may be imported.
_GIVING_UP: Final = {("unittest.case", "SkipTest"), ("_pytest.outcomes", "Skipped"), ("_pytest.outcomes", "XFailed")}
OBJECTS: Final = "__objects__"  # mentioned by the code of a test that uses what it makes as objects


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

        def visit_With(self, node: ast.With) -> ast.AST:
            """What stands in the block itself is raised whenever its end is reached."""
            self.generic_visit(node)
            for statement in node.body:
                if isinstance(statement, ast.Raise) and statement.exc is not None:
                    told = ast.Call(ast.Name(_CERTAIN, ast.Load()), [statement.exc], [])
                    statement.exc = ast.copy_location(told, statement)
            return node

    tree = Counting().visit(ast.parse(source, filename))
    made = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name)
        for target in node.targets
        if isinstance(target, ast.Name) and node.value.func.id.lstrip("_")[:1].isupper()
    }
    for node in ast.walk(tree):
        match node:
            case ast.Expr(ast.Call(ast.Attribute(ast.Name(name)))) if name in made:
                # A method, for what it does: whatever it is called, this is no plain data.
                tree.body.append(ast.copy_location(ast.Expr(ast.Call(ast.Name(OBJECTS, ast.Load()), [], [])), node))
                break
    code = compile(ast.fix_missing_locations(tree), filename, "exec", dont_inherit=True)
    assert isinstance(code, types.CodeType)
    return code


class NoFunctionError(Exception):
    """The program does not define what the test is about."""


class Tally:
    """What a test has been seen to do."""

    def __init__(self) -> None:
        self.offered: dict[str, Any] = {}  # what it was given of the program's
        self.asked = 0  # questions to the program, and assertions that held
        self.ended: dict[int, bool] = {}  # by its first line, whether a test function has always ended well
        self.needed: str | None = None  # why it needs objects
        self.gone = False  # the program is

    @property
    def hooks(self) -> dict[str, object]:
        """What the code of `compiled` calls, by name."""
        return {_COUNTER: self.count, _RUNS: self.runs, _CERTAIN: self.certain, OBJECTS: lambda: None}

    def count(self) -> None:
        """An assertion held."""
        self.asked += 1

    @staticmethod
    def certain(raised: Any) -> Any:
        """An exception that a `with` block raises whatever comes before it."""
        error = raised() if isinstance(raised, type) and issubclass(raised, BaseException) else raised
        if isinstance(error, BaseException):
            error.__dict__["_certain"] = True
        return error

    @contextlib.contextmanager
    def runs(self, line: int) -> Iterator[None]:
        """While a test function runs. One that gives itself up for what the program has answered has failed."""
        before = self.asked
        try:
            yield
        except BaseException as error:  # a skip and an exit, too: it goes on, and this has not ended well
            self.ended[line] = False
            if self.asked > before and (type(error).__module__, type(error).__name__) in _GIVING_UP:
                raise AssertionError(collected.GIVEN_UP) from None
            raise
        self.ended.setdefault(line, True)


def prepare(code: types.CodeType) -> None:
    """Make ready for what the test is about to import."""
    if imports(code, "pytest"):
        with contextlib.suppress(ImportError):  # the test hears of it
            collected.keep_back()


def run_what_waits(
    namespace: dict[str, Any],
    main: types.ModuleType,
    code: types.CodeType,
    test: Tally,
    fn_name: str | None,
    *,
    left: bool,
) -> None:
    """Call what the test defines to be called by whoever runs it, where it has not called it itself.

    What it called and let fail is called again. A test that `left` has run its test cases, as `unittest.main` does.
    """
    called = called_at_top(code)
    check = namespace.get("check")
    if isinstance(check, types.FunctionType) and "check" not in called:
        if fn_name is None or fn_name not in test.offered:
            raise NoFunctionError
        check(test.offered[fn_name])
    if imports(code, "pytest"):
        own = {name: namespace[name] for name in bound(code) if name in namespace}
        _run_by_pytest({name: value for name, value in own.items() if value is not test.offered.get(name)}, test)
        return
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
    counted = [_run_case(unittest, case, test) for case in cases]
    if counted and not (any(counted) or waiting or plain):
        raise collected.NotCollectedError("every test was skipped")


def _run_by_pytest(namespace: dict[str, Any], test: Tally) -> None:
    try:
        collected.run(namespace, lambda: test.asked)
    except SystemExit as error:
        if is_the_programs(error):
            raise
        raise AssertionError("a test exits") from None  # as pytest has it


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
        if not left_well(error):
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


def _run_case(unittest: Any, case: Any, test: Tally) -> int:
    """Run the methods of a test case; how many were not skipped."""

    class Result(unittest.TestResult):  # type: ignore[misc]
        asked = 0

        def startTest(self, one: Any) -> None:  # noqa: N802 - as the base has it
            self.asked = test.asked
            super().startTest(one)

        def addSkip(self, one: Any, reason: str) -> None:  # noqa: N802 - as the base has it
            super().addSkip(one, reason)
            if test.asked > self.asked:
                self.failures.append((one, f"AssertionError: {collected.GIVEN_UP}"))

    result: Any = Result()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    counted: int = result.testsRun - len(result.skipped)
    if test.gone or test.needed is not None:
        return counted  # whatever became of that
    for _, trace in [*result.failures, *result.errors]:
        raise AssertionError(trace.strip().rpartition("\n")[2])
    if result.unexpectedSuccesses:
        raise AssertionError("unexpected success")
    return counted


def left_well(error: BaseException) -> bool:
    """Whether the test itself left, as `unittest.main()` does when all went well."""
    return isinstance(error, SystemExit) and not is_the_programs(error) and not error.code


def is_the_programs(error: BaseException) -> bool:
    """Whether the program has raised it."""
    return error.__dict__.get("_of_the_program") is True
