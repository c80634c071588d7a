"""How fast code is judged, against what the machine could do at best.

    python -m benchmarks.bench_code [--rounds 5] [--http http://127.0.0.1:8000] [--sandbox-fusion http://127.0.0.1:8080]

Every figure is the median of the rounds. The floor is a warm interpreter that forks once a test, does the same work and
isolates nothing, one process a core. Results are not remembered, so that every submission is really judged.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import uvloop

from reward_server.settings import SandboxSettings
from sandbox import languages, toolchain
from sandbox.dispatch import request_key
from sandbox.local import LocalJudge, LocalSettings, default_cache_dir
from sandbox.models import JudgeJob, Limits, StdioTest, Verdict

EXPRESS_SECONDS = SandboxSettings().express_seconds
CORES = len(os.sched_getaffinity(0))
TESTS = tuple(StdioTest(b"%d\n" % n, b"%d\n" % (2 * n)) for n in range(20))
OURS, SANDBOX_FUSION = "reward server", "SandboxFusion"
DOUBLE = "print(int(input()) * 2)"
DOUBLE_CPP = "#include <bits/stdc++.h>\nint main() { long n; std::cin >> n; std::cout << 2 * n << '\\n'; }"

FLOOR = """
import argparse, ast, asyncio, bisect, collections, dataclasses, datetime, decimal, fractions, functools, gc, heapq
import inspect, itertools, json, math, os, queue, random, re, statistics, string, sys, textwrap, threading, time, typing
problems = int(sys.argv[1])
gc.collect(); gc.freeze()
started = time.perf_counter()
for _ in range(problems):
    code = compile("print(int(input()) * 2)", "main.py", "exec")
    for n in range(20):
        given, got = os.memfd_create("in"), os.memfd_create("out")
        os.pwrite(given, b"%d\\n" % n, 0)
        pid = os.fork()
        if pid == 0:
            os.dup2(given, 0); os.dup2(got, 1)
            sys.stdin, sys.stdout = open(0), open(1, "w")
            exec(code, {"__name__": "__main__"})
            sys.stdout.flush()
            os._exit(0)
        os.waitpid(pid, 0)
        assert os.pread(got, 100, 0) == b"%d\\n" % (2 * n)
        os.close(given); os.close(got)
print(problems / (time.perf_counter() - started))
"""


def main() -> None:
    """Run every measurement and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--http", help="a running reward server; without it one is started as a process of its own")
    parser.add_argument("--sandbox-fusion", help="a running SandboxFusion, to compare with")
    options = parser.parse_args()
    toolchain.prepare(default_cache_dir())
    uvloop.run(measure(options.rounds))
    with serving(options.http) as url:
        http_throughput(url, options.rounds)
        http_latency(url, options.rounds)
        if options.sandbox_fusion:
            against_sandbox_fusion(url, options.sandbox_fusion, options.rounds)


async def measure(rounds: int) -> None:
    """Everything that needs no other server."""
    with tempfile.TemporaryDirectory() as scratch:
        cache = Path(scratch)
        (cache / "precompiled").symlink_to(default_cache_dir() / "precompiled")
        judge = LocalJudge(LocalSettings(cache_dir=cache, remembered_results=0, express_seconds=EXPRESS_SECONDS))
        await judge.start()
        try:
            await python_throughput(judge, rounds)
            await latency(judge)
            await cpp(judge, rounds)
            await groups(judge)
            await under_load(judge)
        finally:
            await judge.close()


async def python_throughput(judge: LocalJudge, rounds: int) -> None:
    """20-test problems a second, in turns with the floor, so that both meet the same machine."""
    ours, floors, plain = [], [], []
    for number in range(rounds):
        floors.append(floor(15))
        ours.append(await throughput(judge, [python_job(f"{number} {n}") for n in range(30)], clients=2 * CORES))
        plain.append(await asyncio.to_thread(subprocess_throughput))
    ratios = [one / other for one, other in zip(ours, floors, strict=True)]
    tell("20-test Python problem", f"{median(ours):.1f} problems/s")
    tell("  floor: warm fork, no isolation", f"{median(floors):.1f} problems/s; we reach {median(ratios):.2f} of it")
    tell("  a subprocess a test", f"{median(plain):.1f} problems/s; we reach {median(ours) / median(plain):.1f} ×")


def floor(problems: int) -> float:
    """The floor on all cores together."""
    command = [sys.executable, "-I", "-S", "-c", FLOOR, str(problems)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(CORES)]
    return sum(float(process.communicate()[0]) for process in running)


def subprocess_throughput() -> float:
    """What runs every test in a new interpreter reaches, on all cores and without isolation."""

    def run(test: StdioTest) -> None:
        done = subprocess.run([sys.executable, "-c", DOUBLE], input=test.stdin, capture_output=True, check=True)
        assert done.stdout == test.stdout

    started = time.perf_counter()
    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(run, TESTS * 3))
    return 3 / (time.perf_counter() - started)


