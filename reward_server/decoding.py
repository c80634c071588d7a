"""Decodes JSON into requests: what is refused is refused by the name of its field.

A batch is decoded in pieces, a rollout at a time, so that a body of megabytes holds the event loop for a few
milliseconds at a time and never for its whole length. The text is cut into rollouts without being decoded (1 GB a
second); each is then decoded and checked by itself, and tasks of equal text, as the members of a group bring them, are
decoded once and shared. Faults are named as if the body had been decoded whole.

Not promised: turns within one rollout. A single task of megabytes made of single digits holds the loop for as long as
it takes to decode.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
from pydantic import TypeAdapter, ValidationError

from reward_server.errors import invalid
from reward_server.models import (
    LISTED_FAULTS,
    MAX_OPTION_BYTES,
    MAX_ROLLOUTS,
    MOST_FAULTS,
    FieldError,
    RequestModel,
    Rollout,
    RolloutText,
    ScoreOptions,
    ScoreRequest,
    Task,
    field_errors,
)
from reward_server.turns import Turns

_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_BETWEEN_ITEMS = re.compile(rb"[\s,]*")
_BEFORE_FIELDS = re.compile(rb"\s*\{")
_BEFORE_VALUE = re.compile(rb'[\s,]*"(?:[^"\\]|\\.)*+"\s*:\s*')
_PROSE = re.compile(r"(rollouts\[\d+\]\.)?(prompt|completion)")
# A body up to this size that is no JSON is decoded whole for the words and the place of the fault.
_EXPLAINED_BYTES = 256 * 1024
# A body beyond this, with half a character in it, is decoded in a thread.
_MOMENT_BYTES = 64 * 1024
# A task of fewer bytes is decoded sooner than it is looked up.
_SHARED_TASK_BYTES = 1024
_TASK: TypeAdapter[Task] = TypeAdapter(Task)
_Text = bytes | msgspec.Raw
_Fields = dict[str, msgspec.Raw]


def decode(body: bytes, model: type[RequestModel]) -> RequestModel:
    """Decode `body` at once.

    Raises:
        ApiError: 422 with the fields at fault for anything that is not a `model`.
    """
    try:
        return _decoded(body, model)
    except _FaultsError as error:
        raise invalid(error.faults) from None


async def decode_by_itself(body: bytes, model: type[RequestModel]) -> RequestModel:
    """Decode `body` as `decode` does, with what takes long in a thread."""
    if len(body) > _MOMENT_BYTES and _ESCAPED_SURROGATE.search(body):
        return await asyncio.to_thread(decode, body, model)
    return decode(body, model)


async def decode_batch(body: bytes, turns: Turns) -> ScoreRequest:
    """Decode a batch rollout by rollout, giving the event loop turns; raises as `decode` does."""
    try:
        # In a thread, whose calls into C each hold the loop for some milliseconds, and together for longer.
        batch = await asyncio.to_thread(_cut, body) if len(body) > _MOMENT_BYTES else _cut(body)
        if batch is None:
            # Not to be cut: decoded whole it says what is wrong with it, if anything is.
            return await decode_by_itself(body, ScoreRequest)
    except _FaultsError as error:
        raise invalid(error.faults) from None
    pieces = _Pieces(*batch)
    await turns.all(pieces.decode())
    return pieces.request()


class _FaultsError(Exception):
    """The text is not what it should be."""

    def __init__(self, faults: list[FieldError]) -> None:
        super().__init__()
        self.faults = faults


class _Pieces:
    """A batch on its way from text to a request."""

    def __init__(self, options: bytes, texts: Sequence[_Text]) -> None:
        self._options_text = options
        self._texts = texts
        self._options = ScoreOptions()
        self._rollouts: list[Rollout] = []
        self._tasks: dict[bytes, Task] = {}
        self._faults: list[FieldError] = []
        self._fault_count = 0

    def decode(self) -> Iterator[None]:
        """Decode, one rollout a step."""
        self._check(self._take_options, self._options_text, prefix="")
        for place, text in enumerate(self._texts):
            self._check(self._take_rollout, bytes(text), prefix=f"rollouts[{place}].")
            if self._fault_count > MOST_FAULTS:
                return
            yield

    def request(self) -> ScoreRequest:
        """Return what was decoded, all of which has been checked."""
        if self._fault_count > MOST_FAULTS:
            raise invalid([FieldError(loc="body", message=f"more than {MOST_FAULTS} faults; too many to name")])
        if self._fault_count > LISTED_FAULTS:
            more = FieldError(loc="body", message=f"and {self._fault_count - LISTED_FAULTS} more faults")
            raise invalid([*self._faults[:LISTED_FAULTS], more])
        if self._faults:
            raise invalid(self._faults)
        return ScoreRequest.model_construct(**dict(self._options), rollouts=self._rollouts)

    def _check(self, take: Callable[[bytes, str], None], text: bytes, *, prefix: str) -> None:
        try:
            take(text, prefix)
        except _FaultsError as error:
            self._fault_count += len(error.faults)
            self._faults += error.faults[: LISTED_FAULTS + 1 - len(self._faults)]

    def _take_options(self, text: bytes, prefix: str) -> None:
        self._options = _decoded(text, ScoreOptions, prefix)

    def _take_rollout(self, text: bytes, prefix: str) -> None:
        rollout = self._with_shared_task(text) if len(text) > _SHARED_TASK_BYTES else None
        self._rollouts.append(rollout if rollout is not None else _decoded(text, Rollout, prefix))

    def _with_shared_task(self, text: bytes) -> Rollout | None:
        """Decode a rollout whose task may have been decoded before; None where that shows a fault, or does not pay."""
        try:
            fields = msgspec.json.decode(text, type=_Fields)
            task_text = fields.pop("task", b"")
            if len(task_text) < _SHARED_TASK_BYTES:
                return None
            key = bytes(task_text)
            task = self._tasks.get(key)
            if task is None:
                task = self._tasks[key] = _TASK.validate_json(key)
            words = RolloutText.model_validate_json(_object(fields))
        except (msgspec.MsgspecError, RecursionError, ValidationError):
            return None
        return Rollout.model_construct(**dict(words), task=task)


def _cut(body: bytes) -> tuple[bytes, Sequence[_Text]] | None:
    """Cut a batch into its options and its rollouts, as text; None where it is none.

    msgspec refuses half a character and NaN wherever they stand. They are masked by text of the same length, and the
    pieces are taken from where they stand in `body`: what a piece holds is judged when it is decoded.
    """
    try:
        return _cut_as(body, body)
    except (msgspec.MsgspecError, RecursionError) as error:
        masked = _masked(body)
        if masked != body:
            with contextlib.suppress(msgspec.MsgspecError, RecursionError):
                return _cut_as(masked, body)
        if len(body) > _EXPLAINED_BYTES:
            raise _FaultsError([FieldError(loc="body", message=f"Invalid JSON: {error}")]) from None
        return None


def _masked(body: bytes) -> bytes:
    masked = _ESCAPED_SURROGATE.sub(rb"\\ufffd", body)
    for word in (b"NaN", b"Infinity"):
        masked = masked.replace(word, b"0".ljust(len(word))) if word in masked else masked
    return masked


def _cut_as(text: bytes, body: bytes) -> tuple[bytes, Sequence[_Text]] | None:
    """Cut `body` where `text` is cut, which has the same length and structure."""
    fields = msgspec.json.decode(text, type=_Fields)
    options = {name: value for name, value in fields.items() if name != "rollouts"}
    too_large = [name for name, value in options.items() if len(value) > MAX_OPTION_BYTES]
    if too_large:
        message = f"larger than {MAX_OPTION_BYTES} bytes"
        raise _FaultsError([FieldError(loc=_printable(name), message=message) for name in too_large])
    rollouts = fields.get("rollouts")
    if rollouts is None or bytes(memoryview(rollouts)[:1]) != b"[":
        # Never a batch, and said so in the words of the others.
        _decoded(_object(options | ({} if rollouts is None else {"rollouts": msgspec.Raw(b"0")})), ScoreRequest)
    assert rollouts is not None, "a request without rollouts is refused"
    items = msgspec.json.decode(rollouts, type=list[msgspec.Raw])
    if not items:
        return None
    if len(items) > MAX_ROLLOUTS:
        raise _FaultsError([FieldError(loc="rollouts", message=f"{len(items)} rollouts; at most {MAX_ROLLOUTS}")])
    if text is body:
        return _object(options), items
    places = _places_of_fields(text, fields)
    if places is None:
        return None
    originals = {name: msgspec.Raw(body[places[name] : places[name] + len(value)]) for name, value in options.items()}
    return _object(originals), _items_at(places["rollouts"], items, text, body)


def _places_of_fields(text: bytes, fields: _Fields) -> dict[str, int] | None:
    """Where in `text` the value of each field begins; None where a name stands twice, so that nobody can say."""
    places: dict[str, int] = {}
    at = _BEFORE_FIELDS.match(text)
    end = at.end() if at is not None else 0
    for name, value in fields.items():
        before = _BEFORE_VALUE.match(text, end)
        if before is None or text[before.end() : before.end() + len(value)] != bytes(value):
            return None
        places[name] = before.end()
        end = before.end() + len(value)
    return places


def _items_at(start: int, items: Sequence[_Text], text: bytes, body: bytes) -> list[bytes]:
    """The items of the list that begins at `start` of `text`, as they stand in `body`."""
    originals: list[bytes] = []
    end = start + 1
    for item in items:
        between = _BETWEEN_ITEMS.match(text, end)
        begin = between.end() if between is not None else end
        end = begin + len(item)
        originals.append(body[begin:end])
    return originals


def _object(fields: Mapping[str, _Text]) -> bytes:
    return b"{" + b",".join(json.dumps(name).encode() + b":" + bytes(value) for name, value in fields.items()) + b"}"


def _decoded(text: bytes, model: type[RequestModel], prefix: str = "") -> RequestModel:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        if _is_about_surrogates(error):
            return _decoded(_repaired(text, prefix), model, prefix)
        raise _FaultsError(field_errors(error, prefix=prefix)) from None


def _is_about_surrogates(error: ValidationError) -> bool:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return first["type"] == "json_invalid" and ("surrogate" in first["msg"] or "hex escape" in first["msg"])


def _repaired(text: bytes, prefix: str) -> bytes:
    """Return a text with half a character in it (`"\\ud800"`), as a tokenizer's output may have, without it.

    In a prompt or a completion it becomes U+FFFD: what a model wrote must be gradable whatever it wrote. In a task
    it is refused, because no program could ever print it.
    """
    try:
        document = json.loads(text)
        broken = [path for path, part in _strings(document, prefix.removesuffix(".")) if _is_broken(path, part)]
        whole = _SURROGATE.sub("\ufffd", json.dumps(document, ensure_ascii=False))
    except (ValueError, RecursionError) as error:
        loc = prefix.removesuffix(".") or "body"
        raise _FaultsError([FieldError(loc=loc, message=f"Invalid JSON: {error}")]) from None
    if broken:
        message = "holds a lone surrogate, no character"
        raise _FaultsError([FieldError(loc=_printable(path), message=message) for path in broken])
    return whole.encode()


def _is_broken(path: str, text: str) -> bool:
    return _SURROGATE.search(text) is not None and _PROSE.fullmatch(path) is None


def _strings(value: object, path: str) -> Iterator[tuple[str, str]]:
    """Every string with where it stands, but for what a model or its prompt says."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _strings(item, f"{path}[{place}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            inside = f"{path}.{key}".lstrip(".")
            yield inside, key
            if _PROSE.fullmatch(inside) is None:
                yield from _strings(item, inside)


def _printable(path: str) -> str:
    return path.encode("ascii", errors="backslashreplace").decode()
