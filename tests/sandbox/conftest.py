"""The judges that the conformance suite runs on, and the programs that it runs.

A backend joins the suite by a line in `BACKENDS`.
"""

from __future__ import annotations

import ast
import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from sandbox import toolchain
from sandbox.docker import DockerJudge, DockerSettings
from sandbox.local import LocalJudge, LocalSettings, default_cache_dir
from sandbox.models import ExecuteJob, Execution, Judge, JudgeJob, JudgeResult, Limits
from sandbox.queue import RedisJudge, RedisSettings
from sandbox.streams import Names
from sandbox.worker import Worker, WorkerSettings
from tests import dockerd
from tests.fleet import RedisServer
from tests.sandbox.plain_user import PlainUserJudge

DATA = Path(__file__).parent / "data"


def _local(cache_dir: Path) -> Judge:
    return LocalJudge(_settings(cache_dir))


def _local_watched(cache_dir: Path) -> Judge:
    return LocalJudge(replace(_settings(cache_dir), use_cgroups=False))


def _settings(cache_dir: Path) -> LocalSettings:
    return LocalSettings(cache_dir=cache_dir, workers=2, remembered_results=0, compile_cpu_seconds=7.0)


def _plain_user(cache_dir: Path) -> Judge:
    """A user without any privilege, who is also the programs', as in a restricted pod with one slot."""
    return PlainUserJudge(cache_dir, workers=1, kind="auto", scratch="/tmp")


def _docker(cache_dir: Path, docker_host: str) -> Judge:
    """Containers as they come, under Docker's default profile; of another run-time where the environment names one."""
    settings = DockerSettings(
        cache_dir=cache_dir, workers=2, remembered_results=0, compile_cpu_seconds=7.0, docker_host=docker_host
    )
    runtime = os.environ.get("SANDBOX_DOCKER_RUNTIME", "")
    accepted = tuple(filter(None, os.environ.get("SANDBOX_ACCEPT_LOST", "").split(",")))
    return DockerJudge(replace(settings, runtime=runtime, accept_lost=accepted))


class _ThroughRedis(RedisJudge):
    """The redis backend with everything it needs in this process, but for Redis."""

    def __init__(self, cache_dir: Path) -> None:
        self._redis = RedisServer(cache_dir / "redis")
        names = Names("conformance")
        super().__init__(RedisSettings(self._redis.url, names, cache_seconds=0, remembered_results=0))
        self._local = _local(cache_dir)
        self._worker = Worker(self._local, WorkerSettings(self._redis.url, names, slots=2))
        self._working: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._redis.start()
        await self._local.start()
        self._working = asyncio.create_task(self._worker.run())
        await super().start()

    async def close(self) -> None:
        await super().close()
        self._worker.stop()
        if self._working is not None:
            await self._working
        await self._local.close()
        self._redis.close()


BACKENDS: dict[str, Callable[..., Judge]] = {
    "local": _local,
    "plain user": _plain_user,
    "docker": _docker,
    "redis": _ThroughRedis,
}
# The programs end as they do in the worker's own judge; what may differ on the way is seen with every eighth.
_IN_PART = "redis"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take a part of the suite for a backend that hands on to another one."""
    callspecs = [(item, getattr(item, "callspec", None)) for item in items]
    repeated = [item for item, spec in callspecs if spec is not None and spec.params.get("bench") == _IN_PART]
    left_out = {id(item) for number, item in enumerate(repeated) if number % 8}
    items[:] = [item for item in items if id(item) not in left_out]


class Bench:
    """A started judge that is called without `await`."""

    def __init__(self, judge: Judge, runner: asyncio.Runner) -> None:
        self.judge = judge
        self._runner = runner

    def lacks(self, sample: Sample) -> bool:
        """Whether this host cannot give the program what it needs: a second process, or memory shared with one."""
        alone = any(tier in self.judge.health().detail for tier in ("landlock", "seccomp"))
        return "needs" in sample.header and alone

    def run(self, coroutine: Any) -> Any:
        return self._runner.run(coroutine)

    def execute(self, code: str, language: str = "python", stdin: bytes = b"", **limits: Any) -> Execution:
        return self.run(self.judge.execute(ExecuteJob(code, language, stdin, Limits(**limits))))

    def decide(self, job: JudgeJob) -> JudgeResult:
        return self.run(self.judge.judge(job))

    def decide_all(self, *jobs: JudgeJob) -> list[JudgeResult]:
        async def together() -> list[JudgeResult]:
            return await asyncio.gather(*map(self.judge.judge, jobs))

        return self.run(together())


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty cache of programs; the header, which takes seconds to compile, is the one this host already has."""
    toolchain.prepare(default_cache_dir())
    directory = tmp_path_factory.mktemp("cache")
    (directory / "precompiled").symlink_to(default_cache_dir() / "precompiled")
    return directory


@pytest.fixture(scope="session", params=list(BACKENDS))
def bench(request: pytest.FixtureRequest, cache_dir: Path) -> Iterator[Bench]:
    """Every backend in turn."""
    needed = [request.getfixturevalue("docker_host")] if request.param == "docker" else []
    yield from _started(BACKENDS[request.param](cache_dir, *needed))


@pytest.fixture(scope="session")
def docker_host() -> Iterator[str]:
    """A dockerd that has the image."""
    with dockerd.running() as address:
        dockerd.build(address, "worker")
        yield address


@pytest.fixture(scope="session")
def local(cache_dir: Path) -> Iterator[Bench]:
    """The local backend as it comes, for what concerns it alone."""
    yield from _started(_local(cache_dir))


@pytest.fixture(scope="session")
def watched(cache_dir: Path) -> Iterator[Bench]:
    """The local backend as on a host without control groups."""
    yield from _started(_local_watched(cache_dir))


def _started(judge: Judge) -> Iterator[Bench]:
    with asyncio.Runner() as runner:
        runner.run(judge.start())
        try:
            yield Bench(judge, runner)
        finally:
            runner.run(judge.close())


@dataclass(frozen=True)
class Sample:
    """A program with what its header says of it."""

    name: str
    code: str
    language: str
    header: dict[str, str] = field(default_factory=dict)

    @property
    def stdin(self) -> bytes:
        if "stdin-bytes" in self.header:
            return bytes.fromhex(self.header["stdin-bytes"])
        if "stdin-size" in self.header:
            return b"7" * int(self.header["stdin-size"])
        return str(ast.literal_eval(self.header.get("stdin", "''"))).encode()

    @property
    def limits(self) -> dict[str, float]:
        pairs = (word.split("=") for word in self.header.get("limits", "").split())
        return {name: float(value) if "." in value else int(value) for name, value in pairs}


def samples(kind: str) -> list[Sample]:
    """The programs in `data/<kind>`."""
    return [_read(path) for path in sorted((DATA / kind).iterdir())]


def _read(path: Path) -> Sample:
    code = path.read_text()
    header = {}
    for line in code.splitlines():
        mark = "# " if path.suffix == ".py" else "// "
        if not line.startswith(mark) or ":" not in line:
            break
        key, _, value = line.removeprefix(mark).partition(":")
        header[key] = value.strip()
    return Sample(
        path.name, code, {".py": "python", ".cpp": "cpp", ".c": "c", ".js": "javascript"}[path.suffix], header
    )
