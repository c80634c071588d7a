"""How long a mixed batch of 1,024 rollouts takes, and whether the service stays awake meanwhile.

Run by `make bench`. The probe of `/healthz` runs in a process of its own, so that what it measures is the server.
The floor beside it is the same probe of the same server while it is idle, in the same run.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import time

import httpx

from benchmarks.batch import mixed_batch

_PROBE = """
import sys, time, httpx
samples = []
with httpx.Client(base_url=sys.argv[1], timeout=30) as client:
    client.get("/healthz")
    print("go", flush=True)
    ends = time.monotonic() + float(sys.argv[2])
    while time.monotonic() < ends:
        started = time.perf_counter()
        client.get("/healthz").raise_for_status()
        samples.append(time.perf_counter() - started)
        time.sleep(0.01)
print(*samples)
"""


def main() -> None:
    """Start a server, measure it idle and under the batch, and print one table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--url", help="a running server; without it one is started as a process of its own")
    options.add_argument("--rounds", type=int, default=3)
    arguments = options.parse_args()
    if arguments.url:
        measure(arguments.url, arguments.rounds)
        return
    port = 18_231
    server = subprocess.Popen([sys.executable, "-m", "reward_server", "serve", "--port", str(port)])
    try:
        measure(f"http://127.0.0.1:{port}", arguments.rounds)
    finally:
        server.terminate()
        server.wait(timeout=60)


def measure(url: str, rounds: int) -> None:
    """Score the batch `rounds` times with the probe beside it."""
    batches = itertools.count()
    with httpx.Client(base_url=url, timeout=httpx.Timeout(10, read=600)) as client:
        _await_ready(client)
        _score(client, next(batches))  # once, unmeasured
        idle = _probe(url, seconds=3)
        print(f"{'':24}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}{'probes':>10}")
        _row("/healthz idle", idle())
        for _ in range(rounds):
            watching = _probe(url, seconds=3)
            times = []
            began = time.monotonic()
            while time.monotonic() - began < 3:
                times.append(_score(client, next(batches)))
            _row("/healthz under load", watching())
            seconds = statistics.median(times)
            print(f"  1,024 new rollouts in {seconds:.2f} s (median of {len(times)}): {1024 / seconds:,.0f} a second")


def _probe(url: str, *, seconds: float):
    process = subprocess.Popen([sys.executable, "-c", _PROBE, url, str(seconds)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()

    def samples() -> list[float]:
        out, _ = process.communicate()
        return sorted(1000 * float(sample) for sample in out.split())

    return samples


def _row(name: str, samples: list[float]) -> None:
    def at(share: float) -> float:
        return samples[min(len(samples) - 1, int(share * len(samples)))]

    print(f"{name:24}{at(0.5):>10.1f}{at(0.99):>10.1f}{samples[-1]:>10.1f}{len(samples):>10}")


def _score(client: httpx.Client, variant: int) -> float:
    """Score a batch that the server has not seen, and check every reward."""
    batch = mixed_batch(variant=variant)
    body = json.dumps({"rollouts": batch}).encode()
    started = time.perf_counter()
    results = client.post("/v1/score", content=body).raise_for_status().json()["results"]
    taken = time.perf_counter() - started
    wrong = [result["id"] for result in results if str(result["reward"]) != result["id"].rpartition("-")[2]]
    if len(results) != len(batch) or wrong:
        raise SystemExit(f"{len(wrong)} rewards are wrong, such as {wrong[:3]}")
    return taken


def _await_ready(client: httpx.Client) -> None:
    for _ in range(600):
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise SystemExit("the server did not become ready")


if __name__ == "__main__":
    main()
