"""What may happen to Redis, workers, servers and the network while 2,000 rollouts are judged, and costs none of them.

Every time: each rollout has its one right reward, or none and an error that says that it may be sent again; none is
lost, none is later than its deadline, and afterwards nothing waits in Redis.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fleet import Fleet, LateRelay, RedisServer, Server, Worker, fleet, until

ROLLOUTS = 2_000
DISTINCT = 200  # programs among them: members of a group commonly write the same one
DEADLINE_SECONDS = 300
RETRYABLE = {"sandbox_unavailable", "deadline_exceeded", "queue_full", "internal_error"}


def rollouts(salt: str) -> list[dict[str, Any]]:
    """Rollouts whose id ends in the reward that each must get."""
    return [_rollout(salt, number) for number in range(ROLLOUTS)]


def _rollout(salt: str, number: int, *, seconds: float = 0.05) -> dict[str, Any]:
    """Its program sleeps first: however fast the machine judges, a batch is not over before something happens to it."""
    program = number % DISTINCT
    right = program % 4 != 0
    answer = f"n * {program} + {0 if right else 1}"
    source = f"import time; time.sleep({seconds})\nn = int(input())\nprint({answer})  # {salt}"
    return {
        "id": f"{salt}-{number}-{1.1 if right else 0.2}",
        "group": f"p{program}",
        "completion": f"<think>a</think>\n```python\n{source}\n```",
        "completion_tokens": 100,
        "task": {
            "kind": "code",
            "language": "python",
            "tests": [{"stdin": "7\n", "stdout": f"{7 * program}\n"}],
            "limits": {"cpu_seconds": 10, "wall_seconds": 120},
        },
    }


class Scoring:
    """A batch that is being scored by a server, in a thread of its own."""

    def __init__(self, server: Server, batch: list[dict[str, Any]]) -> None:
        self.batch = batch
        self.results: list[dict[str, Any]] = []
        self.failure: Exception | None = None
        self.seconds = 0.0
        self._server = server
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        started = time.monotonic()
        try:
            answer = httpx.post(f"{self._server.url}/v1/score", json={"rollouts": self.batch}, timeout=600)
            answer.raise_for_status()
            self.results = answer.json()["results"]
        except httpx.HTTPError as error:
            self.failure = error
        self.seconds = time.monotonic() - started

    def wait(self) -> Scoring:
        self._thread.join()
        return self


class Figures:
    """What came out, for whoever reads the end of the run."""

    def __init__(self, name: str, tell: Callable[[str], None], record: Callable[[str, object], None]) -> None:
        self._name = name
        self._tell = tell
        self._record = record

    def tell(self, line: str) -> None:
        self._tell(f"chaos: {self._name}: {line}")

    def check(self, members: Fleet, *scorings: Scoring, unscored: bool = False) -> None:
        """Every rollout right, or (where that may be) unscored and to be sent again; and nothing left in Redis."""
        for scoring in scorings:
            assert scoring.failure is None, scoring.failure
            assert [result["id"] for result in scoring.results] == [rollout["id"] for rollout in scoring.batch]
            assert wrong(scoring.results) == []
            without = [result for result in scoring.results if result["status"] == "unscored"]
            assert all(result["error"]["retryable"] for result in without)
            assert {result["error"]["kind"] for result in without} <= RETRYABLE
            assert unscored or not without, without[0]["error"]
            figures = {
                "rollouts": len(scoring.results),
                "scored": len(scoring.results) - len(without),
                "unscored_retryable": len(without),
                "seconds": round(scoring.seconds, 1),
            }
            for name, value in figures.items():
                self._record(name, value)
            shown = ", ".join(f"{name} {value}" for name, value in figures.items())
            self.tell(shown)
            assert scoring.seconds < DEADLINE_SECONDS + 30
        until(lambda: members.redis.waiting() == 0 and members.redis.claimed() == 0, "empty streams")


def wrong(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The scored ones whose reward is not the one that their id ends in."""
    return [
        result
        for result in results
        if result["status"] == "scored" and str(result["reward"]) != result["id"].rpartition("-")[2]
    ]


