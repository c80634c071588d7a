"""The process that becomes the program: takes its limits upon itself, then runs it.

`native.c` forks the init, and the fork takes its limits upon itself; `become` goes on from there and does not return.
Nothing this process says from here on is trusted: a report says what a function returned or why the program ended, and
whoever writes a false one lies about himself only. It cannot hold an expected output, for none is in the jail.

A Python program sees what `python3 main.py` would show it: `__main__`, buffered standard streams over descriptors 0
to 2, `exit` and `quit`, its own traceback on stderr, exit functions, threads joined, objects finalised. Different on
purpose: the environment is empty, `random` and hashes are seeded alike in every run, and an int may have any number
of digits.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _sitebuiltins
import _thread
import atexit
import builtins
import contextlib
import errno
import fcntl
import gc
import io
import json
import linecache
import marshal
import os
import resource
import signal
import sys
import threading
import time
import traceback
import types
import typing
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NoReturn

from sandbox.inside import asserting, plain, prelude, serving, unrun, wire
from sandbox.inside.wire import CHANNEL_FD, CODE_FD, FAREWELL_FD, REPORT_FD, SOURCE_FD

# As they are before a program can replace them.
_fcntl: Final = fcntl.fcntl
_write: Final = os.write
_exit: Final = os._exit
_thread_time_ns: Final = time.thread_time_ns
_F_GETPIPE_SZ: Final = fcntl.F_GETPIPE_SZ

_SCRIPT: Final = "/tmp/main.py"  # noqa: S108 - a name for tracebacks; no such file exists
_ENCODING_BYTES: Final = 64  # of a value, which is no output of the program's
_FINALIZE_FAILED: Final = 120  # what CPython exits with when it cannot flush stdout at the end


def become(read_task: Callable[[], wire.Task]) -> NoReturn:
    """Become the program of a task, in the fork that was confined to be it.

    Never returns; whatever fails on the way does not end well.
    """
    try:
        task = read_task()
        _heed_interrupts()
        run = _Exec(task) if task.mode == "exec" else _Python(task)
        run()
    except MemoryError:
        report({"ended": "out_of_memory"})
    finally:
        _exit(1)


def become_script(*, heard: bool) -> NoReturn:
    """`become` for a script that has no arguments, which most programs are: with nothing to read, and little to do.

    `heard` is whether somebody listens for a farewell.

    Each object that is looked at here costs a page in every test.
    """
    try:
        _heed_interrupts()
        source = _source()
        code = _compiled(source)
        _close_source()
        exit_code = _script(source, code)
        if heard:
            _say_farewell(exit_code)
        _exit(exit_code)
    except MemoryError:
        report({"ended": "out_of_memory"})
    finally:
        _exit(1)


def _say_farewell(exit_code: int) -> None:
    """Say to whoever waits that this is the end: the kernel takes its time to give back what a process held."""
    try:
        _fcntl(FAREWELL_FD, _F_GETPIPE_SZ)  # the program may have put something else there
        _write(FAREWELL_FD, (_thread_time_ns() << 8 | exit_code).to_bytes(8, "little"))
    except OSError:  # nobody listens, or it has closed it
        pass


def _heed_interrupts() -> None:
    """What an init must not, and every interpreter does. Not by `signal`, which makes enumerations of numbers."""
    _signal.signal(_signal.SIGINT, _signal.default_int_handler)


def copy(fd: int, path: str) -> None:
    """Put a file where the program is to find it."""
    with open(path, "wb") as file:
        file.write(os.pread(fd, os.fstat(fd).st_size, 0))


def prepare(ours: str) -> None:
    """Make what every Python program finds, once: a fork pays for each page that it writes to.

    `ours` is where these modules were imported from, which no program is to find.
    """
    builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D (i.e. EOF)")
    builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D (i.e. EOF)")
    sys.argv = ["main.py"]
    _take_streams()
    prelude.prepare()
    sys.path.remove(ours)
    for name in [name for name in sys.modules if name.split(".")[0] == "sandbox"]:
        _ours[name] = sys.modules.pop(name)
    os.environ.clear()
    sys.set_int_max_str_digits(0)
    # Unlike CPython, which carries on after a write beyond the limit and fails later.
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    _thread.start_new_thread = threading._start_new_thread = _start_first_thread  # type: ignore[attr-defined]
    _rehearse()


# What programs commonly do, for `_rehearse`.
_REHEARSED: Final = b"""
import sys
from collections import defaultdict
class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y
def total(numbers):
    result = 0
    for index, number in enumerate(numbers):
        if number % 2 == 0 or index > len(numbers):
            result += number
    return result
count = int(input())
rows = [list(map(int, sys.stdin.readline().strip().split())) for _ in range(count)]
seen = defaultdict(list)
for row in sorted(rows, key=lambda row: row[0]):
    seen[tuple(row)].append(Point(*row))
