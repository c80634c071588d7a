"""Jobs and results as they cross between processes: JSON, versioned, the same value on the other side.

Every value comes back as it went in: bytes, lone surrogates, integers of any size that JSON may hold, floats to the
bit. What goes wrong crosses as an error, never as a verdict. Nothing is ever unpickled, and a document that is not one
of ours, or unpacks to more than `MAX_BYTES`, raises MalformedError.

Version 1 of a document is `z` or `j` (compressed or not) and JSON after it. A reader that meets another version says
so with UnknownVersionError and leaves the document to somebody who knows it.
"""

from __future__ import annotations

import binascii
import contextlib
import json
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Final, TypeVar

import msgspec

from sandbox.models import (
    AssertTest,
    BadJobError,
    CallTest,
    Checker,
    CheckerKind,
    ExecuteJob,
    Execution,
    JobFailedError,
    JudgeJob,
    JudgeResult,
    Limits,
    SandboxError,
    SandboxUnavailableError,
    StdioTest,
    Test,
    TestResult,
    Verdict,
)

VERSION: Final = 1
MAX_BYTES: Final = 1024 * 1024 * 1024  # of a document, unpacked
_COMPRESSED_FROM_BYTES: Final = 16 * 1024
_FAST: Final = 1  # zlib's level: tests are text, most of the gain is in the first step

_FIELDS: Final = {
    kind: (names := tuple(field.name for field in fields(kind)), attrgetter(*names))
    for kind in (Limits, Checker, Execution, JudgeResult)
}
_TEST_FIELDS: Final = attrgetter(*(field.name for field in fields(TestResult)))
_VERDICTS: Final = {verdict.value: verdict for verdict in Verdict}  # quicker than to ask the enumeration

_T = TypeVar("_T")

Job = JudgeJob | ExecuteJob


class MalformedError(Exception):
    """Not a document of ours."""


class UnknownVersionError(Exception):
    """Written by a version of the service that is not this one."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a worker says about a job: a result, or why there is none. `key` names the verdict where it may be kept."""

    result: JudgeResult | Execution | SandboxError
    deliveries: int = 1
    key: bytes | None = None


def size_bytes(job: Job) -> int:
    """About as large as this is the job, as far as large ones are large."""
    if isinstance(job, ExecuteJob):
        return len(job.code) + len(job.stdin)
    tests = sum(len(test.stdin) + len(test.stdout) for test in job.tests if isinstance(test, StdioTest))
    return len(job.code) + tests


def encode_job(job: Job) -> bytes:
    """Raises BadJobError for what JSON cannot hold: a nest without end, a number of thousands of digits."""
    if isinstance(job, ExecuteJob):
        document: dict[str, Any] = {"kind": "execute", "code": job.code, "language": job.language}
        document |= {"stdin": job.stdin, "limits": _fields(job.limits)}
    else:
        document = {"kind": "judge", "code": job.code, "language": job.language, "fn_name": job.fn_name}
        document |= {"limits": _fields(job.limits), "checker": _fields(job.checker)}
        document |= {"stop": job.stop_at_first_failure, "objects_in_process": job.objects_in_process}
        document |= {"tests": [_encode_test(test) for test in job.tests]}
    free_form = isinstance(job, JudgeJob) and isinstance(job.tests[0], CallTest)
    try:
        return _packed(document, quick=not free_form and _finite(document["limits"], document.get("checker", {})))
    except (RecursionError, ValueError) as error:
        raise BadJobError(f"the job cannot be written down: {error}") from error


def decode_job(packed: bytes) -> Job:
    """Raises MalformedError, UnknownVersionError."""
    return _decoded(packed, _read_job)


def encode_reply(reply: Reply) -> bytes:
    """Write down what came of a job."""
    document: dict[str, Any] = {"deliveries": reply.deliveries}
    if reply.key is not None:
        document["key"] = reply.key.hex()
    match reply.result:
        case JudgeResult():
            document["judged"] = _judged(reply.result)
        case Execution():
            document["ran"] = _fields(reply.result)
        case error:
            document["error"] = {"kind": _kind_of(error), "message": str(error)}
    return _packed(document, quick=_measured(reply.result))


def decode_reply(packed: bytes) -> Reply:
    """Raises MalformedError, UnknownVersionError."""
    return _decoded(packed, _read_reply)


def encode_result(result: JudgeResult) -> bytes:
    """A verdict, for a cache."""
    return _packed({"judged": _judged(result)}, quick=_measured(result))


def decode_result(packed: bytes) -> JudgeResult:
    """Raises MalformedError, UnknownVersionError."""
    return _decoded(packed, lambda document: _read_judged(document["judged"]))


def _read_job(document: dict[str, Any]) -> Job:
    limits = Limits(**document["limits"])
    if document["kind"] == "execute":
        return ExecuteJob(document["code"], document["language"], _bytes(document["stdin"]), limits)
    compared = document["checker"]
    return JudgeJob(
        code=document["code"],
        language=document["language"],
        tests=tuple(_read_test(test) for test in document["tests"]),
        fn_name=document["fn_name"],
        limits=limits,
        checker=Checker(**compared | {"kind": CheckerKind(compared["kind"])}),
        stop_at_first_failure=document["stop"],
        objects_in_process=document["objects_in_process"],
    )


