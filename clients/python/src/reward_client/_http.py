"""What HTTP makes of one request: which failures may pass, how a stream falls into lines, what an address is."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from typing import cast

import httpx
from pydantic import JsonValue

from reward_client._batch import Lines
from reward_client._errors import RewardConnectionError, RewardError


class TransientError(Exception):
    """A failure that may pass."""

    def __init__(self, error: RewardError, *, reached: bool, retry_after: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.reached = reached
        self.retry_after = retry_after


def checked_url(base_url: str) -> httpx.URL:
    """The address of a server, or ValueError."""
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise ValueError(f"{base_url!r}: {error}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"the address of a reward server starts with http:// or https://, unlike {base_url!r}")
    return url


async def lines_of(response: httpx.Response) -> AsyncIterator[bytes]:
    """The lines of a body, as they come."""
    lines = Lines()
    async for chunk in response.aiter_bytes():
        for line in lines.feed(chunk):
            yield line
    for line in lines.end():
        yield line


def transport_trouble(error: httpx.TransportError) -> Exception:
    """Tell what may pass from what will not."""
    named = RewardConnectionError(described(error))
    if isinstance(error, (httpx.UnsupportedProtocol, httpx.LocalProtocolError)) or _is_bad_certificate(error):
        return named
    unreached = isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError))
    return TransientError(named, reached=not unreached)


def _is_bad_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def described(error: httpx.TransportError) -> str:
    """Where a request went and what became of it."""
    request = f"{error.request.url.scheme}://{error.request.url.netloc.decode()}"
    return f"{request}: {str(error) or type(error).__name__}"


def json_or_text(response: httpx.Response) -> JsonValue:
    """The body, whichever it is."""
    try:
        return cast(JsonValue, response.json())
    except ValueError:
        return response.text
