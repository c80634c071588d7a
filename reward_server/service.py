"""Everything a running service is made of, opened and closed together, and the door that limits what is let in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from language_id.detector import LanguageDetector
from reward_server import garbage
from reward_server.deadline import Deadline
from reward_server.errors import too_large, unavailable
from reward_server.math.verifier import MathVerifier
from reward_server.metrics import Metrics
from reward_server.presets import Presets
from reward_server.sandbox_metrics import QueueCollector, SandboxCollector
from reward_server.scorer import Scorer
from reward_server.settings import SandboxSettings, Settings
from reward_server.turns import Turns
from sandbox.absent import AbsentJudge
from sandbox.docker import DockerJudge, DockerSettings
from sandbox.host import Isolation
from sandbox.local import LocalJudge, LocalSettings
from sandbox.models import Judge, SandboxUnavailableError
from sandbox.queue import RedisJudge, RedisSettings
from sandbox.streams import Names

log = logging.getLogger(__name__)

# What a client that was not admitted waits before it comes back.
RETRY_AFTER_SECONDS = 1


class Admission:
    """Lets in as many rollouts as the server can hold; beyond that a request is refused whole, and at once."""

    def __init__(self, *, max_in_flight: int, max_at_once: int) -> None:
        self._max_in_flight = max_in_flight
        self._max_at_once = max_at_once
        self.in_flight = 0
        self.admitted = 0  # ever

    @contextmanager
    def admit(self, rollouts: int) -> Iterator[None]:
        """Hold a place for each of `rollouts`.

        Raises:
            ApiError: 413 when one request is too large, 503 when too much is under way already.
        """
        if rollouts > self._max_at_once:
            raise too_large(f"{rollouts} rollouts, {self._max_at_once} are taken at once", loc="rollouts")
        if self.in_flight and self.in_flight + rollouts > self._max_in_flight:
            raise unavailable(f"{self.in_flight} rollouts are under way", retry_after_seconds=RETRY_AFTER_SECONDS)
        self.in_flight += rollouts
        self.admitted += rollouts
        try:
            yield
        finally:
            self.in_flight -= rollouts


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether requests can be served as configured, and part by part why not."""

    ready: bool
    parts: dict[str, str]


class Service:
    """The parts of one server. `start` returns at once; `readiness` says when the pools are warm."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.presets = Presets(settings.presets_dir)
        self.default_preset = self.presets.get(settings.preset)
        self.metrics = Metrics()
        self.detector = LanguageDetector(settings.language_model)
        self.verifier = MathVerifier(workers=settings.math_workers, memory_mb=settings.math_memory_mb)
        self.judge = _judge(settings, self.metrics)
        self.admission = Admission(max_in_flight=settings.max_in_flight, max_at_once=settings.max_rollouts)
        self.decoding = Turns()
        self.deadline = Deadline(settings.deadline_seconds)
        self.scorer = Scorer(
            verifier=self.verifier,
            judge=self.judge,
            detector=self.detector,
            deadline=self.deadline,
            observer=self.metrics,
        )
        self.metrics.watch("reward_rollouts_in_flight", "Rollouts in work.", lambda: self.admission.in_flight)
        self.metrics.watch("reward_ready", "1 when /readyz says so.", lambda: self.readiness().ready)
        self._starting: asyncio.Task[None] | None = None
        self._collecting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to warm the pools."""
        self._starting = asyncio.create_task(self._start())

    def drain(self) -> None:
        """Take no more work, and end what is under way within the drain time: what is not judged then is unscored."""
        log.info("draining", extra={"rollouts": self.admission.in_flight, "seconds": self.settings.drain_seconds})
        self.deadline.end_within(self.settings.drain_seconds)

    async def close(self) -> None:
        """End every process and remove every file that was made."""
        under_way = [task for task in (self._starting, self._collecting) if task is not None]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        await self.verifier.close()
        await self.judge.close()

    @property
    def started(self) -> bool:
        """The pools have been started, or it is known that they cannot be."""
        return self._starting is not None and self._starting.done()

    def readiness(self) -> Readiness:
        """Ask every part, without waiting on any."""
        math, sandbox = self.verifier.health(), self.judge.health()
        return Readiness(
            ready=self.started and math.ready and sandbox.ready,
            parts={"math": math.detail, "sandbox": sandbox.detail},
        )

    async def _start(self) -> None:
        await asyncio.gather(self.verifier.start(), self._start_judge())
        admission = self.admission
        self._collecting = asyncio.create_task(
            garbage.collect_between_batches(lambda: admission.in_flight, lambda: admission.admitted)
        )
        log.info("started", extra=self.readiness().parts)

    async def _start_judge(self) -> None:
        try:
            await self.judge.start()
        except SandboxUnavailableError as error:
            # Math can be scored without it; code is refused, and /readyz says why.
            log.error("no sandbox", extra={"reason": str(error)})


def _judge(settings: Settings, metrics: Metrics) -> Judge:
    """The backend that is asked for, with what can be watched of it."""
    sandbox = settings.sandbox
    judge: Judge
    match sandbox.backend:
        case "off":
            return AbsentJudge("SANDBOX_BACKEND is off")
        case "redis":
            judge = RedisJudge(redis_settings(settings), metrics)
            metrics.collect_from(QueueCollector(judge))
        case "docker":
            judge = DockerJudge(docker_settings(sandbox), metrics)
        case "local":
            judge = LocalJudge(local_settings(sandbox), metrics)
    metrics.collect_from(SandboxCollector(judge))
    return judge


def local_settings(sandbox: SandboxSettings) -> LocalSettings:
    """What a judge on this machine is told."""
    return LocalSettings(
        workers=sandbox.workers,
        express_seconds=sandbox.express_seconds,
        max_waiting=sandbox.max_waiting,
        cache_dir=sandbox.cache_dir,
        remembered_results=sandbox.remembered_results,
        isolation=Isolation(sandbox.isolation, sandbox.scratch, sandbox.accept_lost),
    )


def docker_settings(sandbox: SandboxSettings) -> DockerSettings:
    """What a judge in containers is told."""
    return DockerSettings(
        workers=sandbox.workers,
        max_waiting=sandbox.max_waiting,
        cache_dir=sandbox.cache_dir,
        remembered_results=sandbox.remembered_results,
        image=sandbox.docker_image,
        runtime=sandbox.docker_runtime,
        accept_lost=sandbox.accept_lost,
        seccomp=sandbox.docker_seccomp,
        memory_mb=sandbox.docker_memory_mb,
    )


def redis_settings(settings: Settings) -> RedisSettings:
    """What a judge at the other end of a queue is told."""
    sandbox = settings.sandbox
    return RedisSettings(
        url=sandbox.redis_url.get_secret_value(),
        names=Names(sandbox.queue, sandbox.queue_shards),
        max_jobs=sandbox.queue_max_jobs,
        lease_seconds=sandbox.lease_seconds,
        cache_seconds=sandbox.cache_seconds,
        remembered_results=sandbox.remembered_results,
        deadline_seconds=settings.deadline_seconds,
    )
