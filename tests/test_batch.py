"""A batch of 1,024 with everything in it that can go wrong, and what it must not touch."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import threading
from pathlib import Path

import httpx
import pytest

from benchmarks.batch import mixed_batch
from reward_server.app import create_app
from reward_server.scoring_run import embedded_server
from reward_server.settings import Settings

FORK_BOMB = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
HANG = "\\int_0^1 e^{x^x}\\sin(x^3)\\,dx + \\sum_{k=1}^{10^9} \\frac{1}{k^k+\\sin k}"
TOWER = "\\left(1+\\sqrt{2}\\right)^{10^{10^{10}}} + \\sin(10^{10^{10}})!"


def math(name, answer, reference="\\int_0^1 e^{x^x}\\sin(x^3)\\,dx"):
    completion = f"<think>a</think>\\boxed{{{answer}}}"
    return {"id": name, "completion": completion, "task": {"kind": "math", "answer": reference}}


def bomb():
    task = {
        "kind": "code",
        "language": "python",
        "tests": [{"stdin": "", "stdout": ""}],
        "limits": {"cpu_seconds": 1, "wall_seconds": 3},
    }
    return {"id": "bomb", "completion": f"<think>a</think>\n```python\n{FORK_BOMB}\n```", "task": task}


def children() -> set[int]:
    """Every process below this one."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found: set[int] = set()
    grown = {os.getpid()}
    while grown:
        grown = {child for child, parent in parents.items() if parent in grown} - found
        found |= grown
    return found


def wrong(results):
    """The ids of the mixed batch's rollouts whose reward is not the one that their id ends in."""
    return [
        result["id"]
        for result in results
        if result["id"].startswith("p") and str(result["reward"]) != result["id"].rpartition("-")[2]
    ]


def test_hostile_neighbours_cost_nobody_a_reward():
    """A tower of powers, a comparison without end and a fork bomb among 1,021 others; then all is as before."""
    before, files_before = children(), set(os.listdir(tempfile.gettempdir()))
    batch = mixed_batch()[:1021]
    hostile = [math("tower", TOWER), math("hang", HANG), bomb()]
    mixed = [*batch[:300], hostile[0], *batch[300:600], hostile[1], *batch[600:900], hostile[2], *batch[900:]]
    with embedded_server(create_app(Settings())) as running:
        assert running.client.get("/readyz").status_code == 200
        answer = running.client.post("/v1/score", json={"rollouts": mixed})
        assert answer.status_code == 200
        results = answer.json()["results"]
        assert [result["id"] for result in results] == [rollout["id"] for rollout in mixed]
        assert wrong(results) == []
        verdicts = {result["id"]: result["verdict"] for result in results if result["id"] in {"tower", "hang", "bomb"}}
        assert verdicts["tower"] in {"incorrect", "math_timeout"}
        assert verdicts["hang"] in {"incorrect", "math_timeout"}
        assert verdicts["bomb"] in {"time_limit_exceeded", "runtime_error", "memory_limit_exceeded"}
        assert running.client.get("/readyz").status_code == 200
        again = running.client.post("/v1/score", json={"rollouts": batch[:64]}).json()["results"]
        assert wrong(again) == []
    assert children() <= before
    assert set(os.listdir(tempfile.gettempdir())) <= files_before


@pytest.mark.parametrize("victims", ["reward_server.workers", "sandbox"])
def test_a_killed_worker_costs_no_rollout_its_reward(victims):
    """Kill -9 of whatever does the work, again and again while it does."""
    batch = mixed_batch(problems=16)
    before = children()
    with embedded_server(create_app(Settings())) as running:
        done = threading.Event()
        killed = []

        def kill() -> None:
            while not done.is_set() and len(killed) < 3:
                for pid in children() - before:
                    try:
                        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
                        if victims in command:
                            os.kill(pid, signal.SIGKILL)
                            killed.append(pid)
                            break
                    except (FileNotFoundError, ProcessLookupError):
                        continue

        killer = threading.Thread(target=kill)
        with httpx.Client(base_url=running.client.base_url, timeout=None) as client:
            killer.start()
            try:
                results = client.post("/v1/score", content=json.dumps({"rollouts": batch})).json()["results"]
            finally:
                done.set()
                killer.join()
        assert killed
        assert wrong(results) == []
        assert all(result["status"] == "scored" for result in results)
