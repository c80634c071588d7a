"""Reads request bodies: bounded in size and time, gzip or plain.

A body over the limit is read to its end and thrown away, up to a bound, so that the client sees the 413 rather than a
broken connection. What a body says is `reward_server.decoding`'s question.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator
from http import HTTPStatus

from fastapi import Request
from starlette.requests import ClientDisconnect

from reward_server.errors import ApiError, gone, invalid, not_sent_in_time, too_large
from reward_server.models import FieldError

_GZIP = 16 + zlib.MAX_WBITS
# How much of a refused body is still read, in multiples of the limit.
_DRAIN = 8
_INFLATED_AT_ONCE_BYTES = 1024 * 1024


async def read_body(request: Request, *, max_bytes: int, seconds: float) -> bytes:
    """Read the body of `request`, unpacked.

    Raises:
        ApiError: 408 when it is not there within `seconds`, 413 over `max_bytes` before or after decompression,
            415 for an unknown encoding, 422 for a gzip stream that is none.
    """
    try:
        async with asyncio.timeout(seconds):
            return await _read(request, max_bytes)
    except ClientDisconnect:
        raise gone() from None
    except TimeoutError:
        raise not_sent_in_time(seconds) from None


async def _read(request: Request, max_bytes: int) -> bytes:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip", ""}:
        raise ApiError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"content-encoding {encoding!r} is not accepted; gzip is")
    chunks: list[bytes] = []
    kept = read = 0
    gunzip = _Gunzip() if encoding == "gzip" else None
    async for chunk in request.stream():
        read += len(chunk)
        for data in gunzip.inflated(chunk) if gunzip else (chunk,):
            if kept > max_bytes:
                break
            kept += len(data)
            chunks.append(data)
            if gunzip:
                await asyncio.sleep(0)
        if kept > max_bytes and read > _DRAIN * max_bytes:
            break
    if kept > max_bytes:
        raise too_large(f"the body is larger than {max_bytes} bytes")
    if gunzip and not gunzip.whole:
        raise _no_gzip("the gzip stream is cut short")
    return b"".join(chunks)


class _Gunzip:
    """Unpacks a gzip stream of one member or several (RFC 1952), a bounded piece at a time."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)

    @property
    def whole(self) -> bool:
        """The last member has ended."""
        return self._member.eof

    def inflated(self, packed: bytes) -> Iterator[bytes]:
        """Yield what `packed` unpacks to."""
        while packed:
            if self._member.eof:
                self._member = zlib.decompressobj(_GZIP)
            try:
                data = self._member.decompress(packed, _INFLATED_AT_ONCE_BYTES)
            except zlib.error as error:
                raise _no_gzip(f"not a gzip stream: {error}") from None
            packed = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            yield data


def _no_gzip(message: str) -> ApiError:
    return invalid([FieldError(loc="body", message=message)])
