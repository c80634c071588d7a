"""The judge at the other end of Redis, against a real Redis and a worker whose judge is made up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox import jobs, streams
from sandbox.dispatch import request_expires, request_urgent
from sandbox.jobs import Reply
from sandbox.judge import examine
from sandbox.models import (
    BadJobError,
    ExecuteJob,
    Execution,
    Health,
    JobFailedError,
    JudgeJob,
    JudgeResult,
    QueueFullError,
    SandboxError,
    SandboxUnavailableError,
    StdioTest,
    TestResult,
    Verdict,
)
from sandbox.queue import RedisJudge, RedisSettings
from sandbox.streams import Link, Names
from sandbox.worker import Worker, WorkerSettings
from tests.fleet import RedisServer

NAMES = Names("q")
ACCEPTED = JudgeResult(Verdict.ACCEPTED, (TestResult(0, Verdict.ACCEPTED, 0.1, 0.1, 9.0),), 1, 1)


def job(code: str, size_bytes: int = 1) -> JudgeJob:
    return JudgeJob(code, "python", (StdioTest(b"1" * size_bytes, b"1"),))


class MadeUpJudge:
    """Judges as told: `answers` by program; one that is `held` is judged when it is let go."""

    def __init__(self, answers: dict[str, JudgeResult | SandboxError] | None = None, *, held: bool = False) -> None:
        self.answers = answers or {}
        self.begun: list[str] = []
        self.cancelled: list[str] = []
        self.go = asyncio.Event()
        if not held:
            self.go.set()

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def judge(self, job: JudgeJob) -> JudgeResult:
        self.begun.append(job.code)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.append(job.code)
            raise
        answer = self.answers.get(job.code, ACCEPTED)
        if isinstance(answer, SandboxError):
            raise answer
        return answer

    async def execute(self, job: ExecuteJob) -> Execution:
        return Execution(Verdict.ACCEPTED, job.stdin, b"", 0, None, 0.1, 0.1, 1.0)

    def health(self) -> Health:
        return Health(True, "made up")


class Counted:
    """What was observed."""

    def __init__(self) -> None:
        self.hits: list[str] = []
        self.redeliveries = 0
        self.endings: list[str] = []
        self.taken_over = 0
        self.given_back = 0

    def cache_hit(self, where: str) -> None:
        self.hits.append(where)

    def round_trip(self, seconds: float) -> None:
        assert seconds > 0

    def redelivered(self, times: int) -> None:
        self.redeliveries += times

    def job(self, ending: str, seconds: float) -> None:
        self.endings.append(ending)

    def reclaimed(self) -> None:
        self.taken_over += 1

    def returned(self) -> None:
        self.given_back += 1


@pytest.fixture(scope="module")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.close()


@pytest.fixture
def redis(shared_redis: RedisServer) -> RedisServer:
    """An empty Redis."""
    shared_redis.client.flushall()
    return shared_redis


@asynccontextmanager
async def serving(redis: RedisServer, **settings: Any) -> AsyncIterator[RedisJudge]:
    observer = settings.pop("observer", None)
    judge = RedisJudge(RedisSettings(url=redis.url, names=NAMES, **settings), observer)
    await judge.start()
    try:
        yield judge
    finally:
        await judge.close()


@asynccontextmanager
async def working(
    redis: RedisServer, judge: MadeUpJudge, *, observer: Counted | None = None, **settings: Any
) -> AsyncIterator[Worker]:
    told = WorkerSettings(
        **{"url": redis.url, "names": NAMES, "slots": 4, "tier": "made-up", "drain_seconds": 5.0} | settings
    )
    worker = Worker(judge, told, observer)
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await running


async def until(condition: Callable[[], Any]) -> None:
    """Wait for something that will come."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0.005)


def waiting(redis: RedisServer, names: Names = NAMES) -> int:
    return sum(redis.client.xlen(stream) for stream in names.streams())


