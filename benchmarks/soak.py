"""Thousands of submissions, one in ten hostile: does anything grow, and does load change a verdict?

    python -m benchmarks.soak [--submissions 10000]

The same submissions are judged twice by judges of their own, first on an idle machine, then with every core loaded by
something else. After every tenth of them the processes, descriptors, mounts, control groups, temporary files and memory
of this process and what it started are counted. Ends with 1 where a verdict differs that should not, or where something
has grown.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from reward_server import logs
from reward_server.settings import SandboxSettings
from sandbox.dispatch import request_key
from sandbox.local import LocalJudge, LocalSettings, default_cache_dir
from sandbox.models import JudgeJob, Limits, StdioTest

HOSTILE = Path(__file__).parent.parent / "tests" / "sandbox" / "data" / "hostile"
EXPRESS_SECONDS = SandboxSettings().express_seconds
CORES = len(os.sched_getaffinity(0))
CLIENTS = 4 * CORES
LIMITS = Limits(cpu_seconds=0.5, wall_seconds=1.5, memory_mb=64, output_bytes=1 << 20)
_MAY_GROW_KB = 20_000  # of memory, by caches that are bounded


@dataclass(frozen=True)
class Held:
    """What this process and its children hold."""

    processes: int
    descriptors: int
    mounts: int
    groups: int
    files: int
    memory_kb: int

    @classmethod
    def now(cls) -> Held:
        own = Path("/proc/self")
        fields = dict(line.split(":", 1) for line in (own / "status").read_text().splitlines())
        return cls(
            processes=len(list(_descendants(os.getpid()))),
            descriptors=len(list((own / "fd").iterdir())),
            mounts=len((own / "mounts").read_text().splitlines()),
            groups=len(list(Path("/sys/fs/cgroup").glob(f"**/reward-sandbox-{os.getpid()}-*"))),
            files=len(list(Path(tempfile.gettempdir()).iterdir())),
            memory_kb=int(fields["VmRSS"].split()[0]),
        )

    def grown_since(self, earlier: Held) -> list[str]:
        names = ("processes", "descriptors", "mounts", "groups", "files")
        grown = [name for name in names if getattr(self, name) > getattr(earlier, name)]
        return grown + (["memory"] if self.memory_kb > earlier.memory_kb + _MAY_GROW_KB else [])


def main() -> None:
    """Judge twice and compare."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--submissions", type=int, default=10_000)
    wanted = options.parse_args().submissions
    logs.configure("WARNING")
    jobs = [job for _, job in zip(range(wanted), submissions(), strict=False)]
    with tempfile.TemporaryDirectory() as ours:
        tempfile.tempdir = ours  # others have files among the machine's temporary ones
        idle, grew_idle = uvloop.run(judged(jobs))
        with load():
            loaded, grew_loaded = uvloop.run(judged(jobs))
    differing = [place for place, (one, other) in enumerate(zip(idle, loaded, strict=True)) if one != other]
    # What passes several limits at once is ended by whichever is looked at first.
    raced = [place for place in differing if {idle[place], loaded[place]} <= expected(jobs[place].code)]
    print(f"{len(jobs)} submissions twice: {dict(Counter(idle))}")
    print(f"verdicts that load changed: {len(differing)}, {len(raced)} of them from one limit to another of several")
    for place in differing[:10]:
        print(f"  {idle[place]} -> {loaded[place]}: {jobs[place].code[:200]!r}")
    differing = [place for place in differing if place not in raced]
    print(f"grown: {grew_idle or 'nothing'} idle, {grew_loaded or 'nothing'} under load")
    sys.exit(1 if differing or grew_idle or grew_loaded else 0)


def submissions() -> Iterator[JudgeJob]:
    """Nine sums of six tests, right and wrong, then an attack; no two alike."""
    attacks = sorted(HOSTILE.glob("*.py"))
    tests = tuple(StdioTest(b"3 %d\n" % number, b"%d\n" % (3 + number)) for number in range(4, 10))
    for number in range(10**9):
        if number % 10 == 9:
            code = attacks[number // 10 % len(attacks)].read_text()
        else:
            code = f"a, b = map(int, input().split())\nprint(a + b - {int(number % 3 == 0)})"
        yield JudgeJob(f"{code}\n# {number}\n", "python", tests[:1] if number % 10 == 9 else tests, limits=LIMITS)


def expected(code: str) -> set[str]:
    """The verdicts that an attack may end with, as it says itself."""
    first = code.partition("\n")[0]
    return set(first.removeprefix("# expect:").split()) if first.startswith("# expect:") else set()


async def judged(jobs: list[JudgeJob]) -> tuple[list[str], list[str]]:
    """The verdicts, and what grew meanwhile."""
    with tempfile.TemporaryDirectory() as scratch:
        judge = LocalJudge(LocalSettings(Path(scratch), remembered_results=0, express_seconds=EXPRESS_SECONDS))
        (Path(scratch) / "precompiled").symlink_to(default_cache_dir() / "precompiled")
        await judge.start()
        try:
            return await _judged(judge, jobs)
        finally:
            await judge.close()


async def _judged(judge: LocalJudge, jobs: list[JudgeJob]) -> tuple[list[str], list[str]]:
    verdicts: list[str] = []
    settled: Held | None = None
    share = max(1, len(jobs) // 10)
    started = time.monotonic()
    for first in range(0, len(jobs), share):
        verdicts += await _all(judge, jobs[first : first + share])
        await judge.settled()
        held = await _at_rest()
        print(f"{len(verdicts):>7} in {time.monotonic() - started:6.0f} s: {held}", flush=True)
        settled = settled or held
    assert settled is not None
    return verdicts, held.grown_since(settled)


async def _at_rest() -> Held:
    """What is held when the next submissions are prepared for, which nobody is told of."""
    held, before = Held.now(), None
    while held != before:
        await asyncio.sleep(0.1)
        held, before = Held.now(), held
    return held


async def _all(judge: LocalJudge, jobs: list[JudgeJob]) -> list[str]:
    admitted = asyncio.Semaphore(CLIENTS)

    async def one(job: JudgeJob) -> str:
        async with admitted:
            request_key.set(job.code)  # as if each had come by itself
            return (await judge.judge(job)).verdict

    return await asyncio.gather(*map(one, jobs))


@contextmanager
def load() -> Iterator[None]:
    """Every core busy with something else."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(CORES)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def _descendants(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield int(child)
            yield from _descendants(int(child))


if __name__ == "__main__":
    main()
