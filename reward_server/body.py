"""Reads and decodes request bodies: bounded, gzip or plain, JSON that names the field at fault.

A body over the limit is read to its end and thrown away, up to a bound, so that the client sees the 413 rather than a
broken connection.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from http import HTTPStatus

from fastapi import Request
from pydantic import ValidationError
from starlette.requests import ClientDisconnect

from reward_server import models
from reward_server.errors import ApiError, gone, invalid, too_large
from reward_server.models import FieldError, RequestModel

_GZIP = 16 + zlib.MAX_WBITS
# How much of a refused body is still read, in multiples of the limit.
_DRAIN = 8
_SURROGATE = re.compile("[\ud800-\udfff]")


async def read_json(request: Request, model: type[RequestModel], *, max_bytes: int) -> RequestModel:
    """Read the body of `request` as `model`.

    Raises:
        ApiError: 413 over `max_bytes` before or after decompression, 415 for an unknown encoding, 422 with the
            fields at fault for anything that is not a `model`.
    """
    try:
        body = await _read(request, max_bytes)
    except ClientDisconnect:
        raise gone() from None
    return decode(body, model)


def decode(body: bytes | str, model: type[RequestModel]) -> RequestModel:
    """Decode `body`; raises as `read_json` does."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        if _is_about_surrogates(error):
            return _decode_with_surrogates(body, model)
        raise invalid(models.field_errors(error)) from None


async def _read(request: Request, max_bytes: int) -> bytes:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip", ""}:
        raise ApiError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"content-encoding {encoding!r} is not accepted; gzip is")
    chunks: list[bytes] = []
    kept = read = 0
    inflate = zlib.decompressobj(_GZIP) if encoding == "gzip" else None
    async for chunk in request.stream():
        read += len(chunk)
        if kept <= max_bytes:
            data = _inflated(inflate, chunk, max_bytes + 1 - kept) if inflate else chunk
            kept += len(data)
            chunks.append(data)
        elif read > _DRAIN * max_bytes:
            break
    if kept > max_bytes:
        raise too_large(f"the body is larger than {max_bytes} bytes")
    if inflate and (not inflate.eof or inflate.unused_data):
        raise invalid([FieldError(loc="body", message="the gzip stream is cut short, or more than one")])
    return b"".join(chunks)


def _inflated(inflate: zlib._Decompress, chunk: bytes, room: int) -> bytes:
    try:
        return inflate.decompress(chunk, room)
    except zlib.error as error:
        raise invalid([FieldError(loc="body", message=f"not a gzip stream: {error}")]) from None


def _is_about_surrogates(error: ValidationError) -> bool:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return first["type"] == "json_invalid" and ("surrogate" in first["msg"] or "hex escape" in first["msg"])


def _decode_with_surrogates(body: bytes | str, model: type[RequestModel]) -> RequestModel:
    """Decode a body with half a character in it (`"\\ud800"`), as a tokenizer's output may have.

    In a prompt or a completion it becomes U+FFFD: what a model wrote must be gradable whatever it wrote. In a task
    it is refused, because no program could ever print it.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise invalid([FieldError(loc="body", message=f"Invalid JSON: {error}")]) from None
    broken = [path for path, text in _strings(document, "") if _SURROGATE.search(text) and not _is_prose(path)]
    if broken:
        raise invalid(
            [FieldError(loc=path, message="holds a lone surrogate, no character") for path in map(_printable, broken)]
        )
    repaired = _SURROGATE.sub("\ufffd", json.dumps(document, ensure_ascii=False))
    return decode(repaired.encode(), model)


def _strings(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _strings(item, f"{path}[{place}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield f"{path}.{key}".lstrip("."), key
            yield from _strings(item, f"{path}.{key}".lstrip("."))


def _printable(path: str) -> str:
    return path.encode("ascii", errors="backslashreplace").decode()


def _is_prose(path: str) -> bool:
    parts = path.split(".")
    return len(parts) > 1 and parts[1].partition("[")[0] in {"prompt", "completion"}
