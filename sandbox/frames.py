"""What a server and the agent in a container say to each other: frames over two byte streams.

A frame is a JSON object and bytes beside it, whole or not at all, of bounded size, never pickle. The server is obeyed;
what the agent says is read as if a program had said it: `MalformedError` for anything that is not as written here.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Protocol

from sandbox.image import Image
from sandbox.languages import Tools
from sandbox.models import Limits, Verdict
from sandbox.runs import Outcome, Program, Room, Run

_LENGTHS: Final = struct.Struct(">II")  # of the object, and of all bytes beside it
MAX_HEADER_BYTES: Final = 1024 * 1024
MAX_BYTES: Final = 1024 * 1024 * 1024


class MalformedError(Exception):
    """The far side does not keep to the protocol."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message. `op` says what it is about."""

    op: str
    fields: Mapping[str, Any]
    blobs: tuple[bytes, ...] = ()


class Reader(Protocol):
    """The end of a stream that bytes come out of."""

    async def readexactly(self, n: int) -> bytes:
        """Raises IncompleteReadError, which is an EOFError, at the end of the stream."""


def encode(op: str, *blobs: bytes, **fields: Any) -> list[bytes]:
    """A frame as the pieces to be written, none of them copied."""
    header = json.dumps({**fields, "op": op, "blobs": [len(blob) for blob in blobs]}).encode()
    return [_LENGTHS.pack(len(header), sum(map(len, blobs))), header, *blobs]


async def receive(reader: Reader, *, at_most: Callable[[], int] = lambda: MAX_BYTES) -> Frame:
    """The next frame. Raises MalformedError, and EOFError at the end of the stream.

    `at_most` is asked when the frame begins: what may come depends on what was asked for meanwhile.
    """
    header_bytes, blob_bytes = _LENGTHS.unpack(await reader.readexactly(_LENGTHS.size))
    if header_bytes > MAX_HEADER_BYTES or blob_bytes > at_most():
        raise MalformedError(f"a frame of {header_bytes} and {blob_bytes} bytes")
    header = _header(await reader.readexactly(header_bytes))
    lengths = header.pop("blobs", None)
    op = header.pop("op", None)
    if not isinstance(op, str) or not _add_up(lengths, blob_bytes):
        raise MalformedError("a frame without its fields")
    blobs = [await reader.readexactly(length) for length in lengths]
    return Frame(op, header, tuple(blobs))


