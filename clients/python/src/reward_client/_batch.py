"""A batch on its way: encode every rollout once, split into requests, read what comes back. Pure.

Each rollout becomes its JSON bytes once; a request is those bytes joined, so that splitting by size, halving and
sending a few again cost no second encoding. On the wire every rollout carries an id that is unique in the batch, since
streamed results are told apart by it; the caller's ids are put back into the results.
"""

from __future__ import annotations

import gzip
import json
import math
import numbers
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from reward_client._errors import BadRequestError, FieldError, ServerError
from reward_client._models import Heading, Request, Rollout, ScoreFailure, ScoreResponse, ScoreResult, as_object

RolloutLike = Rollout | Mapping[str, object]
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class Batching:
    """How a batch is cut into requests.

    Attributes:
        max_rollouts: Most rollouts in one request.
        max_bytes: Most bytes of rollouts in one request, before compression. A larger rollout travels alone.
        max_in_flight: Most requests at a time, over all calls of a client.
        gzip_bytes: Bodies of this size and more are compressed; None for never. Compression takes about as long as a
            network of 50 MB/s, so the default spares it ordinary batches and shrinks those with large tests.
    """

    max_rollouts: int = 64
    max_bytes: int = 4 * 1024 * 1024
    max_in_flight: int = 8
    gzip_bytes: int | None = 1024 * 1024

    def __post_init__(self) -> None:
        if min(self.max_rollouts, self.max_bytes, self.max_in_flight) < 1:
            raise ValueError("max_rollouts, max_bytes and max_in_flight are at least 1")


@dataclass(frozen=True)
class Parcel:
    """One rollout, ready to send."""

    index: int  # its place in the list that was given
    id: str  # the caller's
    wire_id: str
    group: str | None
    body: bytes


@dataclass(frozen=True)
class Envelope:
    """What every request of a batch says besides its rollouts."""

    preset: str | None = None
    overrides: Mapping[str, object] | None = None
    seed: str | int | None = None

    def around(self, parcels: Sequence[Parcel]) -> bytes:
        """The body of a request for these rollouts."""
        said = {"preset": self.preset, "overrides": self.overrides, "seed": self.seed}
        head = encode({name: value for name, value in said.items() if value is not None}, "body")
        opening = head[:-1] + (b"," if len(head) > 2 else b"")
        return opening + b'"rollouts":[' + b",".join(parcel.body for parcel in parcels) + b"]}"


def pack(rollouts: Sequence[RolloutLike]) -> list[Parcel]:
    """Encode each rollout.

    Raises:
        BadRequestError: a rollout is no object or holds what JSON cannot say; `errors` has its place.
    """
    objects = [_rollout_object(index, rollout) for index, rollout in enumerate(rollouts)]
    ids = [str(rollout.get("id", index)) for index, rollout in enumerate(objects)]
    wire_ids = ids if len(set(ids)) == len(ids) else [str(index) for index in range(len(ids))]
    return [
        Parcel(
            index=index,
            id=ids[index],
            wire_id=wire_ids[index],
            group=group if isinstance(group := rollout.get("group"), str) else None,
            body=encode({**rollout, "id": wire_ids[index]}, f"rollouts[{index}]"),
        )
        for index, rollout in enumerate(objects)
    ]


def split(parcels: Sequence[Parcel], batching: Batching) -> list[list[Parcel]]:
    """Cut into runs of consecutive rollouts, of about equal count and none beyond the limits."""
    if not parcels:
        return []
    requests = math.ceil(len(parcels) / batching.max_rollouts)
    most = math.ceil(len(parcels) / requests)
    runs: list[list[Parcel]] = [[]]
    size = 0
    for parcel in parcels:
        if runs[-1] and (len(runs[-1]) == most or size + len(parcel.body) > batching.max_bytes):
            runs.append([])
            size = 0
        runs[-1].append(parcel)
        size += len(parcel.body) + 1
    return runs