print(total(rows[0]), max(map(max, rows)), sep=" ")
print(" ".join(str(point.x) for points in seen.values() for point in points), f"{sum(rows[1])}")
print("".join(reversed("abc")), sys.stdin.read().split(), {1, 2} | {3}, {"a": 1}.get("b", 2.5), -7 // 2)
"""
LEAST: Final = b"print(input())"  # what nearly every program does
_REHEARSED_INPUT: Final = b"2\n3 4\n1 2\nrest of it\n"
_REHEARSALS: Final = 24  # after so many runs the interpreter has specialised what it goes through


def _rehearse() -> None:
    """Run a small program in this very process, some times over.

    The interpreter adapts its code to what it meets and remembers where it found attributes. What it has learnt here,
    no fork learns again, writing to pages that would be shared otherwise.
    """
    _ours["__main__"] = sys.modules["__main__"]
    compiled = marshal.dumps(compile(_REHEARSED, _SCRIPT, "exec", dont_inherit=True))
    for number in range(_REHEARSALS):
        with on_stage(_REHEARSED, _REHEARSED_INPUT, compiled if number else b""):
            perform()


@contextlib.contextmanager
def on_stage(source: bytes, stdin: bytes, code: bytes = b"") -> Iterator[None]:
    """Have the descriptors of a program while the block lasts; `code` is what an earlier run compiled."""
    own = [os.dup(fd) for fd in range(3)]
    given = {0: stdin, 1: b"", 2: b"", REPORT_FD: b"", SOURCE_FD: source, CODE_FD: code}
    for fd, content in given.items():
        file = os.memfd_create("rehearsal")
        os.pwrite(file, content, 0)
        os.dup2(file, fd)
        os.close(file)
    heard, said = os.pipe()
    os.dup2(said, FAREWELL_FD)
    _take_streams()
    try:
        yield
    finally:
        for fd in (REPORT_FD, SOURCE_FD, CODE_FD, FAREWELL_FD, heard, said):
            with contextlib.suppress(OSError):
                os.close(fd)
        for fd, kept in enumerate(own):
            os.dup2(kept, fd)
            os.close(kept)
        _take_streams()


def perform() -> None:
    """Run the script that is on stage as a program is run, but for its end."""
    source = _source()
    code = _compiled(source)
    _close_source()
    exit_code = _script(source, code)
    _say_farewell(exit_code)
    said = os.pread(2, 4096, 0)
    assert exit_code == 0, said.decode()


_streams: Final[list[Any]] = []


def _take_streams() -> None:
    _streams.clear()
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        stream = _stream(fd)
        _streams.append(stream)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


_ours: Final[dict[str, types.ModuleType]] = {}  # out of the program's sight, and alive


class _Exec:
    """A program of its own, from a path or from a sealed image in memory."""

    def __init__(self, task: wire.Task) -> None:
        self._task = task

    def __call__(self) -> None:
        # Threads of a native program take stacks of the size of the stack limit each, untouched for the most part.
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
        _restore_signals()
        target: Any = CHANNEL_FD if self._task.image else self._task.argv[0]
        try:
            os.execve(target, list(self._task.argv), dict(self._task.environment))  # noqa: S606
        except OSError as error:
            # Too large for its limits, or no program at all: either way it is what was submitted.
            os.write(2, f"cannot start: {os.strerror(error.errno or errno.ENOEXEC)}\n".encode())
            _exit(127)


def _restore_signals() -> None:
    for number in (signal.SIGPIPE, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


class _Python:
    """A Python program, run by this very interpreter."""

    def __init__(self, task: wire.Task) -> None:
        self._task = task
        self._source = _source()
        self._code = _compiled_test(self._source) if task.mode == "assert" else _compiled(self._source)
        _close_source()
        sys.argv[1:] = task.argv

    def __call__(self) -> None:
        exit_code = self.exit_code()
        _say_farewell(exit_code)
        _exit(exit_code)

    def exit_code(self) -> int:
        """Run the program; what it ends with."""
        if self._task.mode == "script":
            return _script(self._source, self._code)
        if isinstance(self._code, Exception):
            return _not_compiled(self._code)
        match self._task.mode:
            case "call":
                return self._call(self._code)
            case "prepare":  # compiled is what it is now
                return 0
            case "serve":
                return self._serve(self._code)
            case "assert":
                return self._assert(self._code)
            case _:
                return self._together(self._code)

    def _call(self, code: types.CodeType) -> int:
        arguments = json.loads(_take_stdin())
        fn_name = str(self._task.fn_name)
        module = _module("solution", {"__builtins__": prelude.names(code)})

        def call() -> None:
            sys.setrecursionlimit(prelude.RECURSION_LIMIT)
            exec(code, module.__dict__)  # noqa: S102
            returned = prelude.find(module.__dict__, fn_name)(*arguments)
            try:
                encoded = plain.dumps(
                    returned, max_bytes=self._task.output_bytes + _ENCODING_BYTES, extend=prelude.as_plain
                )
            except (plain.NotPlainError, RecursionError) as error:
                report({"ended": "not_plain", "message": str(error)})
            else:
                report({"ended": "returned", "value": encoded})

        return self._ending(call)

    def _serve(self, code: types.CodeType) -> int:
        _take_stdin()
        module = _module("solution", {"__builtins__": prelude.names(code)})

        def serve() -> None:
            exec(code, module.__dict__)  # noqa: S102
            serving.serve(CHANNEL_FD, module.__dict__)

        return self._ending(serve)

    def _assert(self, code: types.CodeType) -> int:
        nonce = _take_stdin()

        def say(ended: dict[str, str]) -> None:
            report({"nonce": nonce, **ended})

        say(asserting.run_assertions(CHANNEL_FD, code, self._task.fn_name, say))
        return 0

    def _together(self, code: types.CodeType) -> int:
        """The program and its test in one process: whoever asks for this believes what it reports."""
        nonce, source = plain.loads(_take_stdin())
        module = _module("solution")
        vars(builtins).update(prelude.names(code))  # not a copy: the test may replace some of them

        def run() -> None:
            exec(code, module.__dict__)  # noqa: S102
            report({"nonce": nonce, **asserting.run_together(module, source, self._task.fn_name)})

        return self._ending(run)

    def _ending(self, body: Callable[[], object]) -> int:
        """Run `body`; what it ends with."""
        try:
            body()
        except BaseException as error:  # noqa: BLE001 - as the interpreter does at its top level
            return _ended_by(self._source, error)
        return 0


def _source() -> bytes:
    return os.pread(SOURCE_FD, os.lseek(SOURCE_FD, 0, os.SEEK_END), 0)


def _close_source() -> None:
    os.close(SOURCE_FD)
    os.close(CODE_FD)


def _compiled(source: bytes) -> types.CodeType | Exception:
    """Compile, or take what an earlier run of the same submission compiled: hostile bytes in a hostile process."""
    size = os.lseek(CODE_FD, 0, os.SEEK_END)
    if size:
        try:
            code = marshal.loads(os.pread(CODE_FD, size, 0))  # noqa: S302 - by the same author as what it runs
        except (EOFError, ValueError, TypeError):  # it was killed while it wrote that
            code = None
        if isinstance(code, types.CodeType):
            return code
    try:
        code = compile(source, _SCRIPT, "exec", dont_inherit=True)
    except Exception as error:  # noqa: BLE001 - whatever the compiler makes of it, it is about the source
        return error
    with contextlib.suppress(ValueError):  # nested too deep to be kept; then every run compiles it
        compiled = marshal.dumps(code)
        if os.pwrite(CODE_FD, compiled, 0) != len(compiled):  # beyond what the program may write
            os.ftruncate(CODE_FD, 0)
    return code


def _compiled_test(source: bytes) -> types.CodeType | Exception:
    try:
        return unrun.compiled(source, _SCRIPT)
    except Exception as error:  # noqa: BLE001 - whatever the compiler makes of it, it is about the task's test
        return error


def _not_compiled(error: Exception) -> int:
    text = "".join(traceback.format_exception_only(error))
    report({"ended": "not_compiled", "message": text[:4000]})
    return 1


def _script(source: bytes, code: types.CodeType | Exception) -> int:
    """Run a script as `__main__`; what it ends with."""
    if isinstance(code, Exception):
        return _not_compiled(code)
    try:
        exec(code, _module("__main__", {"__annotations__": {}}).__dict__)  # noqa: S102 - what we are here for
        exit_code = 0
        _flush_both()
    except BaseException as error:  # noqa: BLE001 - as the interpreter does at its top level
        _flush_both()
        exit_code = _ended_by(source, error)
    return _finalize(exit_code)


def _flush_both() -> None:
    """As the interpreter does when a text has come to its end, before threads and exit functions go on."""
    _flush(getattr(sys, "stderr", None))
    _flush(getattr(sys, "stdout", None))


def _ended_by(source: bytes, error: BaseException) -> int:
    """The exit code Python would end with, after printing what Python would print."""
    if isinstance(error, SystemExit):
        return _exit_code(error)
    if isinstance(error, MemoryError):
        report({"ended": "out_of_memory"})
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != _SCRIPT:
        trace = trace.tb_next
    lines = source.decode("utf-8", "replace").splitlines(keepends=True)
    linecache.cache[_SCRIPT] = (len(source), None, lines, _SCRIPT)
    if sys.excepthook is sys.__excepthook__:
        traceback.print_exception(type(error), error, trace)
        return 1
    try:
        sys.excepthook(type(error), error, trace)
    except SystemExit as ended:
        return _exit_code(ended)
    except BaseException as failed:  # noqa: BLE001 - as the interpreter has it
        print("Error in sys.excepthook:", file=sys.stderr)  # noqa: T201
        traceback.print_exception(failed)
        print("\nOriginal exception was:", file=sys.stderr)  # noqa: T201
        traceback.print_exception(type(error), error, trace)
    return 1


def _finalize(exit_code: int) -> int:
    """End as an interpreter does: join threads, run exit functions, let go of the program, flush."""
    sys.settrace(None)  # what is ours is not for the program to see, nor to fail in
    sys.setprofile(None)
    if _thread.start_new_thread is not _start_first_thread or threading._threading_atexits:  # type: ignore[attr-defined]
        threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    failed = not _flush(getattr(sys, "stdout", None))
    sys.stdout, sys.stderr = _streams[1:]
    _let_go()
    for stream in _streams[1:]:
        failed |= not _flush(stream)
    return _FINALIZE_FAILED if failed and exit_code == 0 else exit_code


class _Held:
    """Is there as long as the globals that it was put into."""


def _let_go() -> None:
    """Have finalised what the program has made, with its globals as they are for as long as that is possible."""
    gc.collect()
    main = sys.modules.pop("__main__", None) if isinstance(sys.modules, dict) else None
    if not isinstance(main, types.ModuleType):
        return
    held = main.__dict__["__loader__"] = _Held()
    is_held = weakref.ref(held)
    del main, held
    gc.collect()  # nobody else holds it, as a rule, but what it holds itself
    if is_held() is None:
        return
    for number in _signal.valid_signals():
        if callable(_signal.getsignal(number)):
            _signal.signal(number, _signal.SIG_DFL)
    for clear in typing._cleanups:  # type: ignore[attr-defined]
        clear()
    gc.collect()
    for names in gc.get_referrers(is_held()):
        if type(names) is dict:
            for name in sorted(names, key=lambda name: not str(name).startswith("_")):
                if name != "__builtins__":
                    names[name] = None
    gc.collect()


def report(what: dict[str, object]) -> None:
    """Tell the far side what happened, once; a later report replaces an earlier one."""
    encoded = plain.dumps(what)
    with contextlib.suppress(OSError):
        os.ftruncate(REPORT_FD, 0)
        os.pwrite(REPORT_FD, encoded, 0)


def _module(name: str, names: Mapping[str, object] = types.MappingProxyType({})) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__dict__.update(__builtins__=builtins, __file__=_SCRIPT, __cached__=None)
    module.__dict__.update(names)
    sys.modules[name] = module
    return module


def _stream(fd: int) -> io.TextIOWrapper:
    mode = "w" if fd else "r"
    raw = io.FileIO(fd, mode, closefd=False)
    raw.name = ("<stdin>", "<stdout>", "<stderr>")[fd]
    buffer: Any = io.BufferedReader(raw) if mode == "r" else io.BufferedWriter(raw)
    errors = "backslashreplace" if fd == 2 else "surrogateescape"
    unbuffered = fd == 2
    stream = io.TextIOWrapper(buffer, "utf-8", errors, "\n", write_through=unbuffered, line_buffering=unbuffered)
    stream.mode = mode  # type: ignore[misc]
    return stream


_start_new_thread: Final = _thread.start_new_thread


def _start_first_thread(*arguments: Any) -> int:
    """Start a thread, and lift the soft limit on private memory first.

    Until then memory that was asked for counts, touched or not. The stacks of threads are asked for in large pieces
    and hardly touched, so from then on only what is held counts. A program may lift it itself: the hard limits are
    elsewhere.
    """
    _thread.start_new_thread = threading._start_new_thread = _start_new_thread  # type: ignore[attr-defined]
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
    return _start_new_thread(*arguments)


def _take_stdin() -> bytes:
    """Read what the far side sent on stdin, and leave the program an empty one."""
    sent = os.pread(0, os.fstat(0).st_size, 0)
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return sent


def _flush(stream: Any) -> bool:
    try:
        if stream is not None and not _is_closed(stream):
            stream.flush()
    except BaseException:  # noqa: BLE001 - the program's own object, at its end
        return False
    return True


def _is_closed(stream: Any) -> bool:
    try:
        return bool(stream.closed)
    except Exception:  # noqa: BLE001 - as the interpreter has it: what cannot be told is flushed
        return False


def _exit_code(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF if -(1 << 63) <= error.code < 1 << 63 else 255
    print(error.code, file=sys.stderr)  # noqa: T201
    return 1