def test_many_jobs_each_get_their_own_reply(redis: RedisServer) -> None:
    """Over several shards, from one loop, whatever the order of replies; afterwards nothing is left."""
    names = Names("sharded", 3)
    wrong = replace(ACCEPTED, verdict=Verdict.WRONG_ANSWER)

    async def scenario() -> None:
        made_up = MadeUpJudge({f"{n}": wrong for n in range(0, 500, 3)})
        judge = RedisJudge(RedisSettings(url=redis.url, names=names))
        await judge.start()
        async with working(redis, made_up, names=names):
            results = await asyncio.gather(*(judge.judge(job(f"{n}")) for n in range(500)))
            ran = await judge.execute(ExecuteJob("x", "python", b"\xff"))
        await judge.close()
        assert [result == wrong for result in results] == [n % 3 == 0 for n in range(500)]
        assert ran.stdout == b"\xff"
        assert sorted(made_up.begun) == sorted(map(str, range(500)))

    asyncio.run(scenario())
    assert waiting(redis, names) == 0
    for kind in ("replies", "running", "server"):
        assert redis.client.keys(f"sharded:{kind}:*") == []


@pytest.mark.parametrize("error", [BadJobError("its own fault"), JobFailedError("ours")])
def test_an_error_is_raised_as_what_it_is(redis: RedisServer, error: SandboxError) -> None:
    """Never as a verdict, and it is not remembered."""

    async def scenario() -> None:
        made_up = MadeUpJudge({"x": error})
        async with serving(redis) as judge, working(redis, made_up):
            for _ in range(2):
                with pytest.raises(type(error), match=str(error)):
                    await judge.judge(job("x"))
        assert made_up.begun == ["x", "x"]

    asyncio.run(scenario())


def test_a_bad_job_never_travels(redis: RedisServer) -> None:
    """What nobody can judge is refused here."""

    async def scenario() -> None:
        async with serving(redis) as judge:
            for bad in (JudgeJob("x", "python", ()), JudgeJob("x", "klingon", (StdioTest(b"", b""),))):
                with pytest.raises(BadJobError):
                    await judge.judge(bad)

    asyncio.run(scenario())


def test_a_job_of_many_megabytes_goes_through(redis: RedisServer) -> None:
    """Compressed on its way."""

    async def scenario() -> None:
        async with serving(redis) as judge, working(redis, MadeUpJudge()):
            assert await judge.judge(job("x", 20_000_000)) == ACCEPTED

    asyncio.run(scenario())


def test_more_than_may_wait_are_refused(redis: RedisServer) -> None:
    """Before they are written, and without one that waits being lost; interactive work has room of its own."""

    async def scenario() -> None:
        async with serving(redis, max_jobs=5) as judge:
            asking = [asyncio.create_task(judge.judge(job(f"{n}"))) for n in range(8)]
            await until(lambda: sum(one.done() for one in asking) == 3 and waiting(redis) == 5)
            small = asyncio.create_task(judge.execute(ExecuteJob("x", "python")))
            await until(lambda: waiting(redis) == 6)
            async with working(redis, MadeUpJudge()):
                results = await asyncio.gather(*asking, return_exceptions=True)
                await small
        assert sum(isinstance(one, QueueFullError) for one in results) == 3
        assert results.count(ACCEPTED) == 5

    asyncio.run(scenario())


def test_what_is_small_passes_what_is_large(redis: RedisServer) -> None:
    """Whoever sits in front of it is not behind a training step."""

    async def scenario() -> None:
        made_up = MadeUpJudge()
        async with serving(redis) as judge:
            bulk = [asyncio.create_task(judge.judge(job(f"bulk {n}"))) for n in range(10)]
            await until(lambda: waiting(redis) == 10)
            request_urgent.set(True)
            small = asyncio.create_task(judge.judge(job("small")))
            await until(lambda: waiting(redis) == 11)
            async with working(redis, made_up, slots=1):
                await asyncio.gather(small, *bulk)
        assert made_up.begun[0] == "small"

    asyncio.run(scenario())


def test_a_job_nobody_takes_is_an_outage_by_its_deadline(redis: RedisServer) -> None:
    """And leaves the queue."""

    async def scenario() -> None:
        async with serving(redis) as judge:
            request_expires.set(time.time() + 0.2)
            with pytest.raises(SandboxUnavailableError, match="in time"):
                await judge.judge(job("x"))
            await until(lambda: waiting(redis) == 0)

    asyncio.run(scenario())


