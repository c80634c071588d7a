"""The structures and functions of the C files beside this: what every test and every submission goes through.

The library is built when the package is installed and brought into the jail as a file; `load` opens it, once. It is
called with the interpreter lock held. Every function raises OSError when the kernel refuses.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import Any, Final

from sandbox.inside import wire

_MAX_FDS: Final = 16
_MAX_MESSAGE_BYTES: Final = 128 * 1024
_CORES_BYTES: Final = 128
_MAX_RANGES: Final = 256
_COMPLAINT_BYTES: Final = 64
_NONE: Final = -1


class SetUpError(Exception):
    """What was to become a program failed before it was one."""


# Why `serve` needs its caller; see `native.c`. Plain numbers: a fork pays for each object that it looks at.
CLOSED: Final = 0
TO_ENTER: Final = 1
TO_START: Final = 2
BECAME: Final = 3
BECAME_SCRIPT: Final = 4
BECAME_HEARD_SCRIPT: Final = 5
RUNNING: Final = 6
ENDED: Final = 7


class Context(ctypes.Structure):
    """What is the same for every run of a submission."""

    complaint: int
    disk_bytes: int
    n_written: int
    written: ctypes.Array[ctypes.c_int64]
    pinned: int
    cores_allowed: ctypes.Array[ctypes.c_uint8]
    reference: Any

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("channel", "proc_fd", "code_fd", "loadavg_fd", "cores")),
        *((name, ctypes.c_int64) for name in ("filter", "complaint", "complaint_bytes", "series")),
        ("tmp_changed_at_ns", ctypes.c_int64),
        *((f"{name}_fd", ctypes.c_int64) for name in wire.GROUP_FILES),
        *((name, ctypes.c_int64) for name in ("disk_bytes", "inodes", "standby_pid", "standby_fd", "n_written")),
        ("written", ctypes.c_int64 * (2 * _MAX_RANGES)),
        ("pinned", ctypes.c_int64),
        ("cores_allowed", ctypes.c_uint8 * _CORES_BYTES),
        ("submission_filter", ctypes.c_int64),
        ("program_filters", ctypes.c_int64 * 2),
    )


class Run(ctypes.Structure):
    """One request, as it was received, and what came of it."""

    pid: int
    started_ns: int
    status: int
    n_fds: int
    view: memoryview
    reference: Any
    length: int
    reason: int
    cpu_us: int
    rss_kb: int
    starved_us: int
    one_process: bool

    _fields_ = (
        *((name, ctypes.c_int64) for name in wire.ANSWER_FIELDS),
        *((name, ctypes.c_int64) for name in ("pid", "started_ns", "usage_before", "kills_before")),
        *((name, ctypes.c_int64) for name in ("ooms_before", "cpu_before", "limit_bytes", "cached_before")),
        *((name, ctypes.c_int64) for name in ("printed_bytes", "pidfd", "farewell_fd", "lingers")),
        *((name, ctypes.c_int64) for name in ("n_fds", "length")),
        ("fds", ctypes.c_int32 * _MAX_FDS),
        ("message", ctypes.c_char * _MAX_MESSAGE_BYTES),
    )

    def text(self, start: int = 0) -> bytes:
        """The message from `start` on."""
        return ctypes.string_at(ctypes.addressof(self) + Run.message.offset + start, self.length - start)

    def request(self) -> wire.Request:
        """The message as a request."""
        return wire.Request.of(self.text())

    def task(self) -> wire.Task:
        """The task of the message as a request."""
        # What comes behind it in the buffer is not read.
        return wire.Task.of(self.view[_TASK_OFFSET:])

    def setting(self) -> wire.Setting:
        """The message as what a submission finds around it."""
        return wire.Setting.of(self.text())

    def add(self, fd: int, target: int) -> None:
        """Give the program one more descriptor, a duplicate of `fd`."""
        index = self.n_fds
        self.fds[index] = os.dup(fd)
        self.n_fds = index + 1
        ctypes.c_int64.from_buffer(self, Run.message.offset + wire.PLACES_OFFSET + 8 * index).value = target

    def uncount_processes(self) -> None:
        """Leave it to the caller to count the processes of the program."""
        ctypes.c_int64.from_buffer(self, Run.message.offset + wire.PROCESSES_OFFSET).value = _NONE


_library: Any = None
_serve: Any = None


def load(path: str) -> None:
    """Open the library. Raises OSError where it is not there or cannot be run here."""
    global _library, _serve
    _library = ctypes.PyDLL(path)
    _serve = _library.native_serve
    steps = ("new_pages", "stand_alone", "enter", "make_ready", "renew_tmp")
    for name in (*steps, "nurse", "serve", "start", "wait", "group_cpu_us", "answer", "clone", "drop_bounding_set"):
        getattr(_library, f"native_{name}").restype = ctypes.c_int64
    sizes = (ctypes.c_int64 * 5)()
    _library.native_sizes(sizes)
    ours = [ctypes.sizeof(Context), wire.SETTING_BYTES, wire.REQUEST_BYTES, wire.ANSWER_BYTES, ctypes.sizeof(Run)]
    if list(sizes) != ours:
        raise OSError(f"the library was built from other sources: {list(sizes)}, not {ours}")


_TASK_OFFSET: Final = Run.message.offset + wire.REQUEST_BYTES


def new_context() -> Context:
    """A context in which nothing is open yet."""
    context = Context(channel=_NONE)
    for name in ("proc_fd", "code_fd", "loadavg_fd", *(f"{name}_fd" for name in wire.GROUP_FILES)):
        setattr(context, name, _NONE)
    context.cores = len(os.sched_getaffinity(0))
    context.reference = ctypes.byref(context)
    return context


def learn_what_is_written(context: Context, perform: Callable[[], None]) -> None:
    """Find out which pages a program writes to, from a fork that does what programs do."""
    near, far = os.pipe()
    pid = clone(0)
    if pid == 0:
        try:
            perform()
            _library.native_tell_written(far)
        finally:
            os._exit(0)
    os.close(far)
    told = os.read(near, ctypes.sizeof(context.written))
    os.close(near)
    os.waitpid(pid, 0)
    ctypes.memmove(context.written, told, len(told))
    context.n_written = len(told) // 16


def pin(context: Context, index: int) -> None:
    """Keep to one of the cores that this process may use, by number; forks do until they `unpin`."""
    allowed = sorted(os.sched_getaffinity(0))
    if allowed[-1] >= 8 * _CORES_BYTES:
        return
    for core in allowed:
        context.cores_allowed[core // 8] |= 1 << core % 8
    os.sched_setaffinity(0, {allowed[index % len(allowed)]})
    context.pinned = 1


def unpin(context: Context) -> None:
    """Use every core again, in a fork."""
    _library.native_unpin(context.reference)


def ahead_seconds(context: Context) -> tuple[float, float]:
    """What the process of the first program used before it was told what to become, and waited for a core."""
    cpu_us, waited_ns = (ctypes.c_int64 * 2).from_address(context.complaint + _COMPLAINT_BYTES)
    return cpu_us / 1e6, waited_ns / 1e9


def new_pages(context: Context) -> None:
    """Take the memory in which a process and its forks differ. `stand_alone` and `begin` do."""
    _checked(_library.native_new_pages(ctypes.byref(context)), "mmap")


def stand_alone(context: Context, socket_fd: int) -> None:
    """Be nothing of the zygote's but its child: neither in its session, nor with its descriptors but the socket."""
    _checked(_library.native_stand_alone(ctypes.byref(context), socket_fd), "a fork of the zygote")


