"""What the queue adds to the time of a batch, and how many jobs a server can pass through it.

    python -m benchmarks.bench_queue [--rounds 5] [--problems 40] [--jobs 6000]

(a) 20-test problems through Redis and one worker process with all cores, in turns with the local judge on the same
cores; the figure is the median of the ratios. (b) one server against a worker that answers at once, in a process of its
own. Nothing is remembered in either. Both start a redis-server of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import uvloop

from sandbox.local import LocalJudge, LocalSettings, default_cache_dir
from sandbox.models import (
    ExecuteJob,
    Execution,
    Health,
    Judge,
    JudgeJob,
    JudgeResult,
    SandboxUnavailableError,
    StdioTest,
    TestResult,
    Verdict,
)
from sandbox.queue import RedisJudge, RedisSettings
from sandbox.streams import Names
from sandbox.worker import Worker, WorkerSettings

TESTS = tuple(StdioTest(b"%d\n" % n, b"%d\n" % (2 * n)) for n in range(20))
NAMES = Names("bench")


def main() -> None:
    """Run both and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--problems", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=6000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, redis_server(Path(scratch)) as url:
        uvloop.run(overhead(url, options.rounds, options.problems))
        uvloop.run(rate(url, options.rounds, options.jobs))


@contextmanager
def redis_server(directory: Path) -> Iterator[str]:
    command = ["redis-server", "--port", "0", "--unixsocket", "socket", "--save", "", "--logfile", "log"]
    with subprocess.Popen(command, cwd=directory) as process:
        try:
            while not (directory / "socket").exists():
                time.sleep(0.01)
            yield f"unix://{directory}/socket"
        finally:
            process.terminate()


async def overhead(url: str, rounds: int, problems: int) -> None:
    """The same work through the queue and without it, in turns."""
    environment = {**os.environ, "REDIS_URL": url, "SANDBOX_QUEUE": NAMES.prefix, "SANDBOX_METRICS_PORT": "0"}
    environment |= {"SANDBOX_REMEMBERED_RESULTS": "0", "SANDBOX_CACHE_SECONDS": "0", "REWARD_LOG_LEVEL": "warning"}
    local = LocalJudge(LocalSettings(cache_dir=default_cache_dir(), remembered_results=0))
    await local.start()
    command = [sys.executable, "-m", "reward_server", "worker"]
    worker = subprocess.Popen(command, env=environment)  # noqa: ASYNC220 - nothing else runs yet
    try:
        async with queue(url) as judge:
            direct, queued = [], []
            for number in range(rounds + 1):
                direct.append(await batch(local, f"one {number}", problems))
                queued.append(await batch(judge, f"other {number}", problems))
    finally:
        worker.terminate()
        worker.wait()
        await local.close()
    # The first round warms both.
    ratios = [one / other for one, other in zip(queued[1:], direct[1:], strict=True)]
    print(f"20-test problems, local   {problems / statistics.median(direct[1:]):.1f} problems/s")
    print(f"20-test problems, queue   {problems / statistics.median(queued[1:]):.1f} problems/s")
    shown = " ".join(f"{ratio:.3f}" for ratio in ratios)
    best = min(queued[1:]) / min(direct[1:])
    print(f"best round against best   {best:.3f} (what others did to this machine left out)")
    print(f"time through the queue    {statistics.median(ratios):.3f} of the local one (rounds: {shown})", flush=True)


async def batch(judge: Judge, salt: str, problems: int) -> float:
    """Seconds for so many problems. The salt names no module: what a program mentions is imported ahead."""
    jobs = [JudgeJob(f"print(int(input()) * 2)  # {salt} {number}", "python", TESTS) for number in range(problems)]
    started = time.perf_counter()
    results = await asyncio.gather(*map(judge.judge, jobs))
    seconds = time.perf_counter() - started
    assert {result.verdict for result in results} == {Verdict.ACCEPTED}
    return seconds


async def rate(url: str, rounds: int, jobs: int) -> None:
    """Distinct jobs, 512 in flight, with a worker in another process that answers at once."""
    answering = multiprocessing.get_context("spawn").Process(target=answer_at_once, args=(url,), daemon=True)
    answering.start()
    try:
        for tests, cache_seconds in ((1, 0), (20, 0), (20, 60)):
            async with queue(url, cache_seconds=cache_seconds) as judge:
                rates, shares = [], []
                for number in range(rounds):
                    cpu, started = time.process_time(), time.perf_counter()
                    await many(judge, f"{tests} {cache_seconds} {number}", jobs, tests)
                    rates.append(jobs / (time.perf_counter() - started))
                    shares.append(jobs / (time.process_time() - cpu))
            what = f"{tests} tests each, {'verdicts shared in Redis' if cache_seconds else 'nothing shared'}"
            print(f"jobs through one server   {statistics.median(rates):.0f} jobs/s, best {max(rates):.0f} ({what})")
            shown = f"{statistics.median(shares):.0f}, best {max(shares):.0f}"
            print(f"  by a second of its CPU  {shown}", flush=True)
    finally:
        answering.terminate()
        answering.join()


async def many(judge: Judge, salt: str, jobs: int, tests: int = 20) -> None:
    numbers = iter(range(jobs))

    async def client() -> None:
        for number in numbers:
            await judge.judge(JudgeJob(f"print(int(input()) * 2)  # {salt} {number}", "python", TESTS[:tests]))

    await asyncio.gather(*(client() for _ in range(512)))


@asynccontextmanager
async def queue(url: str, *, cache_seconds: int = 0) -> AsyncIterator[RedisJudge]:
    judge = RedisJudge(RedisSettings(url, NAMES, cache_seconds=cache_seconds, remembered_results=0))
    await judge.start()
    try:
        while not judge.health().ready:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.05)
        yield judge
    finally:
        await judge.close()


class AtOnce:
    """Judges without looking."""

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def judge(self, job: JudgeJob) -> JudgeResult:
        tests = tuple(TestResult(n, Verdict.ACCEPTED, 0.01, 0.01, 9.0) for n in range(len(job.tests)))
        return JudgeResult(Verdict.ACCEPTED, tests, len(tests), len(tests))

    async def execute(self, job: ExecuteJob) -> Execution:
        raise SandboxUnavailableError("runs nothing")

    def health(self) -> Health:
        return Health(True, "at once")


def answer_at_once(url: str) -> None:
    settings = WorkerSettings(url, NAMES, slots=256, tier="none", cache_seconds=0)
    uvloop.run(Worker(AtOnce(), settings).run())


if __name__ == "__main__":
    main()