def test_a_worker_begins_nothing_that_has_expired(redis: RedisServer) -> None:
    """Its server has given up; cores are for those who wait."""

    async def scenario() -> None:
        redis.client.xadd(NAMES.jobs(0), {"id": "a", "expires": time.time() - 1, "body": jobs.encode_job(job("late"))})
        made_up, observer = MadeUpJudge(), Counted()
        async with working(redis, made_up, observer=observer):
            await until(lambda: observer.endings == ["expired"])
        assert made_up.begun == []

    asyncio.run(scenario())
    assert waiting(redis) == 0


def test_a_cancelled_call_takes_its_job_back(redis: RedisServer) -> None:
    """Unless a worker has begun it."""

    async def scenario() -> None:
        made_up = MadeUpJudge(held=True)
        async with serving(redis) as judge, working(redis, made_up, slots=1):
            begun = asyncio.create_task(judge.judge(job("begun")))
            await until(lambda: made_up.begun)
            behind = asyncio.create_task(judge.judge(job("behind")))
            await until(lambda: waiting(redis) == 2)
            for call in (begun, behind):
                call.cancel()
            await asyncio.gather(begun, behind, return_exceptions=True)
            await until(lambda: waiting(redis) == 1)
            made_up.go.set()
            await until(lambda: waiting(redis) == 0)
        assert made_up.begun == ["begun"]

    asyncio.run(scenario())


def test_a_closed_judge_leaves_nothing_waiting(redis: RedisServer) -> None:
    """Its callers are told, and its jobs are taken back."""

    async def scenario() -> None:
        async with serving(redis) as judge:
            calls = [asyncio.create_task(judge.judge(job(f"{n}"))) for n in range(20)]
            await until(lambda: waiting(redis) == 20)
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(result) for result in results} == {SandboxUnavailableError}

    asyncio.run(scenario())
    assert waiting(redis) == 0


def test_a_judge_closes_without_a_redis_that_is_away(tmp_path: Path) -> None:
    """However long calls would wait for it: nobody waits any more."""

    async def scenario() -> None:
        async with asyncio.timeout(60), serving(RedisServer(tmp_path), patience_seconds=3600) as judge:
            given_up, waiting_still = (asyncio.create_task(judge.judge(job(name))) for name in ("x", "y"))
            await until(lambda: judge.in_flight == 2)
            given_up.cancel()
            await asyncio.gather(given_up, return_exceptions=True)
        with pytest.raises(SandboxUnavailableError):
            await waiting_still

    asyncio.run(scenario())


def test_the_first_reply_counts(redis: RedisServer) -> None:
    """Others, of workers that were taken for dead, are dropped by id; so is what cannot be matched."""

    async def scenario() -> None:
        async with serving(redis, cache_seconds=0) as judge:
            call = asyncio.create_task(judge.judge(job("x")))
            await until(lambda: waiting(redis))
            [(entry, fields)] = redis.client.xrange(NAMES.jobs(0))
            other = replace(ACCEPTED, verdict=Verdict.RUNTIME_ERROR)
            for result in (ACCEPTED, other):
                body = jobs.encode_reply(Reply(result))
                redis.client.xadd(fields["reply"], {"id": fields["id"], "body": body})
            redis.client.xadd(fields["reply"], {"id": "unknown", "body": b"?"})
            assert await call == ACCEPTED
            await until(lambda: redis.client.xlen(fields["reply"]) == 0)
            redis.client.xdel(NAMES.jobs(0), entry)

    asyncio.run(scenario())


def test_a_job_that_redis_has_lost_is_handed_in_again(redis: RedisServer) -> None:
    """Whatever lost it: here an operator who flushes everything, without any connection ending."""

    async def scenario() -> None:
        async with serving(redis, lease_seconds=0.1) as judge:
            calls = [asyncio.create_task(judge.judge(job(f"{n}"))) for n in range(50)]
            await until(lambda: waiting(redis) == 50)
            redis.client.flushall()
            async with working(redis, MadeUpJudge()):
                assert await asyncio.gather(*calls) == [ACCEPTED] * 50

    asyncio.run(scenario())


