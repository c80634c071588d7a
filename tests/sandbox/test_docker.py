"""Containers as slots: what dies is replaced, what is left behind is found, and what is not there is named."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox import engine
from sandbox.docker import DockerJudge, DockerSettings
from sandbox.models import BadJobError, ExecuteJob, JudgeJob, Limits, SandboxUnavailableError, StdioTest, Verdict
from tests import dockerd

DOUBLE = "print(int(input()) * 2)"
SLOW = f"import time\ntime.sleep(0.3)\n{DOUBLE}"


def doubling(code: str = DOUBLE, tests: int = 4) -> JudgeJob:
    return JudgeJob(code, "python", tuple(StdioTest(b"%d" % n, b"%d" % (2 * n)) for n in range(tests)))


@pytest.fixture
def client(docker_host: str) -> Iterator[Any]:
    """A client that sees what is there."""
    with contextlib.closing(dockerd.client(docker_host)) as opened:
        yield opened


@pytest.fixture
def settings(cache_dir: Path, docker_host: str) -> DockerSettings:
    return DockerSettings(
        cache_dir=cache_dir, workers=2, remembered_results=0, silence_seconds=4, docker_host=docker_host
    )


@asynccontextmanager
async def started(settings: DockerSettings) -> AsyncIterator[DockerJudge]:
    judge = DockerJudge(settings)
    await judge.start()
    try:
        yield judge
    finally:
        await judge.close()


def ours(client: Any) -> dict[str, str]:
    """The containers that carry our label: id and name of the owner."""
    found = client.containers(all=True, filters={"label": engine.LABEL})
    return {container["Id"]: container["Labels"][engine.LABEL] for container in found}


async def until(condition: Any) -> None:
    """Wait for something that will come."""
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - dockerd's events come too late to tell
            await asyncio.sleep(0.05)


def test_a_container_has_nothing_that_it_does_not_need(settings: DockerSettings, client: Any) -> None:
    """As dockerd tells it; a second one has another user."""

    async def scenario() -> None:
        before = ours(client)
        async with started(settings) as judge:
            told = [client.inspect_container(one) for one in ours(client).keys() - before.keys()]
            assert judge.tier == "docker-runc-landlock-watched"
        assert ours(client) == before
        for container in told:
            host = container["HostConfig"]
            assert (host["NetworkMode"], host["ReadonlyRootfs"], host["CapDrop"]) == ("none", True, ["ALL"])
            assert (host["SecurityOpt"], host["Privileged"], host["Binds"]) == (["no-new-privileges"], False, None)
            assert (host["PidsLimit"], host["NanoCpus"]) == (512, 1_000_000_000)
            assert host["Memory"] == host["MemorySwap"] == 2048 * 1024 * 1024
            assert host["LogConfig"]["Type"] == "none"
            assert container["Config"]["User"].split(":")[0] not in ("", "0")
        assert len({container["Config"]["User"] for container in told}) == 2

    asyncio.run(scenario())


def test_what_an_operator_accepts_to_lose_is_told_to_the_container(settings: DockerSettings, client: Any) -> None:
    """It is the container's kernel that may have no Landlock, as gVisor's; what is there holds all the same."""

    async def scenario() -> None:
        before = ours(client)
        async with started(replace(settings, workers=1, accept_lost=("files",))) as judge:
            (one,) = ours(client).keys() - before.keys()
            assert client.inspect_container(one)["Args"][-2:] == ["--accept-lost", "files"]
            assert judge.tier == "docker-runc-landlock-watched"

    asyncio.run(scenario())


@pytest.mark.parametrize("harm", ["kill", "pause", "remove"])
def test_a_container_that_fails_costs_no_verdict(settings: DockerSettings, client: Any, harm: str) -> None:
    """Killed, frozen or removed in the middle of a run: another one takes its place, and the run is repeated."""

    async def scenario() -> None:
        before = ours(client)
        async with started(settings) as judge:
            victims = ours(client).keys() - before.keys()
            judging = [asyncio.create_task(judge.judge(doubling(f"{SLOW}  # {n}"))) for n in range(2)]
            await until(lambda: judge.health().facts["busy"] == "2")
            victim = min(victims)
            strike = {"kill": client.kill, "pause": client.pause, "remove": _remove(client)}[harm]
            await asyncio.to_thread(strike, victim)
            results = await asyncio.gather(*judging)
            assert {result.verdict for result in results} == {Verdict.ACCEPTED}
            assert judge.health().ready
            await until(lambda: victim not in ours(client) and len(ours(client).keys() - before.keys()) == 2)
        assert ours(client) == before

    asyncio.run(scenario())


def _remove(client: Any) -> Any:
    return lambda victim: client.remove_container(victim, force=True)


def test_a_container_that_has_served_long_is_replaced(settings: DockerSettings, client: Any) -> None:
    """Ahead of the programs: none of them waits for it, and none is lost."""

    async def scenario() -> None:
        before = ours(client)
        async with started(replace(settings, workers=1, submissions=4)) as judge:
            (first,) = ours(client).keys() - before.keys()
            for number in range(4):
                await judge.judge(doubling(f"{DOUBLE}  # {number}", tests=1))
            await until(lambda: len(ours(client).keys() - before.keys()) == 2)
            served = 0
            while first in ours(client):
                served += 1
                assert (await judge.judge(doubling(f"{DOUBLE}  # again {served}", tests=1))).passed == 1
        assert ours(client) == before

    asyncio.run(scenario())


SERVER = """
import asyncio, sys
from pathlib import Path
from sandbox.docker import DockerJudge, DockerSettings

