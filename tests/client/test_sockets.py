"""What only real connections show: keeping them, losing them, leaving them, and the threads and loops around them."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

import pytest

from reward_client import (
    AsyncRewardClient,
    Batching,
    Clock,
    Progress,
    RewardClient,
    RewardConnectionError,
    RewardTimeoutError,
    ScoreResponse,
)


def _no_pause(_: float) -> Awaitable[None]:
    return asyncio.sleep(0)


IMPATIENT = Clock(sleep=_no_pause)


def lines_of(seen):
    """The lines that answer a streamed request whose completions are numbers."""
    return [
        json.dumps({"id": sent["id"], "status": "scored", "reward": float(sent["completion"])}).encode() + b"\n"
        for sent in seen.body["rollouts"]
    ]


# ---- connections --------------------------------------------------------------------------------------------------


def test_connections_are_kept(server, rollout):
    """One after the other goes over the same one, streams and refusals included."""
    with RewardClient(server.url) as client:
        for _ in range(3):
            client.score([rollout(1)])
            list(client.stream([rollout(1)]))
            client.health()
    assert server.connections == 1


def test_a_stream_that_breaks_off_is_taken_up_where_it_broke(server, service, reply, moments, rollout):
    """What came before is kept; only the rest is sent again, and a stream that got on is no failure in a row."""
    service.script = lambda seen: reply(200, lines_of(seen)[:2], cut=True) if len(service.seen) < 3 else None
    with RewardClient(server.url, clock=moments.clock) as client:
        results = list(client.stream([rollout(n) for n in range(5)]))
    assert sorted((result.index, result.reward) for result in results) == [(n, float(n)) for n in range(5)]
    assert [len(seen.completions) for seen in service.seen] == [5, 3, 1]
    assert moments.pauses == [0.25, 0.25]


def test_a_stream_that_breaks_off_after_its_last_result_is_complete(server, service, reply, moments, rollout):
    """There is nothing left to ask for, nor to wait for."""
    service.script = lambda seen: reply(200, lines_of(seen), cut=True)
    with RewardClient(server.url, clock=moments.clock) as client:
        assert len(list(client.stream([rollout(1), rollout(2)]))) == 2
    assert (len(service.seen), moments.pauses) == (1, [])


@pytest.mark.parametrize("streaming", [False, True])
def test_a_connection_closed_without_an_answer_is_tried_again(server, service, reply, rollout, streaming):
    """A killed replica costs time and no reward."""
    service.first(reply(cut=True), reply(cut=True))
    with RewardClient(server.url, clock=IMPATIENT) as client:
        batch = [rollout(1)]
        results = list(client.stream(batch)) if streaming else client.score(batch).results
    assert [result.reward for result in results] == [1.0]
    assert len(service.seen) == 3


def test_nobody_listens(rollout, moments):
    """The error says where, and is both ours and Python's."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with RewardClient(url, clock=moments.clock) as client:
            for ask in (lambda: client.score([rollout()]), client.health, lambda: client.verify("1", "1")):
                with pytest.raises(RewardConnectionError, match=url):
                    ask()


@pytest.fixture
def held(service):
    """Requests that say 9 are not answered before the test is over."""
    release = threading.Event()
    service.script = lambda seen: release.wait(30) and None if b'"9"' in seen.raw else None
    yield release
    release.set()


def test_a_silent_server_is_left_at_the_deadline(server, held, moments, rollout):
    """With what others have answered by then."""

    def time_flies(progress: Progress) -> None:
        moments.time += 1000 * (progress.done == 2)

    async def main() -> ScoreResponse:
        batching = Batching(max_rollouts=1)
        async with AsyncRewardClient(server.url, batching=batching, clock=moments.clock) as client:
            return await client.score([rollout(1), rollout(9), rollout(2)], progress=time_flies)

    response = asyncio.run(main())
    assert response.rewards == [1.0, None, 2.0]
    assert response.results[1].error.kind == "deadline_exceeded"


def test_a_question_without_an_answer_ends_at_the_deadline(server, held):
    """As a time-out, by our name and by Python's."""
    with (
        RewardClient(server.url, deadline_seconds=0.1) as client,
        pytest.raises(RewardTimeoutError, match=r"0\.1 s") as raised,
    ):
        client.verify("9", "9")
    assert isinstance(raised.value, TimeoutError)


# ---- leaving ------------------------------------------------------------------------------------------------------


def test_leaving_a_stream_leaves_the_client_usable(server, held, rollout):
    """What is open is cancelled; nothing waits for it."""
    with RewardClient(server.url, batching=Batching(max_rollouts=1, max_in_flight=2)) as client:
        for result in client.stream([rollout(1), rollout(9), rollout(9)]):
            assert result.reward == 1.0
            break
        assert client.score([rollout(1), rollout(2)]).rewards == [1.0, 2.0]