def _header(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedError("a frame that is not JSON") from error
    if not isinstance(header, dict):
        raise MalformedError("a frame that is no object")
    return header


def _add_up(lengths: object, total: int) -> bool:
    if not isinstance(lengths, list) or not all(type(length) is int and length >= 0 for length in lengths):
        return False
    return sum(lengths) == total


def described_run(run: Run, *, with_program: bool = True) -> tuple[dict[str, Any], list[bytes]]:
    """A run, or one of a program that the far side has kept."""
    described: dict[str, Any] = {"limits": asdict(run.limits)}
    if not with_program:
        return described, [run.stdin]
    program = run.program
    copies = program.copies or {}
    described["program"] = {
        "mode": program.mode,
        "argv": list(program.argv),
        "environment": None if program.environment is None else dict(program.environment),
        "fn_name": program.fn_name,
        "product": program.product,
        "least_processes": program.least_processes,
        "is_image": program.image is not None,
        "copies": list(copies),
    }
    image = [] if program.image is None else [program.image.content()]
    return described, [run.stdin, program.source, *image, *copies.values()]


def read_run(described: Mapping[str, Any], blobs: Sequence[bytes], kept: Program | None) -> Run:
    """What `described_run` described."""
    try:
        limits = Limits(**described["limits"])
        stdin, *content = blobs
        program = _program(described["program"], content) if "program" in described else kept
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedError(f"a run: {error!r}") from error
    if program is None:
        raise MalformedError("a run without a program")
    return Run(program, stdin, limits)


def _program(described: Mapping[str, Any], content: Sequence[bytes]) -> Program:
    source, *rest = content
    image = Image(rest.pop(0)) if described["is_image"] else None
    return Program(
        source=source,
        mode=described["mode"],
        argv=tuple(described["argv"]),
        environment=described["environment"],
        image=image,
        copies=dict(zip(described["copies"], rest, strict=True)) or None,
        fn_name=described["fn_name"],
        product=described["product"],
        least_processes=described["least_processes"],
    )


def described_outcome(outcome: Outcome) -> tuple[dict[str, Any], list[bytes]]:
    """An outcome. Of its report, what judging asks for, each of its one type; a program may have written anything."""
    texts = {name: text for name in _TEXTS if isinstance(text := outcome.report.get(name), str)}
    beside = {name: data for name in _BYTES if isinstance(data := outcome.report.get(name), bytes)}
    if outcome.product is not None:
        beside["product"] = outcome.product
    described = {
        "verdict": outcome.verdict.value,
        "sentence": outcome.message,
        "exit_code": outcome.exit_code,
        "signal": outcome.signal,
        "cpu_seconds": outcome.cpu_seconds,
        "wall_seconds": outcome.wall_seconds,
        "memory_mb": outcome.memory_mb,
        "starved": outcome.starved,
        "starved_seconds": outcome.starved_seconds,
        "unexplained": outcome.unexplained,
        "report": texts,
        "beside": list(beside),
    }
    return described, [outcome.stdout, outcome.stderr, *beside.values()]


_TEXTS: Final = ("ended", "message")
_BYTES: Final = ("nonce", "value")


def read_outcome(described: Mapping[str, Any], blobs: Sequence[bytes]) -> Outcome:
    """What `described_outcome` described."""
    try:
        stdout, stderr, *rest = blobs
        beside = dict(zip(_texts(described["beside"]), rest, strict=True))
        report = {name: _one_of(described["report"][name], str) for name in _TEXTS if name in described["report"]}
        return Outcome(
            verdict=Verdict(described["verdict"]),
            message=_one_of(described["sentence"], str, None),
            stdout=stdout,
            stderr=stderr,
            exit_code=_one_of(described["exit_code"], int, None),
            signal=_one_of(described["signal"], int, None),
            cpu_seconds=float(described["cpu_seconds"]),
            wall_seconds=float(described["wall_seconds"]),
            memory_mb=float(described["memory_mb"]),
            report={**report, **{name: beside[name] for name in _BYTES if name in beside}},
            starved=described["starved"] is True,
            starved_seconds=float(described["starved_seconds"]),
            unexplained=described["unexplained"] is True,
            product=beside.get("product"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedError(f"an outcome: {error!r}") from error


def outcome_bytes(limits: Limits) -> int:
    """The most that an outcome of a run with these limits may weigh."""
    return 4 * limits.output_bytes + MAX_HEADER_BYTES


def described_rooms(rooms: Sequence[Room]) -> list[dict[str, Any]]:
    """Rooms."""
    return [asdict(room) for room in rooms]


def read_rooms(described: Sequence[Mapping[str, Any]]) -> list[Room]:
    """What `described_rooms` described."""
    try:
        return [Room(room["root"], room["disk_bytes"], tuple(room["preload"])) for room in described]
    except (KeyError, TypeError) as error:
        raise MalformedError(f"rooms: {error!r}") from error


def described_tools(tools: Tools) -> dict[str, Any]:
    """Tools."""
    described = {field.name: _plain(getattr(tools, field.name)) for field in fields(tools)}
    return described | {"library_names": sorted(tools.library_names)}


def read_tools(described: object) -> Tools:
    """What `described_tools` described."""
    try:
        assert isinstance(described, dict)
        return Tools(
            _words(described["paths"]),
            _words(described["versions"]),
            str(described["linker"]),
            tuple(_texts(described["static"])),
            frozenset(_texts(described["library_names"])),
        )
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        raise MalformedError("tools") from error


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else value


def _words(value: Mapping[object, object]) -> dict[str, str]:
    return {str(name): str(text) for name, text in value.items()}


def _texts(value: Sequence[object]) -> list[str]:
    return [_one_of(text, str) for text in value]


def _one_of(value: Any, *kinds: type | None) -> Any:
    if not any(value is None if kind is None else type(value) is kind for kind in kinds):
        raise ValueError(f"a {type(value).__name__}")
    return value
