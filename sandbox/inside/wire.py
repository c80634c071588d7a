"""Messages with file descriptors over a SEQPACKET socket, whole or not at all.

The zygote is told a JSON object first, and then numbers. What an init is told and what it answers are structures that
`native.c` reads and writes: numbers of 64 bits, and behind them what only the interpreter reads.
"""

from __future__ import annotations

import _socket
import json
import marshal
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

Message = dict[str, object]
Socket = _socket.socket  # not of `socket`, which imports what every fork would pay for

# A run that the machine gives no core may last this many times its wall limit.
WALL_STRETCH: Final = 10

# The files of a control group that the init reads and writes around a run.
GROUP_FILES: Final = ("limit", "peak", "usage", "stat", "events", "cpu")

READY: Final = b"ready"  # what the zygote says when it is

# Why an init ended a run, by number.
REASONS: Final = (None, "cpu", "wall", "memory", "output", "processes", "disk", "ask again")
ASK_AGAIN: Final = REASONS.index("ask again")  # not run: the run before it has printed too much to be counted with it

# Where the descriptors of a program are, beside 0 to 2: closed when it executes another.
REPORT_FD: Final = 100
CHANNEL_FD: Final = 101
SOURCE_FD: Final = 102
CODE_FD: Final = 103
WALLS_FD: Final = 104
FAREWELL_FD: Final = 105  # takes what `native.c` says of farewells
FIRST_FREE_FD: Final = 106
_PLACES: Final = {
    "stdin": 0,
    "stdout": 1,
    "stderr": 2,
    "report": REPORT_FD,
    "channel": CHANNEL_FD,
    "image": CHANNEL_FD,
    "source": SOURCE_FD,
}

_MAX_BYTES: Final = 128 * 1024
_MAX_FDS: Final = 16
_MAX_STRINGS: Final = 128
_RUN: Final = 1
_ROOM: Final = 4
_NOWHERE: Final = -1
_HEADER: Final = struct.Struct(f"={20 + _MAX_FDS}q")
PROCESSES_OFFSET: Final = 8 * 5
PLACES_OFFSET: Final = 8 * 20
REQUEST_BYTES: Final = _HEADER.size

ANSWER_FIELDS: Final = (
    *("kind", "status", "reason", "cpu_us", "wall_us", "rss_kb", "starved_us", "one_process"),
    *("peak_bytes", "kills", "group_cpu_us", "others_kills", "held_bytes"),
)
_ANSWER: Final = struct.Struct(f"={len(ANSWER_FIELDS)}q")
ANSWER_BYTES: Final = _ANSWER.size
_PRINTED: Final = struct.Struct("=3q")
_LENGTH: Final = struct.Struct("=q")

# The names of the descriptors that are made for each run of a series, behind that of the program, which comes with it.
SERIES_NAMES: Final = ("stdin", "stdout", "stderr", "report")
LONGEST_SERIES: Final = 8
LARGEST_INPUT_BYTES: Final = 4 * 1024  # of a run of a series


_SETTING: Final = struct.Struct(f"={6 + len(GROUP_FILES)}q64s")
SETTING_BYTES: Final = _SETTING.size


class Setting(NamedTuple):
    """What a submission finds around it: the first message to its init."""

    root: str
    disk_bytes: int
    inodes: int
    memory_is_accounted: bool  # a control group holds it
    preload: tuple[str, ...] = ()  # modules to import once
    standby: bool = False  # a process is to wait for the first run; not where something is preloaded

    @classmethod
    def of(cls, message: bytes) -> Setting:
        """Read what `encoded` wrote."""
        _, disk_bytes, inodes, accounted, _, standby, *_, root = _SETTING.unpack_from(message)
        names = marshal.loads(message[SETTING_BYTES:])  # noqa: S302 - by the service
        return cls(root.rstrip(b"\0").decode(), disk_bytes, inodes, bool(accounted), names, bool(standby))

    def encoded(self, group: Sequence[str]) -> bytes:
        """The setting as bytes; the message's descriptors are these files of the control group."""
        places = [group.index(name) if name in group else _NOWHERE for name in GROUP_FILES]
        numbers = (self.disk_bytes, self.inodes, self.memory_is_accounted, bool(self.preload), self.standby)
        return _SETTING.pack(_ROOM, *numbers, *places, os.fsencode(self.root)) + marshal.dumps(self.preload)


class Task(NamedTuple):
    """What the process that becomes a program has to know."""

    mode: str  # script | call | serve | assert | together | prepare | exec
    output_bytes: int
    argv: tuple[str, ...] = ()
    environment: Mapping[str, str] = {}
    fn_name: str | None = None
    image: bool = False  # what is executed is a descriptor
    copies: Mapping[str, str] = {}  # a descriptor's name -> the path in /tmp that its content is copied to
    product: str | None = None  # the file that the far side wants when it has ended
    names: tuple[str, ...] = ()  # of the descriptors, in their order

    @classmethod
    def of(cls, encoded: bytes | memoryview) -> Task:
        """Read what `encoded` wrote: both ends are the same interpreter."""
        return cls(*marshal.loads(encoded))  # noqa: S302 - by the service

    def strings(self) -> bytes:
        """Command line and environment as a program gets them; nothing where `native.c` does not take them."""
        texts = [*self.argv, *(f"{name}={value}" for name, value in self.environment.items())]
        encoded = [os.fsencode(text) for text in texts]
        if len(encoded) > _MAX_STRINGS or any(b"\0" in text for text in encoded):
            return b""
        return b"".join(text + b"\0" for text in encoded)

    def encoded(self) -> bytes:
        """The task as bytes."""
        plain: Any = self._replace(environment=dict(self.environment), copies=dict(self.copies))
        return marshal.dumps(tuple(plain))


