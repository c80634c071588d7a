"""What Redis's one core pays: for a job, and for workers that are merely there.

    python -m benchmarks.bench_redis [--workers 10000] [--jobs 20000]

Starts a `redis-server` of its own on a socket in a temporary directory, without persistence, and ends it. Runs the very
scripts of `sandbox.streams`, as `queue` and `worker` send them, and asks Redis how much CPU time it used. A figure is
microseconds of Redis's CPU; what the servers and workers themselves pay is measured elsewhere.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import redis

from sandbox import streams
from sandbox.jobs import encode_job, encode_result
from sandbox.models import JudgeJob, JudgeResult, StdioTest, TestResult, Verdict
from sandbox.streams import Names, Script

NAMES: Final = Names("bench")
TOGETHER: Final = 64
BODY: Final = b"j" + b"x" * 2_000  # a program and twenty small tests
SAID: Final = {"slots": 4, "tier": "namespaces cgroup", "identities": {"python": "t" * 60, "cpp": "t" * 60}}

Pipe = Any


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=20_000)
    options = parser.parse_args()
    with started() as client:
        for script in vars(streams).values():
            if isinstance(script, Script):
                client.script_load(script.source)
        for stream in NAMES.streams():
            client.xgroup_create(stream, streams.GROUP, "0", mkstream=True)
        measure(client, options.workers, options.jobs)
        memory(client)


def measure(client: redis.Redis, workers: int, jobs: int) -> None:
    urgent, waiting = NAMES.urgent(0), NAMES.jobs(0)
    a_job = job_cost(client, jobs)
    tell("a job, cache and all", a_job, f"{1e6 / a_job:,.0f} jobs/s on one core")
    claim = repeated(client, 5_000, lambda pipe, n: run(pipe, streams.CLAIM, [urgent, waiting], f"w{n % 100}", 4))
    block = repeated(client, 5_000, lambda pipe, n: read(pipe, f"w{n % 100}"))
    client.delete(NAMES.workers)
    for n in range(workers):
        run(client, streams.BEAT, [NAMES.workers], said(n), 15)
    beat = repeated(client, 5_000, lambda pipe, n: run(pipe, streams.BEAT, [NAMES.workers], said(n % workers), 15))
    alive = repeated(client, 20, lambda pipe, _: run(pipe, streams.ALIVE, [NAMES.workers], 15))
    hold(client, workers * 2)
    reclaim = repeated(
        client, 2_000, lambda pipe, n: run(pipe, streams.RECLAIM, [waiting], f"w{n % 100}", 600_000, "0-0", 4)
    )
    held = [entry["message_id"] for entry in client.xpending_range(waiting, "workers", "-", "+", 4, "w0")]
    renew = repeated(client, 2_000, lambda pipe, _: run(pipe, streams.RENEW, [waiting], "w0", *held))
    look = repeated(client, 500, lambda pipe, _: run(pipe, streams.LOOK, [urgent, waiting]))
    for n in range(workers):
        for stream in (urgent, waiting):
            client.execute_command("XGROUP", "CREATECONSUMER", stream, "workers", f"w{n}")
    shard = [urgent, waiting, NAMES.tidied(0)]
    tidy = repeated(client, 5, lambda pipe, _: tidy_now(pipe, shard))
    asked = repeated(client, 5_000, lambda pipe, _: run(pipe, streams.TIDY, shard, 3_600_000, 60_000))
    tell("claim that finds nothing", claim)
    tell("read that finds nothing", block)
    tell(f"beat, one of {workers:,} workers", beat)
    tell("look for passed leases, full fleet", reclaim)
    tell("renewal of four leases", renew)
    tell("look at one shard", look)
    tell(f"read who of {workers:,} lives", alive, "and so many documents for the server to read")
    tell(f"forget consumers, of {workers:,}", tidy, "one worker every 9 min")
    tell("the same asked by another", asked)
    idle = claim + block + 2 * reclaim / 5 + beat / 3
    tell("an idle worker, each second", idle, f"{workers:,} of them: {workers * idle / 1e6:.0%} of the core")
    busy = 2 * reclaim / 5 + beat / 3 + renew / 5
    tell("a busy worker, each second, without its jobs", busy, f"{workers:,} of them: {workers * busy / 1e6:.0%}")
    server = (alive + look) / 2
    tell("a server, each second, without its jobs", server)


def tidy_now(pipe: Pipe, keys: list[str]) -> None:
    """Whoever did it last."""
    pipe.delete(keys[-1])
    run(pipe, streams.TIDY, keys, 3_600_000, 60_000)


def memory(client: redis.Redis) -> None:
    """Bytes that Redis holds for each of what grows."""
    tests = tuple(TestResult(n, Verdict.ACCEPTED, 0.0123456, 0.0145678, 12.34375) for n in range(20))
    verdict = encode_result(JudgeResult(Verdict.ACCEPTED, tests, 20, 20))
    job = encode_job(JudgeJob("x" * 1_500, "python", tuple(StdioTest(b"1 2\n" * 25, b"3\n") for _ in range(20))))
    client.flushall()
    free = used_bytes(client)
    for n in range(5_000):
        client.set(NAMES.verdict(n.to_bytes(32)), verdict, ex=86_400)
    verdicts = used_bytes(client)
    for n in range(5_000):
        client.xadd(NAMES.jobs(0), {"id": n, "reply": NAMES.replies("s"), "expires": "1900000000.000", "body": job})
    jobs = used_bytes(client)
    connections = [redis.Redis(connection_pool=copied(client)) for _ in range(200)]
    for connection in connections:
        connection.ping()
    tell("a verdict of twenty tests", (verdicts - free) / 5_000, unit="bytes")
    tell(f"a job, {len(job):,} bytes of it code and tests", (jobs - verdicts) / 5_000, unit="bytes")
    tell("a connection", (used_bytes(client) - jobs) / 200, unit="bytes")
    for connection in connections:
        connection.close()


def copied(client: redis.Redis) -> redis.ConnectionPool:
    pool = client.connection_pool
    return redis.ConnectionPool(connection_class=pool.connection_class, **pool.connection_kwargs)


def used_bytes(client: redis.Redis) -> int:
    return int(client.info("memory")["used_memory"])


def job_cost(client: redis.Redis, jobs: int) -> float:
    """From `SUBMIT` to `DONE`, with the looks into the verdict cache."""
    stream, replies = NAMES.jobs(0), NAMES.replies("s")
    used = cpu_seconds(client)
    for first in range(0, jobs, TOGETHER):
        numbers = range(first, first + TOGETHER)
        with client.pipeline(transaction=False) as pipe:
            for n in numbers:
                digest = n.to_bytes(32)
                pipe.get(NAMES.verdict(digest))
                pipe.execute_command("SET", NAMES.running(digest), "s", "NX", "GET", "EX", 3600)
                fields = ["id", n, "reply", replies, "expires", "1900000000.000", "body", BODY]
                run(pipe, streams.SUBMIT, [stream], 10**9, *fields)
            pipe.execute()
        entries: list[bytes] = []
        with client.pipeline(transaction=False) as pipe:
            for _ in numbers:
                run(pipe, streams.CLAIM, [NAMES.urgent(0), stream], "w0", 1)
            for claimed in pipe.execute():
                entries += [entry for _, entry, _ in claimed]
        with client.pipeline(transaction=False) as pipe:
            for n, entry in zip(numbers, entries, strict=True):
                digest = n.to_bytes(32)
                pipe.get(NAMES.verdict(digest))
                pipe.set(NAMES.verdict(digest), BODY[:500], ex=86_400)
                run(pipe, streams.REPLY, [replies], 300, "id", n, "body", BODY[:500])
                run(pipe, streams.DONE, [stream], entry)
            pipe.execute()
        [(_, answered)] = client.xread({replies: "0"}, count=512)
        with client.pipeline(transaction=False) as pipe:
            pipe.xdel(replies, *(entry for entry, _ in answered))
            for n in numbers:
                pipe.delete(NAMES.running(n.to_bytes(32)))
            pipe.execute()
    done = -(-jobs // TOGETHER) * TOGETHER
    assert client.xlen(stream) == 0
    return (cpu_seconds(client) - used) / done * 1e6


def hold(client: redis.Redis, jobs: int) -> None:
    """So many jobs in the hands of workers."""
    with client.pipeline(transaction=False) as pipe:
        for n in range(jobs):
            run(pipe, streams.SUBMIT, [NAMES.jobs(0)], 10**9, "id", n, "body", BODY[:100])
        for n in range(jobs // 4):
            run(pipe, streams.CLAIM, [NAMES.urgent(0), NAMES.jobs(0)], f"w{n}", 4)
        pipe.execute()


def repeated(client: redis.Redis, times: int, ask: Callable[[Pipe, int], object]) -> float:
    """Microseconds of Redis's CPU for one."""
    used = cpu_seconds(client)
    for first in range(0, times, TOGETHER):
        with client.pipeline(transaction=False) as pipe:
            for n in range(first, min(times, first + TOGETHER)):
                ask(pipe, n)
            pipe.execute()
    return (cpu_seconds(client) - used) / times * 1e6