async def latency(judge: LocalJudge) -> None:
    """One test, one client, an idle judge."""
    taken = [await timed(judged(judge, python_job(f"latency {n}", 1))) for n in range(60)]
    tell("one test, idle", f"p50 {median(taken) * 1000:.1f} ms, p99 {percentile(taken, 99) * 1000:.1f} ms")


async def cpp(judge: LocalJudge, rounds: int) -> None:
    """A 20-test C++ problem the first time, again, and what g++ and twenty plain runs take; each alone."""
    first, again, plain = [], [], []
    for number in range(rounds):
        job = JudgeJob(f"{DOUBLE_CPP}\n// {number}", "cpp", TESTS)
        plain.append(await asyncio.to_thread(plain_cpp, job.code))
        first.append(await timed(judged(judge, job)))
        await judge.settled()  # slots are cleaned behind an answer
        again.append(await timed(judged(judge, job)))
        await judge.settled()
    tell("20-test C++ problem, first time", f"{median(first) * 1000:.0f} ms")
    tell("  g++ and twenty plain runs", f"{median(plain) * 1000:.0f} ms; we take {median(first) / median(plain):.2f} ×")
    tell("  from the cache", f"{median(again) * 1000:.1f} ms, g++ takes {median(plain) / median(again):.0f} ×")


def plain_cpp(code: str) -> float:
    """The same flags, header and linker, no isolation, one after the other."""
    with tempfile.TemporaryDirectory() as scratch:
        source, program = Path(scratch, "main.cpp"), Path(scratch, "program")
        source.write_text(code)
        header = toolchain.precompiled_directory(default_cache_dir())
        started = time.perf_counter()
        flags = [*languages.CXX_FLAGS, f"-I{header}", "-w", "-pipe"]
        linker = [option] if (option := languages.linker_option()) else []
        subprocess.run(["g++", *flags, *linker, "-o", str(program), str(source)], check=True)
        for test in TESTS:
            done = subprocess.run([str(program)], input=test.stdin, capture_output=True, check=True)
            assert done.stdout == test.stdout
        return time.perf_counter() - started


async def groups(judge: LocalJudge) -> None:
    """Sixteen rollouts with eight programs, and a program that fails its third test."""
    distinct = [python_job(f"group {n}") for n in range(8)]
    eight = await timed(lambda: asyncio.gather(*map(judge.judge, distinct)))
    doubled = [python_job(f"twice {n}") for n in range(8)] * 2
    sixteen = await timed(lambda: asyncio.gather(*map(judge.judge, doubled)))
    tell("16 submissions, 8 distinct", f"{sixteen / eight:.2f} × what 8 cost")
    wrong = await judge.judge(JudgeJob("n = int(input())\nprint(n * 2 if n != 2 else 0)", "python", TESTS))
    tell("a program wrong from test 2 on", f"ran {len(wrong.tests)} of 20 tests")


async def under_load(judge: LocalJudge) -> None:
    """32 clients with programs of a second each; then one small request beside a queue of slow ones."""
    busy = "import time\nwhile time.process_time() < 1: pass\n" + DOUBLE
    jobs = [JudgeJob(f"{busy}  # {n}", "python", TESTS[:1], limits=Limits(cpu_seconds=4)) for n in range(32)]
    results = await asyncio.gather(*map(judge.judge, jobs))
    rejected = sum(result.verdict is not Verdict.ACCEPTED for result in results)
    tell("1 s programs, 4 s limit, 32 clients", f"{rejected} of 32 correct programs rejected")
    idle = [await timed(judged(judge, python_job(f"idle {n}", 1))) for n in range(30)]
    request_key.set("slow")
    slow = "import time\nwhile time.process_time() < 0.2: pass\n" + DOUBLE
    queue = [asyncio.create_task(judge.judge(JudgeJob(f"{slow} # {n}", "python", TESTS))) for n in range(8)]
    small = []
    for n in range(30):
        request_key.set(f"small {n}")  # as a server does for each request
        small.append(await timed(judged(judge, python_job(f"small {n}", 1))))
    for task in queue:
        task.cancel()
    await asyncio.gather(*queue, return_exceptions=True)
    tell(
        "one test beside a queue of 0.2 s tests",
        f"p99 {percentile(small, 99) * 1000:.0f} ms; idle {median(idle) * 1000:.1f} ms",
    )


@contextmanager
def serving(url: str | None) -> Iterator[str]:
    """The server at `url`, or one of our own while the block lasts."""
    if url is not None:
        yield url
        return
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    own = f"http://127.0.0.1:{port}"
    server = subprocess.Popen([sys.executable, "-m", "reward_server", "serve", "--port", str(port)])
    try:
        for _ in range(600):
            with suppress(httpx.TransportError):
                if httpx.get(f"{own}/readyz").status_code == 200:
                    break
            time.sleep(0.1)
        yield own
    finally:
        server.terminate()
        server.wait(timeout=60)


