"""Redis as operators have it: with users and passwords, with TLS, as a cluster, as a replica, full.

Each against a real `redis-server`. Whatever stands in the way, health names it, nothing says the password, and what is
mended is used without a restart.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from sandbox import jobs, streams
from sandbox.models import QueueFullError, SandboxUnavailableError
from sandbox.queue import RedisJudge, RedisSettings
from sandbox.redis_access import check_url
from sandbox.streams import Link, Names, Script
from sandbox.worker import Worker, WorkerSettings
from tests.fleet import RedisServer, fleet, free_port
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
from tests.sandbox.test_worker import hand_in, replies

__all__ = ["redis", "shared_redis"]  # fixtures

OPERATIONS = (Path(__file__).parents[2] / "docs/operations.md").read_text("utf-8")
PASSWORD = "hunter2@home"  # it needs an escape in a URL
ESCAPED = "hunter2%40home"


@asynccontextmanager
async def both(url: str, names: Names = NAMES) -> AsyncIterator[tuple[RedisJudge, Worker]]:
    """A judge and a worker on this Redis, whatever it thinks of them."""
    judge = RedisJudge(RedisSettings(url=url, names=names, patience_seconds=0.1))
    worker = Worker(MadeUpJudge(), WorkerSettings(url=url, names=names, slots=1, drain_seconds=0))
    await judge.start()
    running = asyncio.create_task(worker.run())
    try:
        yield judge, worker
    finally:
        worker.stop()
        await running
        await judge.close()


async def unready(judge: RedisJudge, worker: Worker, says: str) -> None:
    """Wait until both say so, and so does whoever asks for a verdict."""
    await until(lambda: says in judge.health().detail and says in worker.health().detail)
    assert not judge.health().ready
    assert not worker.health().ready
    with pytest.raises(SandboxUnavailableError, match=re.escape(says)):
        await judge.judge(job("x"))


async def judges(judge: RedisJudge, worker: Worker) -> None:
    await until(lambda: judge.health().ready and worker.health().ready)
    assert await judge.judge(job("x")) == ACCEPTED


# ---- users and passwords ---------------------------------------------------------------------------------------------


@pytest.fixture
def guarded(redis: RedisServer) -> Iterator[RedisServer]:
    """It lets nobody in but with a password; its own client is in."""
    redis.client.config_set("requirepass", PASSWORD)
    yield redis
    redis.client.config_set("requirepass", "")
    redis.client.acl_deluser("rewards")


def let_in_as(redis: RedisServer, who: str) -> str:
    return redis.url.replace("unix://", f"unix://{who}@")


def test_a_password_lets_in(guarded: RedisServer) -> None:
    async def scenario() -> None:
        async with both(let_in_as(guarded, f":{ESCAPED}")) as (judge, worker):
            await judges(judge, worker)

    asyncio.run(scenario())


def test_the_rights_that_the_manual_names_are_enough(guarded: RedisServer) -> None:
    """For all that servers and workers do, and for nothing beside their keys."""
    [(user, rights)] = re.findall(r"ACL SETUSER (\w+) on >\S+ (.+)", OPERATIONS)
    guarded.client.execute_command("ACL", "SETUSER", user, "on", f">{PASSWORD}", *rights.split())
    default = Names("reward-sandbox", shards=2)
    url = let_in_as(guarded, f"{user}:{ESCAPED}")

    async def scenario() -> None:
        async with both(url, default) as (judge, worker):
            await judges(judge, worker)
            await asyncio.gather(*(judge.judge(job(f"{n}")) for n in range(20)))
            await until(lambda: guarded.client.exists(default.tidied(0), default.tidied(1)) == 2)
        with pytest.raises(SandboxUnavailableError, match="allows the user of REDIS_URL too little"):
            async with both(url, Names("others")) as (judge, _):
                await judge.judge(job("x"))

    asyncio.run(scenario())
    assert guarded.client.acl_log_reset()
    assert waiting(guarded, default) == 0


@pytest.mark.parametrize(
    ("who", "says"),
    [
        pytest.param(":other-secret", "does not take the user and password of REDIS_URL", id="a wrong password"),
        pytest.param("rewards:other-secret", "does not take the user and password of REDIS_URL", id="a wrong user"),
        pytest.param("", "does not take the user and password of REDIS_URL: Auth", id="no password"),
    ],
)
def test_who_is_not_let_in_says_so_until_he_is(
    guarded: RedisServer, caplog: pytest.LogCaptureFixture, who: str, says: str
) -> None:
    """The setting is named, the password is not; once Redis takes it nothing need be restarted."""
    caplog.set_level(logging.DEBUG)

    async def scenario() -> None:
        async with both(let_in_as(guarded, who)) as (judge, worker):
            await unready(judge, worker, says)
            if who.startswith("rewards"):
                guarded.client.execute_command("ACL", "SETUSER", "rewards", "on", ">other-secret", "~*", "+@all")
            else:
                guarded.client.config_set("requirepass", who.removeprefix(":"))
            await judges(judge, worker)

    asyncio.run(scenario())
    logged = str([vars(record) for record in caplog.records])
    assert "REDIS_URL" in logged
    assert "secret" not in logged


def test_a_right_that_is_missing_is_named(guarded: RedisServer) -> None:
    """And the server starts when it is granted."""
    guarded.client.execute_command("ACL", "SETUSER", "rewards", "on", f">{PASSWORD}", "~*", "+@all", "-evalsha")

    async def scenario() -> None:
        async with both(let_in_as(guarded, f"rewards:{ESCAPED}")) as (judge, worker):
            await unready(judge, worker, "'evalsha'")
            guarded.client.execute_command("ACL", "SETUSER", "rewards", "+evalsha")
            await judges(judge, worker)

    asyncio.run(scenario())


def test_a_redis_that_repeats_what_it_does_not_know_tells_no_password(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It answers an AUTH that it does not have with the password in the answer."""
    caplog.set_level(logging.DEBUG)
    server = RedisServer(tmp_path, "--rename-command", "AUTH", "").start()

    async def scenario() -> None:
        async with both(let_in_as(server, f":{ESCAPED}")) as (judge, worker):
            await unready(judge, worker, "unknown command")
            assert PASSWORD not in str((judge.health(), worker.health()))

    try:
        asyncio.run(scenario())
    finally:
        server.close()
    assert PASSWORD not in str([vars(record) for record in caplog.records])


