"""Measure what one slot takes for a job of 20 tests, with the real sandbox of this machine, and keep it as JSON.

    python -m benchmarks.service_times [--jobs 60] [--output benchmarks/service_times.json]

One slot judges one job at a time, so that the time from `judge` to its result is the time that a core of a worker is
taken, the judge's own work included. The programs themselves do next to nothing: what is measured is our cost. Time
that a program computes comes on top of it, and is a knob of the simulation.

The kinds are measured in turns, so that all of them meet the same neighbours on the machine. CPU time is kept beside
wall time: where they differ much, the machine was busy with something else and the wall times are too long.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import uvloop

from sandbox import toolchain
from sandbox.local import LocalJudge, LocalSettings, default_cache_dir
from sandbox.models import JudgeJob, Limits, StdioTest, Verdict

STORED: Final = Path(__file__).with_name("service_times.json")
CORES: Final = len(os.sched_getaffinity(0))
TESTS: Final = tuple(StdioTest(b"%d\n" % n, b"%d\n" % (2 * n)) for n in range(20))
DOUBLE: Final = "print(int(input()) * 2)"
TRIPLE: Final = "print(int(input()) * 3 + 1)"
CPP: Final = "#include <bits/stdc++.h>\nint main() {{ long n; std::cin >> n; std::cout << {} * n + {} << '\\n'; }}"
CPU_LIMIT_SECONDS: Final = 4.0
DISTURBED: Final = 1.15
# The 0th, 5th, … 100th percentile.
POINTS: Final = 21


@dataclass(frozen=True)
class Kind:
    """One way a job can go, and how to make a job that goes so; `salt` keeps any two from being equal."""

    name: str
    make: Callable[[str], JudgeJob]
    verdict: Verdict
    tests_run: int
    compiled_before: bool = False
    share_of_jobs: float = 1.0  # how many are measured, of those asked for


@dataclass
class Sample:
    """What the jobs of one kind took."""

    wall_seconds: list[float] = field(default_factory=list)
    cpu_seconds: float = 0.0


def python(code: str, tests: Sequence[StdioTest] = TESTS) -> Callable[[str], JudgeJob]:
    return lambda salt: JudgeJob(f"{code}  # {salt}", "python", tuple(tests), limits=Limits(CPU_LIMIT_SECONDS))


def cpp(code: str) -> Callable[[str], JudgeJob]:
    return lambda salt: JudgeJob(f"{code}\n// {salt}", "cpp", TESTS)


KINDS: Final = (
    Kind("python_accepted", python(DOUBLE), Verdict.ACCEPTED, 20),
    Kind("python_one_test", python(DOUBLE, TESTS[:1]), Verdict.ACCEPTED, 1),
    Kind("python_first_fails", python(TRIPLE), Verdict.WRONG_ANSWER, 1),
    Kind("python_time_limit", python("while True: pass"), Verdict.TIME_LIMIT_EXCEEDED, 1, share_of_jobs=0.05),
    Kind("cpp_accepted", cpp(CPP.format(2, 0)), Verdict.ACCEPTED, 20, share_of_jobs=0.4),
    Kind("cpp_first_fails", cpp(CPP.format(3, 1)), Verdict.WRONG_ANSWER, 1, share_of_jobs=0.4),
    Kind("cpp_does_not_compile", cpp("int main() { return x; }"), Verdict.COMPILE_ERROR, 0, share_of_jobs=0.4),
    Kind("cpp_compiled_before", cpp(CPP.format(2, 0)), Verdict.ACCEPTED, 20, compiled_before=True, share_of_jobs=0.4),
)


def main() -> None:
    """Measure every kind and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=60, help="of the cheap kinds; fewer of those that take long")
    parser.add_argument("--output", type=Path, default=STORED)
    options = parser.parse_args()
    toolchain.prepare(default_cache_dir())
    document = uvloop.run(measure(options.jobs))
    document["command"] = f"python -m benchmarks.service_times --jobs {options.jobs}"
    options.output.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    show(document)


async def measure(jobs: int) -> dict[str, object]:
    """Everything the file holds."""
    samples = {kind.name: Sample() for kind in KINDS}
    async with opened(workers=1, remembered=0) as judge:
        await judge.judge(KINDS[0].make("warm"))
        for turn in range(jobs):
            for kind in KINDS:
                # The n-th of a kind is due when its share of the jobs reaches n.
                if int((turn + 1) * kind.share_of_jobs) > int(turn * kind.share_of_jobs):
                    await one(judge, kind, str(turn), samples[kind.name])
    samples["remembered"] = await remembered(jobs)
    return {
        "measured": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": {"cores": CORES, "cpu": cpu_class(), "python": platform.python_version()},
        "disturbed": round(disturbed(samples), 2),
        "tests_per_job": len(TESTS),
        "all_slots_busy": {"slot_seconds_per_python_accepted": await all_slots_busy(jobs)},
        "kinds": {
            name: {
                "jobs": len(sample.wall_seconds),
                "tests_run": next((kind.tests_run for kind in KINDS if kind.name == name), 0),
                "mean_seconds": rounded(statistics.mean(sample.wall_seconds)),
                "cpu_seconds": rounded(sample.cpu_seconds / len(sample.wall_seconds)),
                "quantiles_seconds": quantiles(sample.wall_seconds),
            }
            for name, sample in samples.items()
        },
    }


