"""A stand-in for the reward server, behind a mock transport or a real socket, and a clock that nobody waits for."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from reward_client import Clock

Json = Any


@dataclass
class Reply:
    """What the service answers; a list of chunks is streamed, and with `cut` the connection is closed after it."""

    status: int = 200
    body: bytes | list[bytes] = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False

    @staticmethod
    def json(value: Json, status: int = 200, **headers: str) -> Reply:
        kind = "application/json" if status == 200 else "application/problem+json"
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return Reply(status, json.dumps(value).encode(), {"content-type": kind, **named})


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Json:
        plain = gzip.decompress(self.raw) if self.headers.get("content-encoding") == "gzip" else self.raw
        return json.loads(plain)

    @property
    def completions(self) -> list[str]:
        return [rollout["completion"] for rollout in self.body["rollouts"]]


def result_of(rollout: Json) -> Json:
    """Score a rollout by what it says: a number is its reward, `!kind` is unscored for now, `?kind` for ever."""
    said = rollout["completion"]
    failed = said[0] in "!?"
    return {
        "id": rollout["id"],
        "group": rollout.get("group") or f"task:{rollout['task'].get('answer')}",
        "status": "unscored" if failed else "scored",
        "reward": None if failed else float(said),
        "verdict": None if failed else "correct",
        "components": {},
        "error": {"kind": said[1:], "message": "as asked", "retryable": said[0] == "!"} if failed else None,
        "a_field_of_a_newer_server": 1,
    }


def scored(rollouts: list[Json], **heading: str) -> Json:
    """The response of `/v1/score`, without group summaries worth reading."""
    return {
        "preset": "magistral",
        "preset_hash": "sha256:1",
        "version": "0.1.0",
        **heading,
        "results": [result_of(rollout) for rollout in rollouts],
        "groups": [],
    }


def streamed(rollouts: list[Json]) -> list[bytes]:
    """The lines of `/v1/score/stream`, last rollout first."""
    lines: list[Json] = [result_of(rollout) for rollout in reversed(rollouts)]
    return [json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in [*lines, {"groups": []}]]


Script = Callable[[Seen], "Reply | None"]


class Service:
    """Answers as the contract says, unless `script` has something else for a request."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.script: Script = lambda _: None
        self.arrived = threading.Event()
        self._lock = threading.Lock()

    def first(self, *replies: Reply) -> None:
        """Give these replies first, one a request."""
        left = list(replies)
        self.script = lambda _: left.pop(0) if left else None

    def handle(self, request: Seen) -> Reply:
        with self._lock:
            self.seen.append(request)
        self.arrived.set()
        reply = self.script(request)
        return reply or self._answer(request)

    def _answer(self, request: Seen) -> Reply:
        if request.path == "/v1/score":
            return Reply.json(scored(request.body["rollouts"]))
        if request.path == "/v1/score/stream":
            return Reply(200, streamed(request.body["rollouts"]), {"content-type": "application/x-ndjson"})
        return Reply.json({"detail": "no such page"}, status=404)

    @property
    def transport(self) -> httpx.MockTransport:
        """The service without a network."""

        def handler(request: httpx.Request) -> httpx.Response:
            reply = self.handle(Seen(request.method, request.url.path, request.headers, request.content))
            body = reply.body if isinstance(reply.body, bytes) else b"".join(reply.body)
            return httpx.Response(reply.status, headers=reply.headers, content=body)

        return httpx.MockTransport(handler)


class Moments:
    """A clock that stands still until somebody sleeps, and remembers how long each sleep was."""

    def __init__(self, draws: Callable[[], float] = lambda: 0.5) -> None:
        self.time = 1000.0
        self.pauses: list[float] = []
        self._draws = draws

    @property
    def clock(self) -> Clock:
        return Clock(now=lambda: self.time, wall=lambda: self.time, sleep=self._sleep, draw=self._draws)

    def _sleep(self, seconds: float) -> Awaitable[None]:
        self.time += seconds
        self.pauses.append(seconds)
        return asyncio.sleep(0)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: SocketServer
    # Headers and body are two small writes, which Nagle's algorithm would hold apart for 40 ms.
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def _respond(self) -> None:
        length = int(self.headers.get("content-length", 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.service.handle(Seen(self.command, self.path, headers, self.rfile.read(length)))
        if reply.cut and not reply.body:
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if isinstance(reply.body, bytes):
            self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)
            return
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for chunk in reply.body:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        if reply.cut:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    do_GET = do_POST = _respond  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        pass


class SocketServer(ThreadingHTTPServer):
    """The service on a loopback socket."""

    daemon_threads = True

    def __init__(self, service: Service) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.service = service
        self.connections = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is what some tests are about."""


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def moments() -> Moments:
    return Moments()


@pytest.fixture
def server(service: Service) -> Iterator[SocketServer]:
    with SocketServer(service) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield listening
        listening.shutdown()
        thread.join()


@pytest.fixture
def reply() -> type[Reply]:
    return Reply


@pytest.fixture
def rollout() -> Callable[..., Json]:
    """Make a rollout whose completion says what becomes of it."""

    def make(says: object = 1.0, **fields: object) -> Json:
        return {"completion": str(says), "task": {"kind": "math", "answer": "2"}, **fields}

    return make


@pytest.fixture
def problem() -> Callable[..., Reply]:
    """Make a refusal as `application/problem+json`."""

    def make(status: int, detail: str = "no", errors: list[Json] | None = None, **headers: str) -> Reply:
        body = {"type": "about:blank", "title": "Title", "status": status, "detail": detail, "errors": errors or []}
        return Reply.json(body, status=status, **headers)

    return make