def test_nothing_that_a_process_says_holds_the_password(tmp_path: Path) -> None:
    """Neither its log at its most talkative nor any answer; the setting is named where one looks first."""
    with fleet(tmp_path, reward_log_level="debug", reward_deadline_seconds=1) as members:
        members.redis.client.config_set("requirepass", PASSWORD)
        url = let_in_as(members.redis, ":other-secret")
        server, worker = members.server(redis_url=url), members.worker(redis_url=url)
        until_process(lambda: server.started and worker.url, "a server and a worker that run")
        program = {"code": "print(1)", "language": "python", "tests": [{"stdin": "", "stdout": "1\n"}]}
        answers = [httpx.get(f"{one.url}{path}") for one in (server, worker) for path in ("/readyz", "/metrics")]
        answers.append(httpx.post(f"{server.url}/v1/judge", json=program))
        command = [sys.executable, "-m", "reward_server", "check"]
        checked = subprocess.run(
            command, env={**os.environ, "REDIS_URL": url}, capture_output=True, text=True, check=False
        )
        for ready in answers[0], answers[2]:
            assert ready.status_code == 503
            assert "REDIS_URL" in ready.text
        said = [answer.text for answer in answers] + [server.log, worker.log, checked.stdout, checked.stderr]
    assert [text for text in said if "secret" in text] == []


@pytest.mark.parametrize(
    ("url", "says"),
    [
        pytest.param("redis://:se#cret@host", "%-escapes in the password", id="a hash in the password"),
        pytest.param("redis://:12/cret@host", "%-escapes in the password", id="a slash behind digits"),
        pytest.param("redis://me:12?cret=@host", "takes the options", id="a question mark in the password"),
        pytest.param("redis://:cret℀@host", "%-escapes in the password", id="what looks like a slash"),
        pytest.param("http://:cret@host", "not of the form", id="another protocol"),
        pytest.param("host:6379", "not of the form", id="no protocol"),
        pytest.param("redis://:cret@host:many", "not of the form", id="a port that is no number"),
        pytest.param("redis://:cret@host/first", "not of the form", id="a database that is no number"),
        pytest.param("redis://:cret@host?socket_timeout=1", "takes the options ssl_", id="what is ours to say"),
        pytest.param("redis://:cret@host?ssl_ca_certs=ca.crt", "ssl_ca_certs needs rediss://", id="TLS without TLS"),
        pytest.param("rediss://:cret@host?ssl_ca_cert=ca.crt", "'ssl_ca_cert'", id="a slip"),
        pytest.param("rediss://:cret@host?ssl_ca_certs=/no/ca.crt", "ssl_ca_certs: /no/ca.crt: No such", id="no file"),
        pytest.param(f"rediss://:cret@host?ssl_ca_certs={__file__}", "ssl_ca_certs: ", id="a file of something else"),
        pytest.param("rediss://:cret@host?ssl_keyfile=key", "ssl_keyfile needs ssl_certfile", id="half of a pair"),
    ],
)
def test_a_url_that_leads_nowhere_is_refused(url: str, says: str) -> None:
    """Before anything starts, with what is wrong, and without repeating the password."""
    with pytest.raises(ValueError, match=re.escape(says)) as refused:
        check_url(url)
    assert "cret" not in str(refused.value).replace("takes the options", "")
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_what_cannot_even_be_asked_is_an_error(redis: RedisServer) -> None:
    """Whoever asks hears of it; nobody waits for ever."""

    async def scenario() -> None:
        link = Link(f"{redis.url}?no_such_option=1", NAMES)
        async with asyncio.timeout(60):
            with pytest.raises(TypeError, match="no_such_option"):
                await link.call("PING")
        await link.close()

    asyncio.run(scenario())