def enter(context: Context, run: Run) -> None:
    """Make the room that the message asks for, and be in it."""
    _step(context, _library.native_enter(ctypes.byref(context), ctypes.byref(run)))


def make_ready(context: Context) -> None:
    """Make what every run takes, and take on what every run inherits. `enter` does."""
    _step(context, _library.native_make_ready(ctypes.byref(context)))


def renew_tmp(context: Context) -> None:
    """Leave nothing in /tmp, where it is a file system of our own."""
    _step(context, _library.native_renew_tmp(ctypes.byref(context)))


def new_run() -> Run:
    """Where messages are received."""
    run = Run()
    run.view = memoryview(run).cast("B")
    run.reference = ctypes.byref(run)
    return run


def complain(context: Context, what: str) -> None:
    """Say in a fork why it became no program."""
    text = what.encode()[:59] + b"\0"
    ctypes.memmove(context.complaint + 4, text, len(text))
    ctypes.c_int32.from_address(context.complaint).value = 1


def check_complaint(context: Context) -> None:
    """Raise SetUpError if the last fork became no program."""
    error = ctypes.c_int32.from_address(context.complaint).value
    if error:
        step = ctypes.string_at(context.complaint + 4).decode(errors="replace")
        raise SetUpError(f"{step}: {os.strerror(error)}")