def http_throughput(url: str, rounds: int) -> None:
    """20-test problems a second through HTTP, in turns with the floor."""
    ours, floors = [], []
    for _ in range(rounds):
        floors.append(floor(15))
        ours.append(problems_over_http(OURS, url, 30))
    ratios = [one / other for one, other in zip(ours, floors, strict=True)]
    tell("20-test Python problem over HTTP", f"{median(ours):.1f} problems/s; {median(ratios):.2f} of the floor")


def against_sandbox_fusion(url: str, other: str, rounds: int) -> None:
    """The same clients with the same problems, in turns."""
    ours, theirs = [], []
    for _ in range(rounds):
        theirs.append(problems_over_http(SANDBOX_FUSION, other, 8))
        ours.append(problems_over_http(OURS, url, 30))
    tell("20-test Python problem, SandboxFusion", f"{median(theirs):.1f} problems/s")
    tell("  reward server beside it", f"{median(ours):.1f} problems/s: {median(ours) / median(theirs):.1f} ×")
    theirs, ours = [], []
    for _ in range(rounds):
        theirs += latencies(SANDBOX_FUSION, other, 16)
        ours += latencies(OURS, url, 64)
    tell("print(1), SandboxFusion", f"p50 {median(theirs) * 1000:.1f} ms")
    tell("  reward server beside it", f"p50 {median(ours) * 1000:.1f} ms: {median(theirs) / median(ours):.1f} ×")


def http_latency(url: str, rounds: int) -> None:
    """One client, an idle server."""
    single = latencies(OURS, url, rounds * 64)
    tell("print(1) over HTTP, idle", f"p50 {median(single) * 1000:.1f} ms, p99 {percentile(single, 99) * 1000:.1f} ms")


def latencies(name: str, url: str, times: int) -> list[float]:
    """Seconds for `print(1)`, time after time."""
    with closing(connected(url)) as connection:
        return [
            in_seconds(lambda n=n: post(name, connection, f"print(1)  # {n} {time.time()}", [("", "1\n")]))
            for n in range(times)
        ]


def problems_over_http(name: str, url: str, problems: int) -> float:
    """20-test problems a second, with two clients a core. They are threads that take little time for themselves."""
    tests = [(test.stdin.decode(), test.stdout.decode()) for test in TESTS]
    salts = iter([f"{time.time()} {number}" for number in range(problems)])

    def client(_: int) -> None:
        with closing(connected(url)) as connection:
            for salt in salts:
                post(name, connection, f"{DOUBLE}  # {salt}", tests)

    def all_of_them() -> None:
        with ThreadPoolExecutor(2 * CORES) as pool:
            list(pool.map(client, range(2 * CORES)))

    return problems / in_seconds(all_of_them)


def connected(url: str) -> http.client.HTTPConnection:
    """A connection that is kept for many requests."""
    place = urlsplit(url)
    assert place.hostname is not None
    return http.client.HTTPConnection(place.hostname, place.port, timeout=120)


def post(name: str, connection: http.client.HTTPConnection, code: str, tests: list[tuple[str, str]]) -> None:
    """One problem: one request to us, a request a test to a server that takes one program and one input."""
    if name == SANDBOX_FUSION:
        for given, expected in tests:
            said = sent(connection, "/run_code", {"code": code, "language": "python", "stdin": given})
            assert said["run_result"]["stdout"] == expected, said
    else:
        cases = [{"stdin": given, "stdout": expected} for given, expected in tests]
        said = sent(connection, "/v1/judge", {"code": code, "language": "python", "tests": cases})
        assert said["verdict"] == "accepted", said


def sent(connection: http.client.HTTPConnection, path: str, body: dict[str, object]) -> Any:
    """What a server answers."""
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    return json.load(connection.getresponse())


def in_seconds(work: Callable[[], object]) -> float:
    """What it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def python_job(salt: str, tests: int = 20) -> JudgeJob:
    return JudgeJob(f"{DOUBLE}  # {salt}", "python", TESTS[:tests])


async def throughput(judge: LocalJudge, jobs: list[JudgeJob], clients: int) -> float:
    admitted = asyncio.Semaphore(clients)

    async def one(job: JudgeJob) -> None:
        async with admitted:
            assert (await judge.judge(job)).verdict is Verdict.ACCEPTED

    return len(jobs) / await timed(lambda: asyncio.gather(*map(one, jobs)))


def judged(judge: LocalJudge, job: JudgeJob) -> Callable[[], Awaitable[object]]:
    async def accepted() -> None:
        result = await judge.judge(job)
        assert result.verdict is Verdict.ACCEPTED, result

    return accepted


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


def median(values: list[float]) -> float:
    return statistics.median(values)


def percentile(values: list[float], share: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * share // 100)]


def tell(what: str, figure: str) -> None:
    print(f"{what:<44} {figure}", flush=True)


if __name__ == "__main__":
    main()