def test_a_reply_that_came_while_redis_was_away_is_found(redis: RedisServer) -> None:
    """Its job is no longer there, and yet not lost: it is not run again."""

    async def scenario() -> None:
        async with serving(redis, cache_seconds=0) as judge:
            call = asyncio.create_task(judge.judge(job("x")))
            await until(lambda: waiting(redis))
            [(entry, fields)] = redis.client.xrange(NAMES.jobs(0))
            with redis.client.pipeline() as answered:
                answered.client_kill_filter(_type="normal", skipme=True)
                answered.xadd(fields["reply"], {"id": fields["id"], "body": jobs.encode_reply(Reply(ACCEPTED))})
                answered.xdel(NAMES.jobs(0), entry)
                answered.execute()
            assert await call == ACCEPTED

    asyncio.run(scenario())
    assert redis.client.xinfo_stream(NAMES.jobs(0))["entries-added"] == 1


def test_a_redis_that_is_away_is_an_outage_and_comes_back(tmp_path: Path) -> None:
    """From the start, in between, and again: calls wait for it as long as they are told to, then fail as ours."""
    redis = RedisServer(tmp_path)

    async def scenario() -> None:
        async with serving(redis, patience_seconds=0.3) as judge:
            assert "cannot be reached" in judge.health().detail
            with pytest.raises(SandboxUnavailableError, match="cannot be reached"):
                await judge.judge(job("x"))
            for _ in range(2):
                await asyncio.to_thread(redis.start)
                async with working(redis, MadeUpJudge()):
                    await until(lambda: judge.health().ready)
                    assert await judge.judge(job("x")) == ACCEPTED
                waiting_call = asyncio.create_task(judge.judge(job("y")))
                await until(lambda: waiting(redis))
                redis.kill()
                with pytest.raises(SandboxUnavailableError, match="cannot be reached"):
                    await waiting_call
                assert not judge.health().ready

    try:
        asyncio.run(scenario())
    finally:
        redis.close()


