"""One program, one input: what to send into a session, and what its ending means.

The classification is a pure function of what the kernel and the init saw; nothing that the program printed can better
it. What a Python program reports about itself only ever tells one failure from another, or carries what it returned.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sandbox.image import sealed
from sandbox.inside import plain, wire
from sandbox.models import Limits, Verdict
from sandbox.runs import Outcome, Program
from sandbox.slot import Ending, Session

STARVED_SHARE: Final = 0.1  # of a wall limit: who had no core for longer is not told by it
_STDERR_BYTES: Final = 64 * 1024
_MIB: Final = 1024 * 1024
# How run-times that are refused memory end; told from a crash by what they say, for they fail either way.
_MEMORY_CRIES: Final = (b"std::bad_alloc", b"OutOfMemoryError", b"JavaScript heap out of memory", b"MemoryError")
# How run-times that are refused a process end, as they say.
_REFUSAL_CRIES: Final = (b"Operation not permitted", b"EPERM")
_ONE_PROCESS: Final = "on this host, which has no namespaces, a program has one process and starts no other"


async def run(
    session: Session,
    program: Program,
    stdin: bytes,
    limits: Limits,
    *,
    channel: int | None = None,
    slot_mb: int | None = None,
) -> Outcome:
    """Run a program once. Raises SlotDiedError when we failed.

    `slot_mb` is what the slot may hold with it and what runs beside it, 0 where the other one of the two says that.
    """
    ticket = session.hold()
    own: list[int] = []
    try:
        fds = _descriptors(session, program, stdin, channel, own)
        task = _task(program, limits, tuple(fds))
        ending = await session.run(ticket, task, fds, limits, program.least_processes, slot_mb=slot_mb)
        product = _read_product(ending, limits)
        return await _outcome_of(ending, fds, limits, product, program.mode)
    finally:
        for fd in own:
            os.close(fd)
        session.release(ticket)


async def run_series(session: Session, program: Program, inputs: Sequence[bytes], limits: Limits) -> list[Outcome]:
    """Run a program on the first inputs, one at least. Raises SlotDiedError when we failed.

    The program is `Program.single`. No more inputs than `wire.LONGEST_SERIES`, none of them larger than
    `wire.LARGEST_INPUT_BYTES`.
    """
    ticket = session.hold()
    own: list[int] = []
    try:
        name = "source" if program.image is None else "image"
        task = _task(program, limits, (name, *wire.SERIES_NAMES))
        shared = session.sealed(program.source) if program.image is None else session.held(program.image)
        endings, own = await session.run_series(ticket, task, shared, inputs, limits, program.least_processes)
        outcomes = []
        for ending, printed in endings:
            if printed is None:
                fds = dict(zip(("stdout", "stderr", "report"), own, strict=True))
                outcomes.append(await _outcome_of(ending, fds, limits, None, program.mode))
            else:
                overflow = max(len(printed.stdout), len(printed.stderr)) > limits.output_bytes
                outcomes.append(_outcome(ending, printed, limits, overflow=overflow))
        return outcomes
    finally:
        for fd in own:
            os.close(fd)
        session.release(ticket)


def _task(program: Program, limits: Limits, names: tuple[str, ...]) -> wire.Task:
    return wire.Task(
        mode=program.mode,
        output_bytes=limits.output_bytes,
        argv=program.argv,
        environment=program.environment or {},
        fn_name=program.fn_name,
        image=program.image is not None,
        copies={name: f"/tmp/{name[5:]}" for name in names if name.startswith("file:")},  # noqa: S108
        product=program.product,
        names=names,
    )


def _descriptors(
    session: Session, program: Program, stdin: bytes, channel: int | None, own: list[int]
) -> dict[str, int]:
    """What a run is given. Those of them that are its own, to be closed by the caller, are added to `own`."""
    fds: dict[str, int] = {}

    def add(name: str, fd: int) -> None:
        fds[name] = fd
        own.append(fd)
        if session.user is not None:
            os.fchown(fd, session.user, session.user)  # the program's, as are those that its init makes

    add("stdin", sealed("stdin", stdin))
    add("stdout", _empty("stdout"))
    add("stderr", _empty("stderr"))
    if program.mode != "exec":
        add("report", _empty("report"))
    for name, content in (program.copies or {}).items():
        add(f"file:{name}", sealed("file", content))
    if program.mode != "exec":
        fds["source"] = session.sealed(program.source)
    if program.image is not None:
        fds["image"] = session.held(program.image)
    if channel is not None:
        fds["channel"] = channel
    return fds


def _empty(name: str) -> int:
    return os.memfd_create(name, os.MFD_CLOEXEC)


def _read_product(ending: Ending, limits: Limits) -> bytes | None:
    if ending.product is None:
        return None
    try:
        return _read(ending.product, limits.output_bytes)
    finally:
        os.close(ending.product)


def _read(fd: int, at_most: int) -> bytes:
    wanted = min(os.fstat(fd).st_size, at_most)
    chunks = bytearray()
    while len(chunks) < wanted:
        chunk = os.pread(fd, wanted - len(chunks), len(chunks))
        if not chunk:
            break
        chunks += chunk
    return bytes(chunks)


async def _outcome_of(
    ending: Ending, fds: Mapping[str, int], limits: Limits, product: bytes | None, mode: str
) -> Outcome:
    """The outcome of a run whose output is in files. They may be closed when this has returned, or was cancelled."""

    def read() -> Outcome:
        longest = max(os.fstat(fds[name]).st_size for name in ("stdout", "stderr"))
        printed = _read_printed(fds, limits, carries_data=mode == "call")
        return _outcome(ending, printed, limits, overflow=longest > limits.output_bytes, product=product)

    if mode != "call" or os.fstat(fds["report"]).st_size <= _LONGEST_REPORT:
        return read()
    # In a thread: what a program returns may be long, and made to be slow to read.
    reading = asyncio.ensure_future(asyncio.to_thread(read))
    try:
        return await asyncio.shield(reading)
    finally:
        await asyncio.wait({reading})


def _read_printed(fds: Mapping[str, int], limits: Limits, *, carries_data: bool) -> wire.Printed:
    """What a run has written, as far as it is wanted."""
    report = b""
    # Without data nothing of ours is so long.
    if "report" in fds and (carries_data or os.fstat(fds["report"]).st_size <= _LONGEST_REPORT):
        report = _read(fds["report"], limits.output_bytes + _LONGEST_REPORT)
    return wire.Printed(_read(fds["stdout"], limits.output_bytes), _read(fds["stderr"], _STDERR_BYTES), report)


def _outcome(
    ending: Ending, printed: wire.Printed, limits: Limits, *, overflow: bool, product: bytes | None = None
) -> Outcome:
    stderr = printed.stderr
    report = _read_report(printed.report)
    verdict, message = _classify(ending, limits, overflow, stderr, report)
    signal_number = os.WTERMSIG(ending.status) if os.WIFSIGNALED(ending.status) else None
    memory = ending.peak_bytes or ending.rss_bytes
    starved_seconds = ending.wall_seconds if ending.paused else ending.starved_seconds
    return Outcome(
        verdict=verdict,
        message=message,
        stdout=printed.stdout,
        stderr=stderr,
        exit_code=os.waitstatus_to_exitcode(ending.status) if signal_number is None else None,
        signal=signal_number,
        cpu_seconds=ending.cpu_seconds,
        wall_seconds=ending.wall_seconds,
        memory_mb=memory / _MIB,
        slot_mb=ending.slot_bytes / _MIB,
        report=report,
        starved=ending.reason == "wall" and starved_seconds > STARVED_SHARE * limits.wall,
        starved_seconds=starved_seconds,
        unexplained=verdict is Verdict.RUNTIME_ERROR and signal_number == signal.SIGKILL and ending.reason is None,
        product=product,
    )


_LONGEST_MESSAGE: Final = 16_384
_LONGEST_REPORT: Final = 32_768


def _read_report(encoded: bytes) -> Mapping[str, Any]:
    try:
        said = plain.envelope(encoded)
    except plain.MalformedError:  # there is none, or a program wrote there what it liked
        return {}
    return {**said, "message": _sentence(said.get("message"))}


def _sentence(message: object) -> str:
    """What a program says for itself, as text that can be sent on, whatever it really is."""
    if not isinstance(message, str):
        return ""
    return message[:_LONGEST_MESSAGE].encode("utf-8", "backslashreplace").decode()


def _classify(
    ending: Ending, limits: Limits, overflow: bool, stderr: bytes, report: Mapping[str, Any]
) -> tuple[Verdict, str | None]:
    killed_by = os.WTERMSIG(ending.status) if os.WIFSIGNALED(ending.status) else None
    too_much = ending.peak_bytes is None and ending.rss_bytes > limits.memory_mb * _MIB
    if ending.memory_kills > 0 or ending.reason == "memory" or too_much:
        return too_much_memory(limits)
    if overflow or ending.reason == "output" or killed_by == signal.SIGXFSZ:
        return Verdict.OUTPUT_LIMIT_EXCEEDED, f"wrote more than {limits.output_bytes} bytes"
    if ending.reason == "cpu" or ending.cpu_seconds > limits.cpu_seconds or killed_by == signal.SIGXCPU:
        return Verdict.TIME_LIMIT_EXCEEDED, f"used more than {limits.cpu_seconds:g} s of CPU time"
    if ending.reason == "wall":
        return Verdict.TIME_LIMIT_EXCEEDED, f"did not end within {limits.wall:g} s"
    if ending.reason == "processes":
        return Verdict.RUNTIME_ERROR, f"had more than {limits.processes} threads"
    if ending.reason == "disk":
        return Verdict.RUNTIME_ERROR, f"wrote more than {limits.disk_mb} MiB of files, or too many of them"
    if killed_by == signal.SIGSYS:
        return Verdict.SECURITY_VIOLATION, "made a system call that no program needs"
    if ending.status == 0:
        return Verdict.ACCEPTED, None
    if report.get("ended") == "out_of_memory" or any(cry in stderr for cry in _MEMORY_CRIES):
        return Verdict.MEMORY_LIMIT_EXCEEDED, f"was refused more than {limits.memory_mb} MiB"
    ended = (
        f"killed by {_signal_name(killed_by)}"
        if killed_by is not None
        else f"exit code {os.waitstatus_to_exitcode(ending.status)}"
    )
    refused = ending.one_process and any(cry in stderr for cry in _REFUSAL_CRIES)
    return Verdict.RUNTIME_ERROR, f"{ended}; {_ONE_PROCESS}" if refused else ended


def too_much_memory(limits: Limits) -> tuple[Verdict, str]:
    """The verdict on a program that held more than it may, and the reason."""
    return Verdict.MEMORY_LIMIT_EXCEEDED, f"used more than {limits.memory_mb} MiB"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
