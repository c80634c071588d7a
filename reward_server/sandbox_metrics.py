"""What operators watch of the sandbox, and of the queue before it, in Prometheus' terms.

Nothing here waits: what is shown was looked up by the judge in the background, a few seconds ago at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sandbox.models import Judge
from sandbox.queue import RedisJudge
from sandbox.worker import Worker

_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300)


def tier_metric(tiers: Iterable[str]) -> Metric:
    """The isolations in use, 1 each."""
    family = GaugeMetricFamily("reward_sandbox_tier", "What isolates programs.", labels=["tier"])
    for tier in tiers:
        family.add_metric([tier], 1)
    return family


class SandboxCollector(Collector):
    """Which isolation the judge of a server has."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    def collect(self) -> Iterator[Metric]:
        health = self._judge.health()
        yield tier_metric(health.facts["tier"].split() if health.ready and "tier" in health.facts else ())


class QueueCollector(Collector):
    """The streams as the judge last saw them, and its own jobs."""

    def __init__(self, judge: RedisJudge) -> None:
        self._judge = judge

    def collect(self) -> Iterator[Metric]:
        held = GaugeMetricFamily("reward_sandbox_queue_jobs", "Jobs waiting or in work.", labels=["stream"])
        pending = GaugeMetricFamily("reward_sandbox_queue_pending", "Jobs that workers hold.", labels=["stream"])
        lag = GaugeMetricFamily("reward_sandbox_queue_lag", "Jobs that no worker has claimed.", labels=["stream"])
        for stream, state in self._judge.queue.items():
            held.add_metric([stream], state.jobs)
            pending.add_metric([stream], state.pending)
            lag.add_metric([stream], state.lag)
        yield from (held, pending, lag)
        oldest = max((state.oldest_seconds for state in self._judge.queue.values()), default=0.0)
        yield GaugeMetricFamily(
            "reward_sandbox_queue_oldest_seconds", "How long the oldest unclaimed job waits.", value=oldest
        )
        yield GaugeMetricFamily(
            "reward_sandbox_jobs_in_flight", "Jobs of this server without reply.", value=self._judge.in_flight
        )


class WorkerMetrics:
    """Counts the jobs of one worker; satisfies `sandbox.worker.WorkerObserver`."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._jobs = Counter("reward_worker_jobs", "Jobs by how they ended.", ["ending"], registry=self._registry)
        self._seconds = Histogram(
            "reward_worker_job_seconds", "Time from claim to reply.", registry=self._registry, buckets=_SECONDS
        )
        self._reclaimed = Counter(
            "reward_worker_reclaimed", "Jobs taken over from silent workers.", registry=self._registry
        )
        self._returned = Counter("reward_worker_returned", "Jobs given back to the queue.", registry=self._registry)

    def job(self, ending: str, seconds: float) -> None:
        """Count a job."""
        self._jobs.labels(ending).inc()
        self._seconds.observe(seconds)

    def reclaimed(self) -> None:
        """Count a job taken over."""
        self._reclaimed.inc()

    def returned(self) -> None:
        """Count a job given back."""
        self._returned.inc()

    def watch(self, worker: Worker) -> None:
        """Show what a worker is doing, and by which isolation."""
        shown = {
            "reward_worker_slots": ("Jobs that run at once.", lambda: worker.slots),
            "reward_worker_busy": ("Slots that have a job.", lambda: worker.busy),
            "reward_worker_ready": ("1 when /readyz says so.", lambda: worker.health().ready),
        }
        for name, (documentation, value) in shown.items():
            Gauge(name, documentation, registry=self._registry).set_function(value)
        self._registry.register(_WorkerCollector(worker))

    def render(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry)


class _WorkerCollector(Collector):
    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def collect(self) -> Iterator[Metric]:
        yield tier_metric([self._worker.tier])