def _encode_test(test: Test) -> list[Any]:
    match test:
        case StdioTest():
            return ["stdio", test.stdin, test.stdout]
        case CallTest():
            return ["call", test.arguments, test.output, test.maybe_wrapped]
        case AssertTest():
            return ["assert", test.source]


def _read_test(written: list[Any]) -> Test:
    match written:
        case ["stdio", stdin, stdout]:
            return StdioTest(_bytes(stdin), _bytes(stdout))
        case ["call", arguments, output, maybe_wrapped]:
            return CallTest(tuple(arguments), output, maybe_wrapped)
        case ["assert", source]:
            return AssertTest(source)
    raise MalformedError("a test of no known form")


def _read_reply(document: dict[str, Any]) -> Reply:
    key = bytes.fromhex(document["key"]) if "key" in document else None
    return Reply(_read_outcome(document), document["deliveries"], key)


def _read_outcome(document: dict[str, Any]) -> JudgeResult | Execution | SandboxError:
    if "judged" in document:
        return _read_judged(document["judged"])
    if "ran" in document:
        ran = document["ran"]
        texts = {name: _bytes(ran[name]) for name in ("stdout", "stderr")}
        return Execution(**ran | texts | {"verdict": _VERDICTS[ran["verdict"]]})
    error = document["error"]
    return _ERRORS.get(error["kind"], SandboxUnavailableError)(error["message"])


def _judged(result: JudgeResult) -> dict[str, Any]:
    return _fields(result) | {"tests": list(map(_TEST_FIELDS, result.tests))}


def _read_judged(judged: dict[str, Any]) -> JudgeResult:
    tests = tuple([TestResult(index, _VERDICTS[verdict], *rest) for index, verdict, *rest in judged["tests"]])
    return JudgeResult(**judged | {"verdict": _VERDICTS[judged["verdict"]], "tests": tests})


_ERRORS: Final[dict[str, type[SandboxError]]] = {
    "bad_job": BadJobError,
    "unavailable": SandboxUnavailableError,
    "internal": JobFailedError,
}


def _fields(value: Limits | Checker | Execution | JudgeResult) -> dict[str, Any]:
    """As `dataclasses.asdict`, of one level and without its copies, which would cost more than all the rest here."""
    names, values = _FIELDS[type(value)]
    return dict(zip(names, values(value), strict=True))


def _measured(result: JudgeResult | Execution | SandboxError) -> bool:
    """Whether all that was measured are numbers as JSON knows them."""
    measured = result.tests if isinstance(result, JudgeResult) else (result,) if isinstance(result, Execution) else ()
    return all(math.isfinite(one.cpu_seconds + one.wall_seconds + one.memory_mb) for one in measured)


def _finite(*documents: dict[str, Any]) -> bool:
    values = (value for document in documents for value in document.values())
    return all(math.isfinite(value) for value in values if isinstance(value, float))


def _kind_of(error: SandboxError) -> str:
    return next((kind for kind, known in _ERRORS.items() if isinstance(error, known)), "unavailable")


def _text(content: bytes) -> str:
    return binascii.b2a_base64(content, newline=False).decode("ascii")


def _bytes(text: str) -> bytes:
    return binascii.a2b_base64(text, strict_mode=True)


def _packed(document: dict[str, Any], *, quick: bool) -> bytes:
    """Write a document down; `quick` says that its numbers are finite and its values none that a task made up."""
    plain = _written({"v": VERSION, **document}, quick=quick)
    return b"j" + plain if len(plain) < _COMPRESSED_FROM_BYTES else b"z" + zlib.compress(plain, _FAST)


def _written(document: dict[str, Any], *, quick: bool) -> bytes:
    if quick:
        # It writes bytes as base64, and what is infinite as null.
        with contextlib.suppress(UnicodeEncodeError):
            return msgspec.json.encode(document)
    # Not as ASCII with escapes: two halves of a character that stand side by side would come back as one.
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=_text)
    return text.encode("utf-8", "surrogatepass")


def _parsed(plain: bytes) -> Any:
    """What is written; half a character and what is not finite are beyond the quick reader."""
    with contextlib.suppress(ValueError, RecursionError, msgspec.MsgspecError):
        return msgspec.json.decode(plain)
    return json.loads(plain.decode("utf-8", "surrogatepass"))


def _decoded(packed: bytes, read: Callable[[dict[str, Any]], _T]) -> _T:
    try:
        document = _parsed(_unpacked(packed))
        version = document["v"]
        if version != VERSION:
            raise UnknownVersionError(f"version {version!r}")
        return read(document)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, zlib.error) as error:
        raise MalformedError(f"{type(error).__name__}: {error}") from error


def _unpacked(packed: bytes) -> bytes:
    form, content = packed[:1], packed[1:]
    if form == b"j":
        return content
    if form != b"z":
        raise UnknownVersionError(f"a document that begins with {form!r}")
    unpacking = zlib.decompressobj()
    plain = unpacking.decompress(content, MAX_BYTES)
    if not unpacking.eof:
        raise MalformedError(f"more than {MAX_BYTES} bytes, or cut off")
    return plain
