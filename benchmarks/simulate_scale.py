"""Queue age and cost against autoscaling policy, for the bursts of reinforcement learning, up to 10,000 workers.

    python -m benchmarks.simulate_scale [--only policies …] [--seed 1] [--json FILE] [--csv FILE]

The model is in `simulation.py`, the cost of a job in `rollout_costs.py` and `service_times.json`. Prints a table in
Markdown for each scenario. The same seed prints the same tables, on however many processes.

What a row says: wait, from queued to the start of the run that counted; step, from the first request of a step ready to
the last reply, and the burst itself takes 60 s of it; paid and used, core-hours a step, of nodes that were there and of
programs that ran.
"""

from __future__ import annotations

import argparse
import csv
import gc
import json
import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from benchmarks.rollout_costs import STORED, TYPICAL, Mix, ServiceTimes, cores, draw
from benchmarks.simulation import Fleet, Load, Outcome, Policy, Queue, Simulation, Trigger

BURST_SECONDS: Final = 60.0
REQUEST_ROLLOUTS: Final = 64  # as the client cuts a batch


@dataclass(frozen=True)
class Bursts:
    """Trainers that send a step's rollouts within a minute and then nothing until their next step."""

    trainers: int = 1
    rollouts: int = 32_000  # of a step
    steps: int = 3
    period_seconds: float = 900
    in_phase: bool = True
    in_flight: int = 500  # requests of 64 a trainer keeps in flight: here, all of a step
    mix: Mix = TYPICAL
    first_seconds: float = 200  # time before the first step in which a fleet can be got ready

    @property
    def until_seconds(self) -> float:
        """When the last period ends."""
        return self.first_seconds + self.steps * self.period_seconds

    def load(self, times: ServiceTimes, seed: int) -> Load:
        """The requests, in order of time."""
        dice = random.Random(seed)
        requests = []
        for trainer in range(self.trainers):
            offset = 0.0 if self.in_phase else self.period_seconds * trainer / self.trainers
            for step in range(self.steps):
                begin = self.first_seconds + offset + step * self.period_seconds
                number = trainer * self.steps + step
                for _ in range(self.rollouts // REQUEST_ROLLOUTS):
                    requests.append((begin + dice.random() * BURST_SECONDS, trainer, number))
        requests.sort()
        jobs = len(requests) * REQUEST_ROLLOUTS
        return Load(
            ready_seconds=[ready for ready, _, _ in requests],
            client=[trainer for _, trainer, _ in requests],
            step=[step for _, _, step in requests],
            first=range(0, jobs + 1, REQUEST_ROLLOUTS),
            service_seconds=draw(self.mix, times, jobs, seed=seed),
            in_flight=self.in_flight,
        )


@dataclass(frozen=True)
class Row:
    """One run."""

    name: str
    policy: Policy
    bursts: Bursts = field(default_factory=Bursts)
    queue: Queue = field(default_factory=Queue)
    fleet: Fleet = field(default_factory=Fleet)


@dataclass(frozen=True)
class Scenario:
    """Runs that differ in what the title says."""

    name: str
    title: str
    rows: Callable[[ServiceTimes], list[Row]]
    columns: tuple[str, ...] = ()  # besides those that every table has


def fixed(workers: int) -> Policy:
    return Policy("fixed", minimum=workers)


def sized(times: ServiceTimes, mix: Mix = TYPICAL) -> int:
    """Workers of four slots that judge one step in a minute."""
    return -(-cores(Bursts().rollouts, mix, times) // Fleet().slots)


def fast(workers: int, *triggers: Trigger, **knobs: float) -> Policy:
    """As many pods a period as are wanted, and looked at every 5 s while there are none."""
    policy = Policy("fast", triggers or (LAG,), maximum=workers, up_percent=900, up_pods=workers, polling_seconds=5)
    return replace(policy, **knobs)  # type: ignore[arg-type]


# A worker of four slots clears about forty typical jobs in 5 s.
LAG: Final = Trigger("lag", 40)


def policies(times: ServiceTimes, period_seconds: float) -> list[Row]:
    """How the number of workers is decided."""
    full = sized(times)
    floor = full // 4
    bursts = Bursts(period_seconds=period_seconds)
    keep = period_seconds + 300
    short = {"down_window_seconds": 60, "cooldown_seconds": 60}
    announced = Trigger("announced", bursts.rollouts / full)
    thrifty = Fleet(node_linger_seconds=60)
    return [
        Row(f"fixed, {full} workers", fixed(full), bursts),
        Row(f"fixed, {full // 2} workers", fixed(full // 2), bursts),
        Row("lag, defaults of Kubernetes, from 0", Policy("defaults", (LAG,), maximum=full), bursts),
        Row("lag, fast up, from 0", fast(full), bursts),
        Row("… nodes and pods kept for 1 min only", fast(full, **short), bursts, fleet=thrifty),
        Row("… pods go as soon as the lag is gone", fast(full, down_window_seconds=0), bursts),
        Row("… kept until the next step", fast(full, down_window_seconds=keep, cooldown_seconds=keep), bursts),
        Row(f"… never fewer than {floor}", fast(full, minimum=floor), bursts),
        Row("… and announced 2 min ahead", fast(full, LAG, announced), bursts),
        Row("… announced, kept for 1 min only", fast(full, LAG, announced, **short), bursts, fleet=thrifty),
        Row("queue age of 10 s, fast up, from 0", fast(full, Trigger("age", 10)), bursts),
        Row(f"CPU of 70 %, fast up, never fewer than {floor}", fast(full, Trigger("cpu", 0.7), minimum=floor), bursts),
    ]


def phases(times: ServiceTimes) -> list[Row]:
    """Eight trainers share a fleet."""
    full = sized(times)
    together = Bursts(trainers=8, steps=1, period_seconds=600)
    apart = replace(together, in_phase=False)
    queue = Queue(servers=8, cells=2, max_jobs=150_000)
    return [
        Row(f"in phase, fixed, {8 * full} workers", fixed(8 * full), together, queue),
        Row(f"in phase, fixed, {full} workers", fixed(full), together, queue),
        Row(f"out of phase, fixed, {full} workers", fixed(full), apart, queue),
        Row(f"out of phase, fixed, {full * 3 // 2} workers", fixed(full * 3 // 2), apart, queue),
        Row(f"out of phase, lag, fast up, floor of {full // 4}", fast(2 * full, minimum=full // 4), apart, queue),
    ]


def clients(times: ServiceTimes) -> list[Row]:
    """How many requests of 64 rollouts a trainer keeps in flight."""
    full = sized(times)
    rows = []
    for in_flight in (8, 16, 32, 500):
        bursts = Bursts(steps=2, in_flight=in_flight)
        rows.append(Row(f"fixed, {3 * full} workers, {in_flight} requests", fixed(3 * full), bursts))
    for in_flight in (8, 500):
        bursts = Bursts(steps=2, in_flight=in_flight)
        rows.append(Row(f"lag, fast up, from 0, {in_flight} requests", fast(3 * full), bursts))
    return rows


def losses(times: ServiceTimes) -> list[Row]:
    """Workers that vanish without notice, and how long a lease is."""
    full = sized(times)
    bursts = Bursts(steps=8, period_seconds=90)
    return [
        Row(
            f"{lost:g} lost a worker-hour, lease of {lease} s",
            fixed(full),
            bursts,
            Queue(lease_seconds=lease),
            Fleet(losses_per_worker_hour=lost, node_start_seconds=45),
        )
        for lost, lease in ((0, 15), (0.1, 15), (1, 15), (10, 15), (10, 5), (10, 60))
    ]


def ten_thousand(times: ServiceTimes) -> list[Row]:
    """10,000 workers of two slots, sixteen trainers at once, programs that compute."""
    bursts = Bursts(trainers=16, steps=1, period_seconds=150, mix=replace(TYPICAL, computes_seconds=0.2))
    fleet = Fleet(slots=2, losses_per_worker_hour=0.1)
    rows = []
    for cells, servers in ((1, 16), (2, 16), (4, 16), (8, 16), (8, 8), (4, 4)):
        queue = Queue(cells=cells, servers=servers, max_jobs=600_000)
        name = "1 cell" if cells == 1 else f"{cells} cells"
        rows.append(Row(f"{name}, {servers} servers", fixed(10_000), bursts, queue, fleet))
    return rows


SCENARIOS: Final = (
    Scenario("policies", "One trainer, a step every 30 min", lambda times: policies(times, 1800)),
    Scenario("policies-5min", "One trainer, a step every 5 min", lambda times: policies(times, 300)),
    Scenario("phases", "Eight trainers, a step every 10 min", phases, ("most waiting",)),
    Scenario("clients", "Requests in flight", clients, ("most waiting",)),
    Scenario("losses", "Workers lost", losses, ("redelivered", "unscored", "lost core-h")),
    Scenario(
        "ten-thousand",
        "10,000 workers, 512,000 rollouts within a minute",
        ten_thousand,
        ("most waiting", "refused", "redelivered", "unscored", "busiest Redis"),
    ),
)


def main() -> None:
    """Run the scenarios and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=[scenario.name for scenario in SCENARIOS])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--times", type=Path, default=STORED, help="measured by benchmarks.service_times")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--json", type=Path, help="write every figure there")
    parser.add_argument("--csv", type=Path, help="write every figure there")
    options = parser.parse_args()
    chosen = [scenario for scenario in SCENARIOS if not options.only or scenario.name in options.only]
    times = ServiceTimes.load(options.times)
    kept = []
    # A million tuples on a heap hold no cycles, and looking for some takes a fifth of the time.
    with ProcessPoolExecutor(options.processes, initializer=gc.disable) as pool:
        for scenario in chosen:
            started = time.perf_counter()
            rows = scenario.rows(times)
            outcomes = list(pool.map(run, rows, [times] * len(rows), [options.seed] * len(rows)))
            figures = [told(row, outcome) for row, outcome in zip(rows, outcomes, strict=True)]
            print(f"\n{scenario.title} (`--only {scenario.name}`, {time.perf_counter() - started:.0f} s to simulate)\n")
            print(table(figures, scenario.columns), flush=True)
            kept += [{"scenario": scenario.name, **line} for line in figures]
    if options.json:
        options.json.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
    if options.csv:
        with options.csv.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(kept[0]))
            writer.writeheader()
            writer.writerows(kept)


def run(row: Row, times: ServiceTimes, seed: int) -> Outcome:
    """Simulate one row."""
    load = row.bursts.load(times, seed)
    simulation = Simulation(load, row.queue, row.fleet, row.policy, seed=seed, until_seconds=row.bursts.until_seconds)
    outcome = simulation.run()
    assert outcome.done + outcome.unscored + outcome.expired == len(load.service_seconds)
    return outcome


def told(row: Row, outcome: Outcome) -> dict[str, str | float]:
    """The figures of a row; seconds and core-hours."""
    waits = sorted(outcome.waits)
    steps = sorted(outcome.step_seconds.values())
    return {
        "": row.name,
        "wait p50": round(share(waits, 0.5), 1),
        "p99": round(share(waits, 0.99), 1),
        "max": round(waits[-1], 1),
        "step median": round(statistics.median(steps)),
        "worst": round(steps[-1]),
        "workers at most": outcome.most_workers,
        "paid core-h": round(outcome.paid_core_seconds / 3600 / len(steps), 2),
        "used core-h": round(outcome.used_core_seconds / 3600 / len(steps), 2),
        "used of paid %": round(100 * outcome.utilisation, 1),
        "lost core-h": round(outcome.lost_core_seconds / 3600 / len(steps), 3),
        "redelivered": outcome.redeliveries,
        "unscored": outcome.unscored,
        "expired": outcome.expired,
        "refused": outcome.refused,
        "most waiting": outcome.most_waiting,
        "busiest Redis": round(outcome.redis_busy, 2),
    }


def share(ordered: Sequence[float], part: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def table(figures: Sequence[dict[str, str | float]], further: Sequence[str]) -> str:
    """Markdown; columns after the tenth are shown where the scenario asks for them."""
    names = [name for place, name in enumerate(figures[0]) if place < 10 or name in further]
    lines = ["| " + " | ".join(names) + " |", "|---|" + "---:|" * (len(names) - 1)]
    for line in figures:
        lines.append(
            "| " + " | ".join(f"{x:,}" if isinstance(x := line[name], int) else str(x) for name in names) + " |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