class Limits(NamedTuple):
    """What a run may use."""

    cpu_seconds: float
    wall_seconds: float
    memory_bytes: int
    output_bytes: int
    processes: int
    memory_is_watched: bool  # for no control group holds it
    slot_bytes: int  # what the slot may hold with this run and what is beside it; 0: another run says that
    idle_ceiling_bytes: int  # the slot without a program holds no more than this


class Request(NamedTuple):
    """One run, as it was asked for; or a series of them, which differ in their inputs alone."""

    limits: Limits
    task: Task
    ahead: bool = False  # sent before what the last run printed was given back
    inputs: Sequence[bytes] = ()  # of a series

    @classmethod
    def of(cls, message: bytes) -> Request:
        """Read what `encoded` wrote."""
        _, memory, output, cpu, wall, processes, watched, _, slot, ceiling, *_ = _HEADER.unpack_from(message)
        limits = Limits(cpu / 1e6, wall / 1e6, memory, output, processes, bool(watched), slot, ceiling)
        return cls(limits, Task.of(message[REQUEST_BYTES:]))

    def encoded(self) -> bytes:
        """The request as bytes, for the descriptors that its task names."""
        limits, task, ahead, inputs = self
        places = [_PLACES.get(name, _NOWHERE) for name in (task.names[:1] if inputs else task.names)]
        behind = task.encoded()
        strings = task.strings() if task.mode == "exec" else b""
        header = _HEADER.pack(
            _RUN,
            limits.memory_bytes,
            limits.output_bytes,
            round(limits.cpu_seconds * 1e6),
            round(limits.wall_seconds * 1e6),
            limits.processes,
            limits.memory_is_watched,
            task.mode == "assert",
            limits.slot_bytes,
            limits.idle_ceiling_bytes,
            bool(task.copies) or task.product is not None,
            ahead,
            len(inputs),
            REQUEST_BYTES + len(behind) + len(strings),
            task.image,
            task.mode == "script" and not task.argv,
            len(task.argv) if strings else 0,
            len(task.environment),
            REQUEST_BYTES + len(behind),
            len(places),
            *places,
            *[_NOWHERE] * (_MAX_FDS - len(places)),
        )
        return b"".join(
            [header, behind, strings, *(part for given in inputs for part in (_LENGTH.pack(len(given)), given))]
        )


class Answer(NamedTuple):
    """How a run ended. Of the control group -1 where nobody counts."""

    kind: int
    status: int
    reason: int
    cpu_us: int
    wall_us: int
    rss_kb: int
    starved_us: int
    one_process: int
    peak_bytes: int
    kills: int
    group_cpu_us: int
    others_kills: int
    held_bytes: int


class Printed(NamedTuple):
    """What a run of a series has written."""

    stdout: bytes
    stderr: bytes
    report: bytes


Series = list[tuple[Answer, Printed | None]]  # None where it comes as descriptors: stdout, stderr and report


def numbered(number: int) -> bytes:
    """A message that is a number."""
    return number.to_bytes(8, "little")


def number_of(message: bytes) -> int:
    """What `numbered` wrote."""
    return int.from_bytes(message, "little")


def send(channel: Socket, message: Message, fds: Sequence[int] = ()) -> None:
    """Send one object and duplicates of `fds`. Raises OSError when the far side is gone."""
    send_bytes(channel, json.dumps(message).encode(), fds)


def send_bytes(channel: Socket, message: bytes, fds: Sequence[int] = ()) -> None:
    """Send one message and duplicates of `fds`. Raises OSError when the far side is gone."""
    rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack(f"={len(fds)}i", *fds))] if fds else []
    channel.sendmsg([message], rights)


def receive(channel: Socket) -> tuple[Message, list[int]]:
    """Receive one object and its descriptors, which the caller owns. Raises EOFError when the far side is gone."""
    data, fds = receive_bytes(channel)
    try:
        return _object(data), fds
    except EOFError:
        for fd in fds:
            os.close(fd)
        raise


def receive_answer(channel: Socket) -> tuple[Answer | Series | Message, list[int]]:
    """Receive how runs ended, or an object that says why nothing is known of them; as `receive`."""
    data, fds = receive_bytes(channel)
    if data.startswith(b"{"):
        return _object(data), fds
    if len(data) == ANSWER_BYTES:
        return Answer(*_ANSWER.unpack(data)), fds
    return list(_records(data)), fds


def _records(data: bytes) -> Iterator[tuple[Answer, Printed | None]]:
    position = 0
    while position < len(data):
        answer = Answer(*_ANSWER.unpack_from(data, position))
        lengths = _PRINTED.unpack_from(data, position + ANSWER_BYTES)
        position += ANSWER_BYTES + _PRINTED.size
        if lengths[0] < 0:
            yield answer, None
            continue
        written = []
        for length in lengths:
            written.append(data[position : position + length])
            position += length
        yield answer, Printed(*written)


def receive_bytes(channel: Socket) -> tuple[bytes, list[int]]:
    """Receive one message and its descriptors, which the caller owns. Raises EOFError when the far side is gone."""
    data, ancillary, _, _ = channel.recvmsg(_MAX_BYTES, _socket.CMSG_SPACE(4 * _MAX_FDS), _socket.MSG_CMSG_CLOEXEC)
    fds: list[int] = []
    for level, kind, payload in ancillary:
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
            fds += struct.unpack(f"={len(payload) // 4}i", payload[: len(payload) // 4 * 4])
    if not data:
        raise EOFError
    return data, fds


def _object(data: bytes) -> Message:
    try:
        message: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise EOFError("not a message") from error
    if not isinstance(message, dict):
        raise EOFError("not a message")
    return message
