"""Scores a list of rollouts through a server: one that runs already, or one started for this run on loopback."""

from __future__ import annotations

import json
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

# Rollouts in one request: enough to keep every core busy, few enough that a bar moves.
_BATCH = 256
_READY_SECONDS = 120.0
# How long a server may say that it is full.
_FULL_SECONDS = 600.0
# How long we wait before coming back, whatever the server asks for.
_LONGEST_PAUSE_SECONDS = 60.0
# No answer for longer than a server takes for its slowest request: it hangs.
_SILENT_SECONDS = 1200.0
_COME_BACK = (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.TOO_MANY_REQUESTS)


class ServerError(Exception):
    """The server refused the request, or did not answer."""

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is ready, and the connection to it."""

    client: httpx.Client


@contextmanager
def remote_server(url: str, token: str | None) -> Iterator[Server]:
    """Connect to the server at `url`. Raises ServerError where that is no address, or the token no token."""
    if token and not token.isascii():
        raise ServerError("a token is ASCII, or no header could carry it", refused=True)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        client = httpx.Client(base_url=url, headers=headers, timeout=httpx.Timeout(10.0, read=_SILENT_SECONDS))
    except httpx.InvalidURL as error:
        raise ServerError(f"{url!r} is no address: {error}", refused=True) from None
    with client:
        if client.base_url.scheme not in {"http", "https"} or not client.base_url.host:
            raise ServerError(f"{url!r} is no address: write it as http://host:port", refused=True)
        yield Server(client)


@contextmanager
def embedded_server(app: FastAPI) -> Iterator[Server]:
    """Serve `app` on a free port of loopback, and end it afterwards."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        with remote_server(f"http://127.0.0.1:{listening.getsockname()[1]}", None) as running:
            _await_ready(running, thread)
            yield running
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def score_rollouts(
    server: Server, rollouts: list[dict[str, Any]], request: dict[str, Any], *, on_result: Callable[[], None]
) -> Iterator[list[dict[str, Any]]]:
    """Yield the results in the order of `rollouts`, batch by batch; `on_result` is called as each arrives.

    Raises:
        ServerError: the server refused a batch, broke off, stayed full for long, or is not there.
    """
    size = _BATCH
    while rollouts:
        try:
            yield _score_batch(server, rollouts[:size], request, on_result)
        except _TooLargeError as error:
            if size == 1:
                raise ServerError(str(error), refused=True) from None
            size = min(size, len(rollouts)) // 2
        except httpx.TransportError as error:
            raise ServerError(f"{server.client.base_url}: {str(error) or type(error).__name__}") from None
        else:
            rollouts = rollouts[size:]


class _TooLargeError(Exception):
    """413: the server takes less at once."""


def _score_batch(
    server: Server, rollouts: list[dict[str, Any]], request: dict[str, Any], on_result: Callable[[], None]
) -> list[dict[str, Any]]:
    # ASCII: half a character (a lone surrogate) in a completion has no UTF-8.
    body = json.dumps({**request, "rollouts": rollouts}).encode()
    give_up = time.monotonic() + _FULL_SECONDS
    while True:
        scored: dict[int, dict[str, Any]] = {}
        headers = {"Content-Type": "application/json"}
        with server.client.stream("POST", "/v1/score/stream", content=body, headers=headers) as response:
            if response.status_code == httpx.codes.OK:
                for line in _lines(response):
                    document = _document(line)
                    if "index" in document:
                        scored[document.pop("index")] = document
                        on_result()
                break
            response.read()
        if response.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
            raise _TooLargeError(_detail(response))
        if response.status_code not in _COME_BACK or time.monotonic() > give_up:
            full = response.status_code in _COME_BACK
            raise ServerError(_detail(response), refused=response.is_client_error and not full)
        time.sleep(_pause(response))
    if len(scored) != len(rollouts):
        raise ServerError(f"the server broke off after {len(scored)} of {len(rollouts)} results")
    return [scored[place] for place in range(len(rollouts))]


def _pause(response: httpx.Response) -> float:
    """Seconds to wait before coming back: what the server asks for, as a number or a date (RFC 9110), within reason."""
    said = response.headers.get("Retry-After", "")
    try:
        seconds = float(said)
    except ValueError:
        seconds = _seconds_until(said)
    return min(max(seconds, 0.1), _LONGEST_PAUSE_SECONDS) if math.isfinite(seconds) else 1.0


def _seconds_until(date: str) -> float:
    try:
        return (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):  # no date, or one without a zone
        return 1.0


def _document(line: bytes) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ServerError("what answers there is no reward server")
    return document


def _lines(response: httpx.Response) -> Iterator[bytes]:
    """Cut at line feeds alone: httpx's own lines end at U+2028 too, which may stand inside a JSON string."""
    rest = b""
    for chunk in response.iter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines


def _detail(response: httpx.Response) -> str:
    try:
        return f"{response.status_code}: {response.json()['detail']}"
    except (ValueError, KeyError, TypeError):
        return f"{response.status_code}: {response.text[:200]}"


def _await_ready(server: Server, thread: threading.Thread) -> None:
    """Wait until the pools are warm; a host that cannot isolate is no reason not to score math."""
    deadline = time.monotonic() + _READY_SECONDS
    while thread.is_alive() and time.monotonic() < deadline:
        try:
            if server.client.get("/readyz").json().get("started"):
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise ServerError("the server did not become ready")