def test_an_old_redis_is_refused(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one sentence that names the version."""
    monkeypatch.setattr(streams, "_OLDEST_VERSION", (99, 0))

    async def scenario() -> None:
        judge = RedisJudge(RedisSettings(url=redis.url, names=NAMES))
        with pytest.raises(SandboxUnavailableError, match=r"is version \d+\.\d+\.\d+; 99.0 or newer is needed"):
            await judge.start()
        worker = Worker(MadeUpJudge(), WorkerSettings(url=redis.url, names=NAMES, slots=1))
        with pytest.raises(SandboxUnavailableError, match="newer is needed"):
            await worker.run()

    asyncio.run(scenario())


def test_health_says_whether_anybody_works(redis: RedisServer) -> None:
    """Without a worker jobs wait, so the server is ready, and says that there is none."""

    async def scenario() -> None:
        async with serving(redis) as judge:
            assert judge.health().ready
            assert "no worker is alive" in judge.health().detail
            async with working(redis, MadeUpJudge()):
                await until(lambda: judge.tiers == ("made-up",))
                assert "1 workers" in judge.health().detail

    asyncio.run(scenario())


def test_a_password_is_not_told(tmp_path: Path) -> None:
    """Errors and health name the place, not the way in."""

    async def scenario() -> None:
        judge = RedisJudge(RedisSettings(url="redis://:hunter2@127.0.0.1:1/0", names=NAMES))
        await judge.start()
        assert "127.0.0.1:1" in judge.health().detail
        assert "hunter2" not in str(judge.health())
        await judge.close()

    asyncio.run(scenario())


def looks(redis: RedisServer) -> int:
    """How often somebody has asked Redis for a verdict."""
    return int(redis.client.info("commandstats").get("cmdstat_get", {}).get("calls", 0))


def test_verdicts_are_shared_between_servers(redis: RedisServer) -> None:
    """At the same time and afterwards; and each says where it had them from."""

    async def scenario() -> None:
        made_up, one, two = MadeUpJudge(held=True), Counted(), Counted()
        async with (
            working(redis, made_up) as worker,
            serving(redis, observer=one, remembered_results=0) as first,
            serving(redis, observer=two, remembered_results=0) as second,
        ):
            await until(lambda: first.tiers and second.tiers and worker.health().ready)
            calls = [asyncio.create_task(first.judge(job("x")))]
            await until(lambda: made_up.begun)
            calls.append(asyncio.create_task(first.judge(job("x"))))
            looked = looks(redis)
            calls.append(asyncio.create_task(second.judge(job("x"))))
            await until(lambda: looks(redis) >= looked + 2)  # the second time because somebody else judges it
            made_up.go.set()
            assert await asyncio.gather(*calls) == [ACCEPTED] * 3
            assert await second.judge(job("x")) == ACCEPTED
        assert made_up.begun == ["x"]
        assert (one.hits, two.hits) == (["coalesced"], ["coalesced", "redis"])

    asyncio.run(scenario())


def test_who_waits_for_a_server_that_is_gone_judges_itself(redis: RedisServer) -> None:
    """A claim of the dead holds nobody up."""

    async def scenario() -> None:
        made_up = MadeUpJudge()
        redis.client.set(NAMES.running((await examine(job("x"))).digest), "a server that died")
        async with working(redis, made_up), serving(redis) as judge:
            assert await judge.judge(job("x")) == ACCEPTED
        assert made_up.begun == ["x"]

    asyncio.run(scenario())
    assert redis.client.keys("q:running:*") == []


def test_what_depends_on_luck_is_not_kept(redis: RedisServer) -> None:
    """Nor is it shared: the next server has it judged."""
    slow = JudgeResult(Verdict.TIME_LIMIT_EXCEEDED, (TestResult(0, Verdict.TIME_LIMIT_EXCEEDED, 4.0, 4.0, 9.0),), 0, 1)

    async def scenario() -> None:
        made_up = MadeUpJudge({"slow": slow})
        async with working(redis, made_up), serving(redis) as judge:
            for _ in range(2):
                assert await judge.judge(job("slow")) == slow
        assert made_up.begun == ["slow", "slow"]

    asyncio.run(scenario())
    assert redis.client.keys("q:verdict:*") == []


def test_a_cache_that_holds_nonsense_is_not_believed(redis: RedisServer) -> None:
    """The job is judged."""

    async def scenario() -> None:
        made_up = MadeUpJudge()
        async with working(redis, made_up), serving(redis, remembered_results=0) as judge:
            await until(lambda: judge.tiers)
            await judge.judge(job("x"))
            [verdict] = redis.client.keys("q:verdict:*")
            redis.client.set(verdict, b'j{"v":1,"judged":{"verdict":"accepted"}}')
            assert await judge.judge(job("x")) == ACCEPTED
        assert made_up.begun == ["x", "x"]

    asyncio.run(scenario())


def test_the_streams_are_seen_without_asking_at_each_look(redis: RedisServer) -> None:
    """What waits, what is held, and for how long the oldest has waited; deleted entries do not confuse it."""

    async def scenario() -> None:
        made_up = MadeUpJudge(held=True)
        async with serving(redis) as judge, working(redis, made_up, slots=1):
            calls = [asyncio.create_task(judge.judge(job(f"{n}"))) for n in range(6)]
            await until(lambda: waiting(redis) == 6 and made_up.begun)
            calls[3].cancel()
            await until(lambda: judge.queue[NAMES.jobs(0)].lag == 4)
            state = judge.queue[NAMES.jobs(0)]
            assert (state.jobs, state.pending) == (5, 1)
            assert state.oldest_seconds > 0
            made_up.go.set()
            await asyncio.gather(*calls, return_exceptions=True)

    asyncio.run(scenario())


def test_keys_of_a_shard_are_in_one_slot() -> None:
    """So that scripts work on a cluster too."""

    def tag(key: str) -> str:
        return key[key.index("{") : key.index("}")]

    names = Names("p", 4)
    for shard in range(4):
        assert tag(names.jobs(shard)) == tag(names.urgent(shard))
    assert len({tag(stream) for stream in names.streams()}) == 4


def test_commands_given_together_travel_together(redis: RedisServer) -> None:
    """Each gets its own answer, or its own error."""

    async def scenario() -> None:
        link = Link(redis.url, NAMES)
        answers = await asyncio.gather(
            *(link.call("SET", f"k{n}", n) for n in range(1000)), link.call("NOSUCH"), return_exceptions=True
        )
        assert answers[:1000] == [b"OK"] * 1000
        assert "unknown command" in str(answers[-1])
        await link.close()

    asyncio.run(scenario())
