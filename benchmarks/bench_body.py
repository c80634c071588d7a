"""How long a body of each shape holds the event loop: the longest stretch, and the 99th of 100, in CPU time.

Run by `make bench-body`. CPU time of the loop's own thread, so that another program on the machine changes nothing;
a pause of the garbage collector counts. The sandbox is off: what is measured is reading, deciding and answering.
`--only WORD` measures the shapes whose name has it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time

import httpx

from reward_server.app import create_app
from reward_server.settings import SandboxSettings, Settings

_BEAT_SECONDS = 0.001
_WORDS = "First we look at the numbers and see which of them can be added without any carry at all. "


def main() -> None:
    """Send each shape to the application and print one table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", default="")
    only = options.parse_args().only
    asyncio.run(_measure({name: body for name, body in _shapes().items() if only in name}))


async def _measure(bodies: dict[str, bytes]) -> None:
    app = create_app(Settings(math_workers=1, sandbox=SandboxSettings(backend="off")))
    async with app.router.lifespan_context(app):
        while not app.state.service.started:  # noqa: ASYNC110 - the service has no event for it
            await asyncio.sleep(0.05)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://bench", timeout=600) as client:
            await client.post("/v1/score", content=_math(1, words=1))
            print(f"{'':44}{'MB':>6}{'status':>8}{'CPU s':>8}{'p99 ms':>8}{'max ms':>8}")
            for name, body in bodies.items():
                beats: list[float] = []
                watching = asyncio.create_task(_watch(beats))
                began = time.thread_time()
                answer = await client.post("/v1/score", content=body)
                spent = time.thread_time() - began
                watching.cancel()
                beats.sort()
                p99 = beats[int(len(beats) * 0.99)] * 1e3
                megabytes = len(body) / 1e6
                print(
                    f"{name:44}{megabytes:6.1f}{answer.status_code:8}{spent:8.2f}{p99:8.1f}{beats[-1] * 1e3:8.1f}",
                    flush=True,
                )


async def _watch(beats: list[float]) -> None:
    last = time.thread_time()
    while True:
        await asyncio.sleep(_BEAT_SECONDS)
        now = time.thread_time()
        beats.append(now - last)
        last = now


def _shapes() -> dict[str, bytes]:
    contest = [_contest(number, tests=180, chars=16) for number in range(64)]
    long_tests = [_contest(number, tests=100, chars=1_500) for number in range(64)]
    numbers = {"kind": "code", "fn_name": "f", "tests": [{"input": [[0] * 1_000_000], "output": 1}]}
    one_large = json.dumps([_code(numbers)])
    return {
        "64 groups of 16, 180 small tests": _code_batch([contest[place // 16] for place in range(1024)]),
        "the same without groups": _code_batch([contest[place // 16] for place in range(1024)], group=False),
        "32 groups of 2, 100 tests of 3 kB": _code_batch([long_tests[place // 2] for place in range(64)]),
        "1,024 tasks of 180 small tests": _code_batch([_contest(n, tests=180, chars=16) for n in range(1024)]),
        "the same without groups ": _code_batch([_contest(n, tests=180, chars=16) for n in range(1024)], group=False),
        "8,192 short math rollouts": _math(8192, words=1),
        "1,024 math rollouts of 28 kB": _math(1024, words=300),
        "one call with a million numbers": b'{"rollouts":' + one_large.encode() + b"}",
        "one lone surrogate in 1,024 of 28 kB": _math(1024, words=300).replace(b"First we", b"\\ud800 we", 1),
        "NaN in the last of 1,024 tasks": _code_batch(contest * 16)[:-2] + b',{"id":NaN}]}',
    }


def _contest(number: int, *, tests: int, chars: int) -> dict[str, object]:
    pairs = [(f"{number} {test} " + "7" * chars, "8" * chars) for test in range(tests)]
    return {"kind": "code", "language": "python", "tests": [{"stdin": stdin, "stdout": out} for stdin, out in pairs]}


def _code(task: dict[str, object]) -> dict[str, object]:
    program = "print(sum(map(int, input().split())))\n" * 20
    return {"prompt": _WORDS, "completion": f"<think>{_WORDS * 20}</think>\n```python\n{program}```", "task": task}


def _code_batch(tasks: list[dict[str, object]], *, group: bool = True) -> bytes:
    rollouts = [
        {"id": str(place), **({"group": str(id(task))} if group else {}), **_code(task)}
        for place, task in enumerate(tasks)
    ]
    return json.dumps({"rollouts": rollouts}).encode()


def _math(count: int, *, words: int) -> bytes:
    salt = os.urandom(4).hex()  # nothing is remembered from the shape before
    rollouts = [
        {
            "prompt": _WORDS,
            "completion": f"<think>{_WORDS * words}{salt}</think>The sum is \\boxed{{{place}}}.",
            "task": {"kind": "math", "answer": str(place)},
        }
        for place in range(count)
    ]
    return json.dumps({"rollouts": rollouts}).encode()


if __name__ == "__main__":
    main()
