"""What operators watch, in Prometheus' terms. Each app has a registry of its own."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.registry import Collector

from reward_server.models import Result

_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 900)


class Metrics:
    """Counts results, requests and jobs; satisfies `scorer.Observer` and the observers of the sandbox."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._rollouts = Counter(
            "reward_rollouts",
            "Rollouts by task kind, status and verdict.",
            ["kind", "status", "verdict"],
            registry=self._registry,
        )
        self._errors = Counter(
            "reward_errors",
            "Rollouts without a reward, by the kind of our failure.",
            ["kind"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "reward_rollout_seconds",
            "Time from admission to result of a rollout, waiting included.",
            ["kind"],
            registry=self._registry,
            buckets=_SECONDS,
        )
        self._rewards = Histogram(
            "reward_value",
            "Rewards given.",
            ["kind"],
            registry=self._registry,
            buckets=(-0.1, 0, 0.05, 0.1, 0.2, 0.5, 0.9, 1.0, 1.1),
        )
        self._requests = Counter(
            "reward_http_requests", "Requests by path and status.", ["path", "status"], registry=self._registry
        )
        self._request_seconds = Histogram(
            "reward_http_request_seconds",
            "Time from request to the end of its response.",
            ["path"],
            registry=self._registry,
            buckets=_SECONDS,
        )

        self._cache_hits = Counter(
            "reward_sandbox_cache_hits",
            "Jobs that were not run: their verdict was known, or on its way.",
            ["where"],
            registry=self._registry,
        )
        self._round_trips = Histogram(
            "reward_sandbox_round_trip_seconds",
            "Time from handing a job to the queue to its reply.",
            registry=self._registry,
            buckets=_SECONDS,
        )
        self._redeliveries = Counter(
            "reward_sandbox_redeliveries",
            "Deliveries of jobs after their first, as replies tell.",
            registry=self._registry,
        )

    def cache_hit(self, where: str) -> None:
        """Count a job that was not run."""
        self._cache_hits.labels(where).inc()

    def round_trip(self, seconds: float) -> None:
        """Observe the way of one job through the queue."""
        self._round_trips.observe(seconds)

    def redelivered(self, times: int) -> None:
        """Count how often a job was given to another worker."""
        self._redeliveries.inc(times)

    def collect_from(self, collector: Collector) -> None:
        """Ask `collector` at each scrape."""
        self._registry.register(collector)

    def rollout(self, kind: str, result: Result, seconds: float) -> None:
        """Count one result."""
        self._rollouts.labels(kind, result.status.value, result.verdict or "").inc()
        self._seconds.labels(kind).observe(seconds)
        if result.error is not None:
            self._errors.labels(result.error.kind.value).inc()
        if result.reward is not None:
            self._rewards.labels(kind).observe(result.reward)

    def request(self, path: str, status: int, seconds: float) -> None:
        """Count one request; `path` is a route's, never a client's."""
        self._requests.labels(path, str(status)).inc()
        self._request_seconds.labels(path).observe(seconds)

    def watch(self, name: str, documentation: str, value: Callable[[], float]) -> None:
        """Show a value that is asked for at each scrape."""
        Gauge(name, documentation, registry=self._registry).set_function(value)

    def render(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry)
