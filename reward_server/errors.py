"""Errors as they leave the service: `application/problem+json` (RFC 9457), with the field at fault named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException as StarletteHTTPException

from reward_server.models import FieldError, Problem


class ApiError(Exception):
    """A request that is refused as a whole."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


def invalid(errors: Sequence[FieldError]) -> ApiError:
    """422: the request is not what the contract says, field by field."""
    shown = "; ".join(f"{error.loc}: {error.message}" for error in errors[:3])
    more = f"; and {len(errors) - 3} more" if len(errors) > 3 else ""
    return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, shown + more, errors=errors)


def too_large(detail: str, loc: str = "body") -> ApiError:
    """413: more than this server takes at once."""
    return ApiError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, errors=[FieldError(loc=loc, message=detail)])


def unavailable(detail: str, *, retry_after_seconds: int) -> ApiError:
    """503: not admitted, nothing was begun; the client may come back."""
    return ApiError(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": str(retry_after_seconds)})


def gone() -> ApiError:
    """408: the client went away before it had sent its request, or before it had its answer; nobody reads this."""
    return ApiError(HTTPStatus.REQUEST_TIMEOUT, "the client went away")


def not_sent_in_time(seconds: float) -> ApiError:
    """408: the request did not arrive; the connection ends, since the rest of it would be taken for the next one."""
    return ApiError(
        HTTPStatus.REQUEST_TIMEOUT,
        f"the body was not there within {seconds:g} s",
        errors=[FieldError(loc="body", message="not sent in time")],
        headers={"Connection": "close"},
    )


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem document."""
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(StarletteHTTPException, _http_error)


async def _api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return _problem(error.status, error.detail, errors=error.errors, headers=error.headers)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    return _problem(HTTPStatus(error.status_code), str(error.detail), headers=error.headers or {})


def unforeseen() -> Response:
    """500: a fault of ours that has no name; what it was is in the log."""
    return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "a fault of the server; see its log")


def _problem(
    status: HTTPStatus, detail: str, *, errors: Sequence[FieldError] = (), headers: Mapping[str, str] | None = None
) -> Response:
    body = Problem(title=status.phrase, status=status, detail=detail, errors=list(errors))
    return Response(
        body.model_dump_json(), status_code=status, headers=dict(headers or {}), media_type="application/problem+json"
    )