def run(client: Pipe, script: Script, keys: list[str], *arguments: str | bytes | int | float) -> Any:
    return client.execute_command("EVALSHA", script.hash, len(keys), *keys, *arguments)


def read(client: Pipe, consumer: str) -> Any:
    keys = [NAMES.urgent(0), NAMES.jobs(0)]
    return client.execute_command("XREADGROUP", "GROUP", "workers", consumer, "COUNT", 1, "STREAMS", *keys, ">", ">")


def said(number: int) -> str:
    return json.dumps({"name": f"worker-{number}", **SAID}, sort_keys=True)


def cpu_seconds(client: redis.Redis) -> float:
    cpu = client.info("cpu")
    return float(cpu["used_cpu_sys"]) + float(cpu["used_cpu_user"])


@contextmanager
def started() -> Iterator[redis.Redis]:
    """A Redis that nobody else reaches and that leaves nothing behind."""
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder, "redis.sock")
        options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no", "--dir", folder]
        process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        try:
            while not socket.exists():
                assert process.poll() is None, "redis-server does not start"
                time.sleep(0.01)
            yield redis.Redis(unix_socket_path=str(socket))
        finally:
            process.terminate()
            process.wait()


def tell(what: str, figure: float, more: str = "", *, unit: str = "µs") -> None:
    print(f"{what:<46} {figure:10,.1f} {unit}   {more}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