@pytest.fixture
def figures(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Figures:
    plugins = request.config.pluginmanager
    reporter, capture = plugins.get_plugin("terminalreporter"), plugins.get_plugin("capturemanager")

    def tell(line: str) -> None:
        with capture.global_and_fixture_disabled():
            reporter.write_line("\n" + line)

    return Figures(request.node.name.removeprefix("test_").replace("_", " "), tell, record_property)


@contextmanager
def small_fleet(tmp_path: Path, *, workers: int = 2, **settings: object) -> Iterator[tuple[Fleet, Server, list[Any]]]:
    """A server and workers, ready."""
    with fleet(tmp_path, reward_deadline_seconds=DEADLINE_SECONDS, **settings) as members:
        hands = [members.worker() for _ in range(workers)]
        server = members.server()
        members.ready(*hands)
        until(lambda: server.ready if hands else server.started, "a server")
        yield members, server, hands


def judging(redis: RedisServer) -> None:
    """Wait until the batch is under way: some of it is judged, some is in work, and some waits."""
    until(lambda: redis.waiting() > DISTINCT // 2, "a batch in the queue")
    judged(redis, 20)


def judged(redis: RedisServer, done: int) -> None:
    """Wait until so much of a batch that is under way is judged."""
    until(lambda: redis.waiting() <= DISTINCT - done and redis.claimed() > 0, "a batch under way")


def stopped_in_mid_job(redis: RedisServer, hand: Worker) -> None:
    """Stop a worker while it holds a job; between two jobs it is let go on."""

    def stopped() -> bool:
        hand.signal(signal.SIGSTOP)
        # What it had sent before it stopped has arrived when Redis answers us for the second time.
        if redis.held_by(hand.name) and redis.held_by(hand.name):
            return True
        hand.signal(signal.SIGCONT)
        return False

    until(stopped, "a worker that holds a job")


def test_workers_killed_in_mid_job(tmp_path: Path, figures: Figures) -> None:
    """Kill -9 of two of three, one after the other; what they held is judged by the third."""
    with small_fleet(tmp_path, workers=3) as (members, server, hands):
        scoring = Scoring(server, rollouts("killed"))
        judging(members.redis)
        for done, hand in ((20, hands[0]), (60, hands[1])):
            judged(members.redis, done)
            stopped_in_mid_job(members.redis, hand)
            hand.signal(signal.SIGKILL)
            hand.process.wait()
        figures.check(members, scoring.wait())


def test_a_worker_told_to_end_in_mid_job(tmp_path: Path, figures: Figures) -> None:
    """It gives back what it cannot finish in its time, ends with 0, and the other goes on at once."""
    with small_fleet(tmp_path, workers=1) as (members, server, _):
        leaving = members.worker(sandbox_drain_seconds=0)
        members.ready(leaving)
        scoring = Scoring(server, rollouts("told"))
        judging(members.redis)
        stopped_in_mid_job(members.redis, leaving)
        leaving.signal(signal.SIGTERM)
        leaving.signal(signal.SIGCONT)
        assert leaving.process.wait() == 0, leaving.log
        figures.check(members, scoring.wait())


@pytest.mark.parametrize("persistent", [True, False], ids=["with persistence", "without persistence"])
def test_redis_killed_and_started_again(tmp_path: Path, figures: Figures, persistent: bool) -> None:
    """What it has forgotten is handed in again; what it still knows goes on."""
    with small_fleet(tmp_path, persistent=persistent) as (members, server, _):
        scoring = Scoring(server, rollouts("restart"))
        judging(members.redis)
        members.redis.kill()
        until(lambda: (answer := server.get("/readyz")) is not None and answer.status_code == 503, "not ready")
        members.redis.start()
        figures.check(members, scoring.wait())
        until(lambda: server.ready, "ready again")


def test_a_redis_that_does_not_come_back(tmp_path: Path, figures: Figures) -> None:
    """Code is unscored and may be sent again, long before the deadline; math goes on; what is known stays known."""
    with small_fleet(tmp_path) as (members, server, _):
        scoring = Scoring(server, rollouts("gone"))
        judging(members.redis)
        members.redis.kill()
        math = {"id": "math", "completion": "<think>a</think>\\boxed{1}", "task": {"kind": "math", "answer": "1"}}
        answer = httpx.post(f"{server.url}/v1/score", json={"rollouts": [math]}, timeout=60).json()["results"][0]
        assert answer["verdict"] == "correct"
        scoring.wait()
        members.redis.start()
        assert {result["error"]["kind"] for result in scoring.results if result["error"]} == {"sandbox_unavailable"}
        figures.check(members, scoring, unscored=True)


def test_a_paused_worker_whose_lease_passes(tmp_path: Path, figures: Figures) -> None:
    """Its job is judged by another; when it wakes, what it says changes nothing."""
    with small_fleet(tmp_path) as (members, server, (paused, other)):
        scoring = Scoring(server, rollouts("paused"))
        judging(members.redis)
        stopped_in_mid_job(members.redis, paused)
        until(lambda: other.metric("reward_worker_reclaimed_total"), "a job taken over")
        paused.signal(signal.SIGCONT)
        figures.check(members, scoring.wait())
        assert paused.process.poll() is None


def test_a_job_that_ends_its_workers(tmp_path: Path, figures: Figures) -> None:
    """Two workers die while they hold it; the third does not run it, and its rollout is unscored."""
    poison = _rollout("poison", 1, seconds=60)
    with small_fleet(tmp_path, workers=0) as (members, server, _), httpx.Client(timeout=600) as client:
        answers: list[dict[str, Any]] = []
        body = {"rollouts": [poison]}
        asking = threading.Thread(
            target=lambda: answers.extend(client.post(f"{server.url}/v1/score", json=body).json()["results"])
        )
        asking.start()
        for _ in range(2):
            hand = members.worker()
            until(lambda hand=hand: hand.metric("reward_worker_busy"), "the job in work")
            hand.signal(signal.SIGKILL)
            hand.process.wait()
        last = members.worker()
        asking.join()
        assert answers[0]["reward"] is None
        assert answers[0]["error"]["kind"] == "internal_error"
        assert answers[0]["error"]["retryable"]
        figures.tell("1 rollout, given to 3 workers, run by 2, unscored and retryable")
        until(lambda: last.metric("reward_worker_jobs_total") == 1, "the job counted")
        until(lambda: members.redis.waiting() == 0, "empty streams")


def test_two_servers_share_the_queue(tmp_path: Path, figures: Figures) -> None:
    """Each gets its own answers; what both were asked is judged once."""
    with small_fleet(tmp_path) as (members, server, hands):
        second = members.server()
        members.ready(second)
        scorings = [Scoring(one, rollouts("shared")) for one in (server, second)]
        figures.check(members, *(scoring.wait() for scoring in scorings))
        judged = sum(hand.metric("reward_worker_jobs_total") for hand in hands)
        hits = server.metric("reward_sandbox_cache_hits_total") + second.metric("reward_sandbox_cache_hits_total")
        assert judged + hits == 2 * ROLLOUTS


def test_a_server_killed_with_requests_in_flight(tmp_path: Path, figures: Figures) -> None:
    """Its client sends the batch to another server, and has every reward."""
    with small_fleet(tmp_path) as (members, server, _):
        second = members.server()
        members.ready(second)
        batch = rollouts("server")
        first = Scoring(server, batch)
        judging(members.redis)
        server.signal(signal.SIGKILL)
        assert first.wait().failure is not None
        figures.check(members, Scoring(second, batch).wait())


@pytest.fixture
def narrow_network() -> Iterator[tuple[str, list[str]]]:
    """An address, and what starts a program behind a line of two megabits to it."""
    name, near, far = f"chaos{os.getpid()}", f"ch{os.getpid()}a", f"ch{os.getpid()}b"
    network = f"10.203.{os.getpid() % 256}"  # no two runs on one host in each other's way
    here, there = f"{network}.1", f"{network}.2"
    inside = ["ip", "netns", "exec", name]
    narrow = ["tbf", "rate", "2mbit", "burst", "64kb", "latency", "400ms"]
    try:
        for command in (
            ["ip", "netns", "add", name],
            ["ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns", name],
            ["ip", "address", "add", f"{here}/24", "dev", near],
            ["ip", "link", "set", near, "up"],
            [*inside, "ip", "address", "add", f"{there}/24", "dev", far],
            [*inside, "ip", "link", "set", far, "up"],
            [*inside, "ip", "link", "set", "lo", "up"],
            ["tc", "qdisc", "add", "dev", near, "root", *narrow],
            [*inside, "tc", "qdisc", "add", "dev", far, "root", *narrow],
        ):
            subprocess.run(command, check=True)
        # The network alone: `ip netns exec` would hide the control groups too.
        yield here, ["nsenter", f"--net=/run/netns/{name}"]
    finally:
        subprocess.run(["ip", "link", "del", near], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["ip", "netns", "del", name], check=False, stderr=subprocess.DEVNULL)


def test_a_slow_network_that_breaks(tmp_path: Path, figures: Figures, narrow_network: tuple[str, list[str]]) -> None:
    """Workers behind a narrow line, every byte 40 ms late, and all connections cut twice: slower, and nothing else."""
    here, behind = narrow_network
    with (
        fleet(tmp_path, host=here, reward_deadline_seconds=DEADLINE_SECONDS) as members,
        LateRelay(here, members.redis.port, delay_seconds=0.04) as relay,
    ):
        hands = [members.worker(prefix=behind, redis_url=relay.url, sandbox_workers=4) for _ in range(2)]
        server = members.server()
        members.ready(*hands, server)
        scoring = Scoring(server, rollouts("slow"))
        judging(members.redis)
        for done in (20, 80):
            judged(members.redis, done)
            relay.cut()
        figures.check(members, scoring.wait())