def test_leaving_an_asynchronous_stream_leaves_the_client_usable(server, held, rollout):
    """The same, and no task is left behind."""

    async def main() -> None:
        async with AsyncRewardClient(server.url, batching=Batching(max_rollouts=1, max_in_flight=2)) as client:
            async with aclosing(client.stream([rollout(1), rollout(9), rollout(9)])) as results:
                async for result in results:
                    assert result.reward == 1.0
                    break
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert (await client.score([rollout(1), rollout(2)])).rewards == [1.0, 2.0]

    asyncio.run(main())


def test_a_cancelled_call_leaves_nothing_behind(server, held, rollout):
    """Whoever gives up the call gives up its requests."""

    async def main() -> None:
        async with AsyncRewardClient(server.url) as client:
            call = asyncio.create_task(client.score([rollout(9)]))
            await asyncio.to_thread(server.service.arrived.wait, 30)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_closing_ends_the_calls_of_other_threads(server, held, rollout):
    """Nobody hangs on a client that is gone."""
    client = RewardClient(server.url)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(client.score, [rollout(9)])
        server.service.arrived.wait(30)
        client.close()
        with pytest.raises(RuntimeError, match="closed"):
            call.result()
    client.close()
    with pytest.raises(RuntimeError, match="the client is closed"):
        client.score([rollout(1)])


def test_a_client_that_is_closed_or_forgotten_leaves_no_thread(server, rollout):
    """Nor a connection: the collector would complain of one."""
    with RewardClient(server.url) as client:
        client.score([rollout(1)])
    forgotten = RewardClient(server.url)
    forgotten.score([rollout(1)])
    del forgotten
    gc.collect()
    assert not [thread for thread in threading.enumerate() if thread.name == "reward-client"]


def test_a_script_need_not_close_its_client(server):
    """It ends, and without a word on standard error."""
    program = f"""
import reward_client
client = reward_client.RewardClient({server.url!r})
print(client.score([{{"completion": "1", "task": {{"kind": "none"}}}}] * 100).rewards[99])
for result in client.stream([{{"completion": "1", "task": {{"kind": "none"}}}}] * 2):
    break
"""
    command = [sys.executable, "-W", "error", "-c", program]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "1.0\n", "")


def test_ctrl_c_ends_a_call_at_once(server, service, held):
    """Not at the deadline, ten minutes later."""
    program = f"""
import signal, reward_client
signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored in whatever runs the tests
client = reward_client.RewardClient({server.url!r})
try:
    client.score([{{"completion": "9", "task": {{"kind": "none"}}}}])
except KeyboardInterrupt:
    print("interrupted")
"""
    command = [sys.executable, "-W", "error", "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        service.arrived.wait(30)
        child.send_signal(signal.SIGINT)
        assert child.communicate(timeout=20) == ("interrupted\n", "")


# ---- threads, loops, processes ------------------------------------------------------------------------------------


def test_threads_share_a_client(server, rollout):
    """Each gets its own results."""
    with RewardClient(server.url) as client, ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(client.score, [rollout(n), rollout(n + 0.5)]) for n in range(40)]
        assert [call.result().rewards for call in calls] == [[n, n + 0.5] for n in range(40)]
    assert server.connections <= 8


def test_the_blocking_client_works_where_a_loop_runs(server, rollout):
    """As in a notebook."""

    async def main() -> list[float | None]:
        with RewardClient(server.url) as client:
            return client.score([rollout(1)]).rewards

    assert asyncio.run(main()) == [1.0]


def test_loops_of_several_threads_share_a_client(server, rollout):
    """Each loop has its own connections, which it closes."""
    client = AsyncRewardClient(server.url)
    together = threading.Barrier(3)

    async def main(n: int) -> list[float | None]:
        rewards = (await client.score([rollout(n)])).rewards
        together.wait(30)
        if n == 0:
            await client.aclose()
        await asyncio.sleep(0)
        together.wait(30)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return rewards

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda n: asyncio.run(main(n)), range(3))) == [[0.0], [1.0], [2.0]]


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_fork_may_go_on_with_the_client(server, rollout):
    """Trainers fork workers; the child must not wait for a thread that it does not have."""
    with RewardClient(server.url) as client:
        client.score([rollout(1)])
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = 0 if client.score([rollout(2)], deadline_seconds=20).rewards == [2.0] else 2
                client.close()
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert client.score([rollout(3)]).rewards == [3.0]