def encode(value: object, loc: str) -> bytes:
    """Encode as JSON; `loc` names the value if that cannot be done."""
    try:
        text = json.dumps(value, default=_plain, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise _not_sendable(loc, str(error)) from error
    try:
        return text.encode()
    except UnicodeEncodeError:
        # A model that emits half an emoji leaves a lone surrogate, which UTF-8 cannot say and JSON's escapes can.
        return json.dumps(value, default=_plain, allow_nan=False, separators=(",", ":")).encode()


def compress(body: bytes) -> bytes:
    """Compress a request body: fast rather than small, and the same bytes for the same body."""
    return gzip.compress(body, compresslevel=1, mtime=0)


def read_score(content: bytes, parcels: Sequence[Parcel]) -> tuple[ScoreResponse, list[ScoreResult]]:
    """Read the response to a request for these rollouts: as it came, and its results under the caller's names."""
    response = parse(ScoreResponse, content)
    if len(response.results) != len(parcels):
        raise ServerError(f"{len(response.results)} results for {len(parcels)} rollouts", status=200)
    return response, [_readdressed(result, parcel) for result, parcel in zip(response.results, parcels, strict=True)]


def read_stream_line(line: bytes) -> ScoreResult | Heading:
    """Read one line of a stream: a result, or the last one, which says by what they were scored."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ServerError(f"a line of the stream is not JSON: {error}", status=200) from error
    if isinstance(said, dict) and "groups" in said:
        return _validated(Heading, said)
    return _validated(ScoreResult, said)


def claim(result: ScoreResult, waiting: dict[str, Parcel]) -> ScoreResult:
    """Give a streamed result the caller's names, and take its rollout off those that wait for one."""
    parcel = waiting.pop(result.id, None)
    if parcel is None:
        raise ServerError(f"a result for {result.id!r}, which waits for none", status=200)
    return _readdressed(result, parcel)


class Lines:
    """Cuts bytes into lines at b"\\n" and nowhere else.

    httpx's own `iter_lines` also cuts at U+2028, U+0085 and others, which may stand inside a JSON string.
    """

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The lines that this chunk completes, without empty ones."""
        if b"\n" not in chunk:
            self._rest += chunk
            return
        *lines, rest = (bytes(self._rest) + chunk).split(b"\n")
        self._rest = bytearray(rest)
        yield from filter(None, map(bytes.strip, lines))

    def end(self) -> Iterator[bytes]:
        """The last line, if it was not ended."""
        yield from filter(None, [bytes(self._rest).strip()])


def unscored(parcel: Parcel, kind: str, message: str) -> ScoreResult:
    """The result of a rollout that was never answered: the service's failure, not the model's."""
    return ScoreResult(
        id=parcel.id,
        index=parcel.index,
        group=parcel.group,
        status="unscored",
        error=ScoreFailure(kind=kind, message=message, retryable=True),
    )


def parse(model: type[_Model], content: bytes) -> _Model:
    """Read a JSON response."""
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise _not_understood(model, error) from error


def _validated(model: type[_Model], value: object) -> _Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _not_understood(model, error) from error


def _not_understood(model: type[BaseModel], error: ValidationError) -> ServerError:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    return ServerError(f"the answer is no {model.__name__}: {place}: {first['msg']}", status=200)


def _readdressed(result: ScoreResult, parcel: Parcel) -> ScoreResult:
    return result.model_copy(update={"id": parcel.id, "index": parcel.index})


def _rollout_object(index: int, rollout: RolloutLike) -> Mapping[str, object]:
    value = as_object(rollout)
    if not isinstance(value, Mapping):
        raise _not_sendable(f"rollouts[{index}]", f"a Rollout or a mapping, not {type(value).__name__}")
    # None is how rows of a table say "absent".
    return {name: field for name, field in value.items() if not (name == "id" and field is None)}


def _not_sendable(loc: str, message: str) -> BadRequestError:
    return BadRequestError("the request cannot be sent", errors=[FieldError(loc=loc, message=message)])


def _plain(value: object) -> object:
    """Give the JSON form of what `json` does not know: our models, mappings, the scalars of numpy."""
    if isinstance(value, Request):
        return value.wire()
    if isinstance(value, BaseModel):
        return value.model_dump(exclude_unset=True)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
