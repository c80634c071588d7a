"""A Redis of its own, servers and workers as processes, and the end of all of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import redis

QUEUE = "chaos"
JOBS, URGENT = f"{{{QUEUE}:0}}:jobs", f"{{{QUEUE}:0}}:urgent"
PATIENCE_SECONDS = 120  # of a test, with a state that must come


def until(condition: Callable[[], Any], what: str) -> Any:
    """What `condition` gives, once it gives something; what never comes fails the test."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"never came: {what}"
        time.sleep(0.01)


def free_port(host: str = "127.0.0.1") -> int:
    with socket.create_server((host, 0)) as listening:
        return int(listening.getsockname()[1])


class RedisServer:
    """`redis-server` in a directory of its own, on a socket or, where a network is wanted, on a port.

    REDIS_SERVER names another program that is called like it, Valkey's for one.
    """

    def __init__(self, directory: Path, *options: str, persistent: bool = False, host: str | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._options = options
        self._persistent = persistent
        self._host = host
        self.port = free_port(host) if host else 0
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://{host}:{self.port}/0" if host else f"unix://{directory}/socket"
        self.client = redis.Redis.from_url(self.url, decode_responses=True)

    def start(self) -> RedisServer:
        keeping = ["--appendonly", "yes", "--appendfsync", "always"] if self._persistent else ["--appendonly", "no"]
        where = ["--bind", self._host, "--protected-mode", "no"] if self._host else ["--unixsocket", "socket"]
        program = os.environ.get("REDIS_SERVER", "redis-server")
        command = [program, "--port", str(self.port), *where, "--save", "", *keeping, *self._options]
        self._process = subprocess.Popen(
            [*command, "--dir", str(self._directory), "--logfile", "log"], cwd=self._directory
        )
        until(self.answers, "a redis-server that answers")
        return self

    def answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except (redis.ConnectionError, redis.TimeoutError, OSError):
            return False

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def waiting(self) -> int:
        """Jobs in the streams, claimed or not."""
        return sum(self.client.xlen(stream) for stream in (JOBS, URGENT))

    def claimed(self) -> int:
        return sum(
            group["pending"]
            for stream in (JOBS, URGENT)
            if self.client.exists(stream)
            for group in self.client.xinfo_groups(stream)
        )

    def held_by(self, consumer: str) -> int:
        return sum(
            len(self.client.xpending_range(stream, "workers", "-", "+", 10, consumer)) for stream in (JOBS, URGENT)
        )

    def close(self) -> None:
        self.client.close()
        self.kill()


class LateRelay:
    """Passes connections on to a port of `host`, everything late, and cuts them when it is told to."""

    def __init__(self, host: str, port: int, *, delay_seconds: float) -> None:
        self._host, self._port, self._delay_seconds = host, port, delay_seconds
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> LateRelay:
        self._thread.start()
        starting = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._accept, self._host, 0), self._loop)
        self._server = starting.result()
        self.url = f"redis://{self._host}:{self._server.sockets[0].getsockname()[1]}/0"
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Break every connection; new ones are taken at once."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result()

    async def _cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _end(self) -> None:
        self._server.close()
        await self._cut()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(self._host, self._port)
        self._writers |= {writer, there_writer}
        try:
            await asyncio.gather(self._pass_on(reader, there_writer), self._pass_on(there_reader, writer))
        finally:
            self._writers -= {writer, there_writer}

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                await asyncio.sleep(self._delay_seconds)
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


class Process:
    """A server or a worker: a process, and the port that it answers on."""

    def __init__(self, arguments: list[str], environment: dict[str, str], log: Path, prefix: list[str]) -> None:
        self._log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "reward_server", *arguments],
                env={**os.environ, **environment},
                stdout=file,
                stderr=file,
            )

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Worker(Process):
    """`reward-server worker` with one slot."""

    @property
    def url(self) -> str | None:
        found = re.search(r"metrics='([\d.]+:\d+)'", self.log)
        return f"http://{found.group(1)}" if found else None

    @property
    def name(self) -> str:
        return str(until(lambda: re.search(r"worker='([^']+)'", self.log), "a worker's name").group(1))

    @property
    def ready(self) -> bool:
        assert self.process.poll() is None, self.log
        return "redis connected" in self.log

    def metric(self, name: str) -> float:
        """The sum over the labels of a metric; nothing while the worker does not answer."""
        try:
            text = httpx.get(f"{self.url}/metrics", timeout=2).text
        except httpx.TransportError:
            return 0.0
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if re.match(rf"{name}[ {{]", line))


class Server(Process):
    """`reward-server serve` with the redis backend."""

    port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> httpx.Response | None:
        try:
            return httpx.get(self.url + path, timeout=5)
        except httpx.TransportError:
            return None

    @property
    def ready(self) -> bool:
        assert self.process.poll() is None, self.log
        answer = self.get("/readyz")
        return answer is not None and answer.status_code == 200

    @property
    def started(self) -> bool:
        """Its pools are warm, whether or not anybody works for it."""
        answer = self.get("/readyz")
        return answer is not None and bool(answer.json()["started"])

    def metric(self, name: str) -> float:
        answer = self.get("/metrics")
        assert answer is not None
        lines = answer.text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if re.match(rf"{name}[ {{]", line))


class Fleet:
    """What runs against one Redis."""

    def __init__(self, directory: Path, redis_server: RedisServer, **settings: object) -> None:
        self.directory = directory
        self.redis = redis_server
        self._settings = {name.upper(): str(value) for name, value in settings.items()}
        self._processes: list[Process] = []

    def worker(self, *, prefix: list[str] | None = None, **settings: object) -> Worker:
        return self._started(Worker, ["worker"], prefix or [], settings)

    def server(self, **settings: object) -> Server:
        port = free_port()
        server = self._started(Server, ["serve", "--port", str(port)], [], settings)
        server.port = port
        return server

    def ready(self, *processes: Worker | Server) -> None:
        """Wait for all of them; a server is ready when a worker is."""
        for process in processes:
            until(lambda process=process: process.ready, "a process that is ready")

    def close(self) -> None:
        for process in self._processes:
            process.end()

    def _started(self, kind: type, arguments: list[str], prefix: list[str], settings: dict[str, object]) -> Any:
        environment = {
            "REDIS_URL": self.redis.url,
            "SANDBOX_QUEUE": QUEUE,
            "SANDBOX_BACKEND": "redis",
            "SANDBOX_WORKERS": "1",
            "SANDBOX_LEASE_SECONDS": "2",
            "SANDBOX_METRICS_PORT": "0",
            "REWARD_MATH_WORKERS": "1",
            **self._settings,
            **{name.upper(): str(value) for name, value in settings.items()},
        }
        log = self.directory / f"{kind.__name__.lower()}-{len(self._processes)}.log"
        process = kind(arguments, environment, log, prefix)
        self._processes.append(process)
        return process


@contextmanager
def fleet(directory: Path, *, persistent: bool = False, host: str | None = None, **settings: object) -> Iterator[Fleet]:
    """A fleet without members yet; all end with the block."""
    with contextlib.ExitStack() as stack:
        redis_server = RedisServer(directory / "redis", persistent=persistent, host=host).start()
        stack.callback(redis_server.close)
        members = Fleet(directory, redis_server, **settings)
        stack.callback(members.close)
        yield members