# ---- TLS -------------------------------------------------------------------------------------------------------------


class Tls:
    """A Redis that speaks TLS, and the files that make it."""

    def __init__(self, directory: Path) -> None:
        self.ca = directory / "ca.crt"
        self._directory = directory
        new_key = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
        self._openssl(f"{new_key} -x509 -days 2 -subj /CN=ca -keyout ca.key -out ca.crt")
        (directory / "names").write_text("subjectAltName=IP:127.0.0.1")
        for name in ("server", "client"):
            self._openssl(f"{new_key} -subj /CN={name} -keyout {name}.key -out {name}.csr")
            signing = "-CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names"
            self._openssl(f"x509 -req -in {name}.csr {signing} -out {name}.crt")
        port = free_port()
        files = ["--tls-cert-file", "server.crt", "--tls-key-file", "server.key", "--tls-ca-cert-file", "ca.crt"]
        self.server = RedisServer(directory, "--tls-port", str(port), *files, "--tls-auth-clients", "no").start()
        self.place = f"rediss://127.0.0.1:{port}/0"
        self.by_another_name = f"rediss://localhost:{port}/0"

    def file(self, name: str) -> str:
        return str(self._directory / name)

    def _openssl(self, command: str) -> None:
        subprocess.run(["openssl", *command.split()], cwd=self._directory, check=True, capture_output=True)


@pytest.fixture(scope="module")
def shared_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tls]:
    made = Tls(tmp_path_factory.mktemp("tls"))
    yield made
    made.server.close()


@pytest.fixture
def tls(shared_tls: Tls) -> Iterator[Tls]:
    shared_tls.server.client.flushall()
    yield shared_tls
    shared_tls.server.client.config_set("tls-auth-clients", "no")


def test_a_certificate_is_verified(tls: Tls) -> None:
    """By the authority that the URL names."""

    async def scenario() -> None:
        async with both(f"{tls.place}?ssl_ca_certs={tls.ca}") as (judge, worker):
            await judges(judge, worker)

    asyncio.run(scenario())


def test_a_certificate_that_does_not_verify_lets_nothing_through(tls: Tls) -> None:
    """Of an authority that nobody named, or for another host; health says which."""

    async def scenario() -> None:
        async with both(tls.place) as (judge, worker):
            await unready(judge, worker, "certificate verify failed")
        async with both(f"{tls.by_another_name}?ssl_ca_certs={tls.ca}") as (judge, worker):
            await unready(judge, worker, "certificate is not valid for 'localhost'")

    asyncio.run(scenario())
    assert tls.server.client.keys("*") == []


def test_a_redis_that_asks_for_a_certificate_is_shown_one(tls: Tls) -> None:
    """And lets nobody in without."""
    tls.server.client.config_set("tls-auth-clients", "yes")
    url = f"{tls.place}?ssl_ca_certs={tls.ca}"
    check_url(shown := f"{url}&ssl_certfile={tls.file('client.crt')}&ssl_keyfile={tls.file('client.key')}")

    async def scenario() -> None:
        async with both(url) as (judge, worker):
            await unready(judge, worker, "cannot be reached")
        async with both(shown) as (judge, worker):
            await judges(judge, worker)

    asyncio.run(scenario())


def test_a_key_of_another_certificate_is_refused(tls: Tls) -> None:
    pair = f"ssl_certfile={tls.file('client.crt')}&ssl_keyfile={tls.file('server.key')}"
    with pytest.raises(ValueError, match=r"TLS: .*mismatch"):
        check_url(f"{tls.place}?ssl_ca_certs={tls.ca}&{pair}")