async def main():
    judge = DockerJudge(DockerSettings(cache_dir=Path(sys.argv[1]), workers=1, docker_host=sys.argv[2]))
    await judge.start()
    print("started", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def _serving(settings: DockerSettings) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SERVER, str(settings.cache_dir), str(settings.docker_host)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    assert server.stdout.readline() == "started\n"
    return server


def test_a_killed_server_leaves_no_container(settings: DockerSettings, client: Any) -> None:
    """They end with their standard input."""
    before = ours(client)
    with _serving(settings) as server:
        assert ours(client) != before
        server.kill()
    asyncio.run(until(lambda: ours(client) == before))


def test_what_a_killed_server_could_not_take_along_is_removed_by_the_next(
    settings: DockerSettings, client: Any
) -> None:
    """A frozen container cannot see the end of its input. A living neighbour's is left alone, and no image is made."""
    before, images = ours(client), sorted(client.images(all=True, quiet=True))

    async def start_another() -> None:
        async with started(replace(settings, workers=1)):
            assert orphan not in ours(client)
            assert neighbours in ours(client)

    with _serving(settings) as neighbour:
        (neighbours,) = ours(client).keys() - before.keys()
        with _serving(settings) as server:
            (orphan,) = ours(client).keys() - before.keys() - {neighbours}
            client.pause(orphan)
            server.kill()
            server.wait()
        assert orphan in ours(client)
        asyncio.run(start_another())
        neighbour.kill()
    asyncio.run(until(lambda: ours(client) == before))
    assert sorted(client.images(all=True, quiet=True)) == images


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"docker_host": "unix:///nowhere/docker.sock"}, "dockerd cannot be used", id="no dockerd"),
        pytest.param({"image": "reward-sandbox:absent"}, "build-images.sh", id="no image"),
        pytest.param({"runtime": "no-such-runtime"}, "no-such-runtime", id="no such run-time"),
        pytest.param({"seccomp": Path("/nowhere.json")}, "seccomp profile", id="no such profile"),
    ],
)
def test_what_is_missing_is_named(settings: DockerSettings, change: dict[str, Any], said: str) -> None:
    """Nothing is judged then, and health says why."""

    async def scenario() -> None:
        judge = DockerJudge(replace(settings, **change))
        with pytest.raises(SandboxUnavailableError, match=said):
            await judge.start()
        assert not judge.health().ready
        assert said in judge.health().detail
        with pytest.raises(SandboxUnavailableError):
            await judge.execute(ExecuteJob("print(1)", "python"))
        await judge.close()

    asyncio.run(scenario())


def test_more_memory_than_a_container_has_is_no_verdict(settings: DockerSettings) -> None:
    """The container's limit would end the program for us, and that look like its own fault."""

    async def scenario() -> None:
        async with started(replace(settings, workers=1)) as judge:
            with pytest.raises(BadJobError, match="1856 MiB"):
                await judge.execute(ExecuteJob("print(1)", "python", limits=Limits(memory_mb=4096)))

    asyncio.run(scenario())


def test_orphans_are_those_whose_owner_is_known_to_be_gone() -> None:
    """Another boot or another pid namespace is none of our knowledge."""
    boot, namespace, pid, start = engine.identity().split(".")
    assert not engine.is_orphan(f"{boot}.{namespace}.{pid}.{start}.0a0b")
    assert engine.is_orphan(f"{boot}.{namespace}.{pid}.{int(start) - 1}.0a0b")
    assert engine.is_orphan(f"{boot}.{namespace}.4194999.{start}.0a0b")
    assert not engine.is_orphan(f"other.{namespace}.4194999.{start}.0a0b")
    assert not engine.is_orphan(f"{boot}.1.4194999.{start}.0a0b")
    assert not engine.is_orphan("somebody else's label")