def nurse(context: Context, run: Run, control_fd: int, namespaces: int) -> int | None:
    """Start an init in new namespaces for each number and socket that come over `control_fd`; None when it is closed.

    In an init this returns when it needs its caller: why, as `serve` says it, or what failed for `found`.
    """
    event = ctypes.c_int64()
    arguments = (context.reference, run.reference, control_fd, ctypes.c_int64(namespaces), ctypes.byref(event))
    return None if _checked(_library.native_nurse(*arguments), "the nursery") else event.value


def serve(context: Context, run: Run) -> int:
    """Answer requests until the caller is needed, and say why. Raises OSError."""
    return found(context, _serve(context.reference, run.reference))


def found(context: Context, event: int) -> int:
    """Why the caller is needed. Raises OSError if that is a failure."""
    return event if event >= 0 else _step(context, event)


def start(context: Context, run: Run) -> int:
    """Fork for a request: 0 in what is to become the program, its process id here."""
    return _checked(_library.native_start(ctypes.byref(context), ctypes.byref(run)), "start")


def confined(context: Context) -> None:
    """Put what the far side would believe out of reach, in a fork that has put up its walls."""
    _library.native_confined(ctypes.byref(context))


def wait(context: Context, run: Run, seconds: float | None) -> bool:
    """Await the program for so long, and reap it. None: to its end, whatever the far side does meanwhile.

    Raises BrokenPipeError when the far side is gone.
    """
    alone = seconds is None
    milliseconds = _NONE if seconds is None else int(seconds * 1000)
    found = _library.native_wait(ctypes.byref(context), ctypes.byref(run), milliseconds, int(alone))
    return bool(_checked(found, "wait"))


def group_cpu_seconds(context: Context, run: Run) -> float | None:
    """What the slot has used since the run began; None where nobody counts that."""
    used: int = _library.native_group_cpu_us(ctypes.byref(context), ctypes.byref(run))
    return used / 1e6 if used >= 0 else None


def finish(context: Context, run: Run) -> bool:
    """End and count whatever else the program started, with namespaces. Whether /tmp is as it was mounted."""
    return bool(_library.native_finish(ctypes.byref(context), ctypes.byref(run)))


def refuse(run: Run, reason: int) -> None:
    """Answer a run that was not started as one that has passed a limit."""
    ctypes.memset(ctypes.byref(run), 0, wire.ANSWER_BYTES)
    run.reason = reason
    run.status = 1 << 8


def answer(context: Context, run: Run, product_fd: int | None) -> None:
    """Say how the run ended."""
    fd = _NONE if product_fd is None else product_fd
    _checked(_library.native_answer(ctypes.byref(context), ctypes.byref(run), fd), "answer")


def close_descriptors(run: Run) -> None:
    """Close what came with the message."""
    _library.native_close_descriptors(ctypes.byref(run))


def clone(flags: int) -> int:
    """Fork into new namespaces: 0 in the child, its process id in the parent. The caller has one thread."""
    return _checked(_library.native_clone(ctypes.c_int64(flags)), "clone")


def drop_bounding_set() -> None:
    """Take every capability out of what an exec could give back."""
    _checked(_library.native_drop_bounding_set(), "bounding set")


def _step(context: Context, result: int) -> int:
    """The result, unless it is an error, which left word of where it happened."""
    where = ctypes.string_at(context.complaint + 4).decode(errors="replace") if result < 0 and context.complaint else ""
    return _checked(result, where or "the library")


def _checked(result: int, what: str) -> int:
    if result < 0:
        raise OSError(-result, f"{what}: {os.strerror(-result)}")
    return result