# ---- clusters --------------------------------------------------------------------------------------------------------


def cluster_node(directory: Path) -> RedisServer:
    options = ["--cluster-enabled", "yes", "--cluster-port", str(free_port())]
    return RedisServer(directory, *options, host="127.0.0.1").start()


@pytest.fixture(scope="module")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A cluster of one node."""
    node = cluster_node(tmp_path_factory.mktemp("cluster"))
    node.client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    until_process(lambda: node.client.cluster("INFO")["cluster_state"] == "ok", "a cluster")
    yield node
    node.close()


@pytest.fixture
def cluster(shared_cluster: RedisServer) -> RedisServer:
    shared_cluster.client.flushall()
    shared_cluster.client.config_resetstat()
    return shared_cluster


SHARDED = Names("q", shards=3)
STREAMS = [SHARDED.urgent(1), SHARDED.jobs(1)]
ENTRY = "0-1"
IN_ONE_SLOT: dict[str, tuple[list[str], list[str | int]]] = {
    "SUBMIT": ([STREAMS[1]], [10, "id", "a"]),
    "WITHDRAW": ([STREAMS[1]], [ENTRY]),
    "IS_THERE": ([STREAMS[1]], [ENTRY]),
    "CLAIM": (STREAMS, ["me", 2]),
    "RECLAIM": ([STREAMS[1]], ["me", 0, "0-0", 10]),
    "RENEW": ([STREAMS[1]], ["me", ENTRY]),
    "REPLY": ([SHARDED.replies("s")], [10, "id", "a"]),
    "DONE": ([STREAMS[1]], [ENTRY]),
    "GIVE_BACK": (STREAMS[::-1], ["me", ENTRY, 0]),
    "MINE": ([STREAMS[1]], ["me"]),
    "LEAVE": ([STREAMS[1]], ["me"]),
    "MAKE_GROUPS": (STREAMS, []),
    "LIVE": ([SHARDED.server("s")], [10]),
    "TAKE": ([SHARDED.running(b"k")], ["me", 10]),
    "LOOK": (STREAMS, []),
    "BEAT": ([SHARDED.workers], ["{}", 10]),
    "ALIVE": ([SHARDED.workers], [10]),
    "TIDY": ([*STREAMS, SHARDED.tidied(1)], [0, 10]),
}


def test_every_script_runs_where_its_keys_must_be_in_one_slot(cluster: RedisServer) -> None:
    """And says that it keeps to them, so that Redis sees to it."""
    scripts = {name: script for name, script in vars(streams).items() if isinstance(script, Script)}
    assert scripts.keys() == IN_ONE_SLOT.keys()
    assert [name for name, script in scripts.items() if not script.source.startswith("#!lua")] == []

    async def scenario() -> None:
        link = Link(cluster.url, SHARDED)
        await link.connect()
        cluster.client.xadd(STREAMS[1], {"id": "a"}, id=ENTRY)
        await link.call("XREADGROUP", "GROUP", "workers", "me", "STREAMS", STREAMS[1], ">")
        for name, (keys, arguments) in IN_ONE_SLOT.items():
            await link.run(scripts[name], keys, *arguments)
        await link.close()

    asyncio.run(scenario())


def test_a_cluster_of_one_node_serves(cluster: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """Over several shards, with jobs given back, taken back and remembered; no command is refused, even in silence."""
    caplog.set_level(logging.DEBUG)

    async def scenario() -> None:
        made_up, observer = MadeUpJudge(held=True), Counted()
        judge = RedisJudge(RedisSettings(url=cluster.url, names=SHARDED, remembered_results=0), observer)
        await judge.start()
        calls = [asyncio.create_task(judge.judge(job(f"{n}"))) for n in range(30)]
        await until(lambda: waiting(cluster, SHARDED) == 30)
        async with working(cluster, made_up, names=SHARDED, slots=4, drain_seconds=0.0):
            await until(lambda: len(made_up.begun) == 4)
        calls[-1].cancel()
        async with working(cluster, MadeUpJudge(), names=SHARDED):
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert results.count(ACCEPTED) == 29
            await until(lambda: judge.tiers)
            assert await judge.judge(job("0")) == ACCEPTED
        assert observer.hits[-1:] == ["redis"]
        await judge.close()

    asyncio.run(scenario())
    assert waiting(cluster, SHARDED) == 0
    assert [vars(record)["reason"] for record in caplog.records if "reason" in vars(record)] == []
    assert not cluster.client.info("errorstats").keys() & {"errorstat_CROSSSLOT", "errorstat_MOVED"}


def test_a_cluster_of_several_nodes_is_refused(tmp_path: Path) -> None:
    """At the start and by name, rather than at every other job."""
    with ExitStack() as stack:
        nodes = [cluster_node(tmp_path / str(number)) for number in range(3)]
        for number, node in enumerate(nodes):
            stack.callback(node.close)
            first = number * 5461
            last = 16383 if node is nodes[-1] else first + 5460
            node.client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            bus = node.client.config_get("cluster-port")["cluster-port"]
            nodes[0].client.execute_command("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        until_process(lambda: all(len(node.client.cluster("SLOTS")) == 3 for node in nodes), "three nodes")

        async def scenario() -> None:
            judge = RedisJudge(RedisSettings(url=nodes[0].url, names=NAMES))
            with pytest.raises(SandboxUnavailableError, match="one of 3 primaries of a cluster"):
                await judge.start()
            worker = Worker(MadeUpJudge(), WorkerSettings(url=nodes[1].url, names=NAMES, slots=1))
            with pytest.raises(SandboxUnavailableError, match="one of 3 primaries of a cluster"):
                await worker.run()

        asyncio.run(scenario())


# ---- replicas, memory ------------------------------------------------------------------------------------------------


def test_a_replica_is_told_from_its_primary(redis: RedisServer) -> None:
    """And used as soon as it is one."""
    redis.client.replicaof("127.0.0.1", free_port())

    async def scenario() -> None:
        async with both(redis.url) as (judge, worker):
            await unready(judge, worker, "is a read-only replica; REDIS_URL must lead to its primary")
            redis.client.replicaof("NO", "ONE")
            await judges(judge, worker)

    try:
        asyncio.run(scenario())
    finally:
        redis.client.replicaof("NO", "ONE")


@pytest.fixture
def limited(redis: RedisServer) -> Iterator[RedisServer]:
    """What a test sets, it leaves unset."""
    yield redis
    redis.client.config_set("maxmemory", 0)
    redis.client.config_set("min-replicas-to-write", 0)


def test_a_full_redis_takes_no_job_and_gives_every_verdict(limited: RedisServer) -> None:
    """What it holds is claimed, judged, given back, answered and deleted, which makes room; what comes is refused.

    A worker that starts meanwhile helps, and a server that starts meanwhile is ready.
    """

    async def scenario() -> None:
        made_up, observer = MadeUpJudge(held=True), Counted()
        async with serving(limited) as judge:
            calls = [asyncio.create_task(judge.judge(job(f"{n}"))) for n in range(10)]
            await until(lambda: waiting(limited) == 10)
            async with working(limited, made_up, observer=observer, slots=2, drain_seconds=0.0):
                await until(lambda: len(made_up.begun) == 2)
                limited.client.config_set("maxmemory", 1)
                limited.client.script_flush()
            assert observer.given_back == 2
            with pytest.raises(QueueFullError, match="out of memory"):
                await judge.judge(job("more"))
            async with serving(limited) as late, working(limited, MadeUpJudge()):
                assert await asyncio.gather(*calls) == [ACCEPTED] * 10
                assert judge.health().ready
                assert late.health().ready
                limited.client.config_set("maxmemory", 0)
                assert await late.judge(job("more")) == ACCEPTED

    asyncio.run(scenario())
    assert waiting(limited) == 0


def test_a_reply_waits_for_a_redis_that_takes_no_writes(limited: RedisServer) -> None:
    """Its replicas are away, say, or its disk is full: the job is done once, and its verdict is not lost."""

    async def scenario() -> None:
        made_up, observer = MadeUpJudge(held=True), Counted()
        async with working(limited, made_up, observer=observer):
            hand_in(limited, jobs.encode_job(job("x")))
            await until(lambda: made_up.begun)
            limited.client.config_set("min-replicas-to-write", 1)
            limited.client.config_resetstat()
            made_up.go.set()
            await until(lambda: limited.client.info("errorstats").get("errorstat_NOREPLICAS", {}).get("count", 0) > 3)
            assert observer.endings == []
            limited.client.config_set("min-replicas-to-write", 0)
            await until(lambda: observer.endings == ["accepted"])
        assert made_up.begun == ["x"]

    asyncio.run(scenario())
    assert len(replies(limited)) == 1
    assert waiting(limited) == 0
