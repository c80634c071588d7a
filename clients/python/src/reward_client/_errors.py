"""What can go wrong in a call, in one tree under `RewardError`, and how an HTTP response becomes one of its kinds.

A rollout that could not be scored is not an exception but a result with `status: "unscored"`; see `UnscoredError` for
callers who want it raised. Misuse of the client itself (a malformed address, a closed client) is a ValueError or a
RuntimeError, as everywhere in Python.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reward_client._models import ScoreResponse, ScoreResult


@dataclass(frozen=True)
class FieldError:
    """One field at fault: `loc` is its path in the request, such as `rollouts[3].task.answer`."""

    loc: str
    message: str

    def __str__(self) -> str:
        return f"{self.loc}: {self.message}"


class RewardError(Exception):
    """Anything this package raises about the service or what it was sent."""


class RewardConnectionError(RewardError, ConnectionError):
    """The server could not be reached."""


class RewardTimeoutError(RewardError, TimeoutError):
    """The deadline of the call passed without an answer."""


class UnscoredError(RewardError):
    """Raised with `raise_on_unscored` when rollouts have no reward. What was scored is in `response`."""

    def __init__(self, response: ScoreResponse) -> None:
        self.response = response
        self.unscored: list[ScoreResult] = [result for result in response.results if not result.scored]
        super().__init__(f"{len(self.unscored)} of {len(response.results)} rollouts unscored: {self._first_reason()}")

    def _first_reason(self) -> str:
        error = self.unscored[0].error if self.unscored else None
        return f"{error.kind}: {error.message}" if error else "no reason given"


class ResponseError(RewardError):
    """The server answered otherwise than asked. `status` is None when the fault was found before sending."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        errors: Sequence[FieldError] = (),
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.errors = tuple(errors)
        self.request_id = request_id

    def __str__(self) -> str:
        message = super().__str__()
        # The server's sentence often names the first fields already.
        return "\n  ".join([message, *(text for text in map(str, self.errors) if text not in message)])


class AuthError(ResponseError):
    """401 or 403: no token, or not the right one."""


class BadRequestError(ResponseError):
    """The request is wrong and sending it again cannot help; `errors` names the fields."""


class TooLargeError(BadRequestError):
    """413: one rollout alone is more than the server takes. Larger batches are split, so size adds up to no error."""


class ServerError(ResponseError):
    """The server failed, or something that is not a reward server answered."""


def error_of_response(status: int, headers: Mapping[str, str], body: bytes) -> ResponseError:
    """Turn an HTTP response that is no success into its exception, by status and `application/problem+json`."""
    problem = _problem(body)
    detail = problem.get("detail") or problem.get("title") or _excerpt(body)
    location = f" to {headers['location']}" if 300 <= status < 400 and "location" in headers else ""
    return _kind_of(status)(
        f"HTTP {status}{location}: {detail}" if detail else f"HTTP {status}{location}",
        status=status,
        errors=_field_errors(problem.get("errors")),
        request_id=headers.get("x-request-id"),
    )


def relocated(error: BadRequestError, indices: Sequence[int]) -> BadRequestError:
    """Rewrite `rollouts[k]`, a place in one request, to the place in the list that the caller gave."""
    moved = [replace(field, loc=_moved(field.loc, indices)) for field in error.errors]
    message = _moved(Exception.__str__(error), indices)
    return type(error)(message, status=error.status, errors=moved, request_id=error.request_id)


def _kind_of(status: int) -> type[ResponseError]:
    if status in (401, 403):
        return AuthError
    if status == 413:
        return TooLargeError
    return BadRequestError if 400 <= status < 500 else ServerError


def _problem(body: bytes) -> dict[str, object]:
    try:
        problem = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return problem if isinstance(problem, dict) else {}


def _field_errors(errors: object) -> list[FieldError]:
    if not isinstance(errors, list):
        return []
    return [
        FieldError(loc=str(error.get("loc", "")), message=str(error.get("message", "")))
        for error in errors
        if isinstance(error, dict)
    ]


def _excerpt(body: bytes) -> str:
    return " ".join(body[:400].decode("utf-8", "replace").split())[:200]


def _moved(text: str, indices: Sequence[int]) -> str:
    def place(found: re.Match[str]) -> str:
        index = int(found[1])
        return f"rollouts[{indices[index]}]" if index < len(indices) else found[0]

    return re.sub(r"\brollouts\[([0-9]{1,9})\]", place, text)