def disturbed(samples: Mapping[str, Sample]) -> float:
    """Wall time over CPU time of all jobs: 1 where nothing else ran, more where the machine was busy."""
    wall = sum(sum(sample.wall_seconds) for sample in samples.values())
    return wall / sum(sample.cpu_seconds for sample in samples.values())


@asynccontextmanager
async def opened(*, workers: int, remembered: int) -> AsyncIterator[LocalJudge]:
    """A judge whose cache holds nothing but the precompiled header."""
    with tempfile.TemporaryDirectory() as scratch:
        cache = Path(scratch)
        (cache / "precompiled").symlink_to(default_cache_dir() / "precompiled")
        judge = LocalJudge(LocalSettings(cache_dir=cache, workers=workers, remembered_results=remembered))
        await judge.start()
        try:
            yield judge
        finally:
            await judge.close()


async def one(judge: LocalJudge, kind: Kind, salt: str, sample: Sample) -> None:
    """Judge one job of a kind and note what it took."""
    job = kind.make(f"{kind.name} {salt}")
    if kind.compiled_before:
        await judge.judge(JudgeJob(job.code, job.language, TESTS[:1]))
    used = tree_cpu_seconds()
    started = time.perf_counter()
    result = await judge.judge(job)
    sample.wall_seconds.append(time.perf_counter() - started)
    sample.cpu_seconds += tree_cpu_seconds() - used
    assert result.verdict is kind.verdict, (kind.name, result)
    assert len(result.tests) == kind.tests_run, (kind.name, result)


async def remembered(jobs: int) -> Sample:
    """A job whose verdict is known already."""
    sample = Sample()
    kind = KINDS[0]
    async with opened(workers=1, remembered=1024) as judge:
        await judge.judge(kind.make(f"{kind.name} same"))
        for _ in range(jobs):
            await one(judge, kind, "same", sample)
    return sample


async def all_slots_busy(jobs: int) -> float:
    """Slot-seconds for an accepted Python job when every core has its slot and each has work: what scale-out pays."""
    make = KINDS[0].make
    admitted = asyncio.Semaphore(2 * CORES)
    async with opened(workers=CORES, remembered=0) as judge:

        async def judged(salt: str) -> None:
            async with admitted:
                await judge.judge(make(salt))

        taken = await timed(lambda: asyncio.gather(*(judged(f"busy {n}") for n in range(jobs * CORES))))
    return rounded(taken / jobs)


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


def tree_cpu_seconds() -> float:
    """CPU time of this process and all below it, those that ended included."""
    ticks = 0
    waiting = [os.getpid()]
    while waiting:
        pid = waiting.pop()
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue
        ticks += sum(map(int, fields[11:15]))  # user and system, its own and that of children it waited for
    return ticks / os.sysconf("SC_CLK_TCK")


def quantiles(values: list[float]) -> list[float]:
    """Twenty-one points, between which the simulation draws."""
    ordered = sorted(values)
    last = len(ordered) - 1
    found = []
    for point in range(POINTS):
        place = last * point / (POINTS - 1)
        below = int(place)
        above = min(below + 1, last)
        found.append(rounded(ordered[below] + (ordered[above] - ordered[below]) * (place - below)))
    return found


def rounded(seconds: float) -> float:
    """To a microsecond."""
    return round(seconds, 6)


def cpu_class() -> str:
    """The processor's architecture and model, as the kernel names it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return f"{platform.machine()}, {line.partition(':')[2].strip()}"
    return platform.machine()


def show(document: dict[str, object]) -> None:
    """Print a line for each kind."""
    kinds = document["kinds"]
    assert isinstance(kinds, dict)
    print(f"{'kind':22} {'jobs':>5} {'tests':>6} {'mean ms':>9} {'p50 ms':>9} {'p95 ms':>9} {'CPU ms':>9}")
    for name, kind in kinds.items():
        cuts = kind["quantiles_seconds"]
        figures = (kind["mean_seconds"], cuts[10], cuts[19], kind["cpu_seconds"])
        print(f"{name:22} {kind['jobs']:5} {kind['tests_run']:6} " + " ".join(f"{x * 1000:9.2f}" for x in figures))
    print(f"all slots busy: {document['all_slots_busy']}")
    ratio = document["disturbed"]
    assert isinstance(ratio, float)
    if ratio > DISTURBED:
        print(f"Wall time is {ratio} × CPU time: the machine was busy with something else. Measure again.")


if __name__ == "__main__":
    main()
