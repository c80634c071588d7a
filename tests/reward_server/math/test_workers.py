"""The processes that may be killed at any moment, and the tasks that must not notice."""

import asyncio
import os
import signal
import textwrap
from pathlib import Path

import pytest

from reward_server.workers import (
    CpuLimitError,
    CrashError,
    MemoryLimitError,
    PoolSettings,
    PoolUnavailableError,
    TaskError,
    WorkerPool,
)

MODULE = """
    import os, signal, sys, time

    def warm_up(): pass

    def handle(task):
        match task["do"]:
            case "echo": return task["value"]
            case "spin":
                while True: pass
            case "raise": raise ValueError("no such luck")
            case "spin in C": return sum(range(10 ** 12))
            case "swell": return len("x" * 10 ** 10)
            case "crash": os.kill(os.getpid(), signal.SIGSEGV)
            case "die once":
                try: os.close(os.open(task["marker"], os.O_CREAT | os.O_EXCL))
                except FileExistsError: return "second time"
                os.kill(os.getpid(), signal.SIGKILL)
            case "always die": os.kill(os.getpid(), signal.SIGKILL)
            case "look": return {"fds": sorted(os.listdir("/proc/self/fd")), "env": sorted(os.environ)}
            case "wait for":
                while not os.path.exists(task["path"]): time.sleep(0.002)
                return "seen"
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PoolSettings:
    (tmp_path / "pool_tasks.py").write_text(textwrap.dedent(MODULE))
    monkeypatch.syspath_prepend(str(tmp_path))
    return PoolSettings(module="pool_tasks", workers=2)


def run(settings, story):
    """Run a story with a pool, and see that nothing is left of it afterwards."""

    async def whole():
        pool = WorkerPool(settings)
        await pool.start()
        try:
            return await story(pool)
        finally:
            seen.extend([*pool.process_ids, pool.nursery_process_id])
            await pool.close()

    seen: list[int] = []
    result = asyncio.run(whole())
    assert not [process_id for process_id in seen if is_running(process_id)]
    return result


def is_running(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@pytest.mark.parametrize(
    ("task", "error"),
    [
        pytest.param({"do": "spin"}, CpuLimitError, id="a loop in Python"),
        pytest.param({"do": "spin in C"}, CpuLimitError, id="a loop that never returns to Python"),
        pytest.param({"do": "swell"}, MemoryLimitError, id="memory"),
        pytest.param({"do": "crash"}, CrashError, id="a crash"),
        pytest.param({"do": "always die"}, PoolUnavailableError, id="killed by somebody else, every time"),
    ],
)
def test_a_task_that_misbehaves_ends_with_its_cause_and_the_next_one_is_served(settings, task, error):
    """A limit is told from a crash, and both from a worker that somebody else killed."""

    async def story(pool):
        with pytest.raises(error):
            await pool.run(task, cpu_seconds=0.2)
        return await pool.run({"do": "echo", "value": "\ud800 ok"}, cpu_seconds=1)

    assert run(settings, story) == "\ud800 ok"


def test_a_worker_killed_in_the_middle_costs_no_task_its_result(settings, tmp_path):
    """The task is run again on another worker."""

    async def story(pool):
        return await pool.run({"do": "die once", "marker": str(tmp_path / "marker")}, cpu_seconds=1)

    assert run(settings, story) == "second time"


def test_idle_workers_killed_from_outside_are_replaced(settings):
    async def story(pool):
        for _ in range(5):
            for process_id in pool.process_ids:
                os.kill(process_id, signal.SIGKILL)
            assert await pool.run({"do": "echo", "value": 1}, cpu_seconds=1) == 1

    run(settings, story)


def test_the_nursery_killed_from_outside_is_replaced_and_costs_no_task_its_result(settings):
    async def story(pool):
        before = pool.nursery_process_id
        os.kill(before, signal.SIGKILL)
        for process_id in pool.process_ids:
            os.kill(process_id, signal.SIGKILL)
        tasks = [pool.run({"do": "echo", "value": n}, cpu_seconds=1) for n in range(20)]
        assert await asyncio.gather(*tasks) == list(range(20))
        assert pool.nursery_process_id != before

    run(settings, story)


def test_a_caller_that_gives_up_does_not_leave_its_answer_to_the_next_one(settings, tmp_path):
    async def story(pool):
        waiting = [
            asyncio.create_task(pool.run({"do": "wait for", "path": str(tmp_path / "go")}, cpu_seconds=9)) for _ in "ab"
        ]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        (tmp_path / "go").touch()
        tasks = [pool.run({"do": "echo", "value": n}, cpu_seconds=1) for n in range(8)]
        assert await asyncio.gather(*tasks) == list(range(8))

    run(settings, story)


def test_workers_are_recycled_after_their_share_of_tasks(settings):
    async def story(pool):
        before = set(pool.process_ids)
        for n in range(12):
            assert await pool.run({"do": "echo", "value": n}, cpu_seconds=1) == n
        return before & set(pool.process_ids)

    few = PoolSettings(module="pool_tasks", workers=2, tasks_per_worker=3)
    assert run(few, story) == set()


def test_a_worker_has_nothing_of_the_servers(settings, monkeypatch):
    """Neither its file descriptors, nor its environment."""
    monkeypatch.setenv("REWARD_API_TOKENS", "secret")
    with Path(__file__).open() as held:
        os.set_inheritable(held.fileno(), True)

        async def story(pool):
            return await pool.run({"do": "look"}, cpu_seconds=1)

        found = run(settings, story)
    assert "REWARD_API_TOKENS" not in found["env"]
    assert len(found["fds"]) <= 5  # the standard three, the connection, and the listing itself


def test_a_closed_pool_says_so(settings):
    async def story():
        pool = WorkerPool(settings)
        with pytest.raises(PoolUnavailableError):
            await pool.run({"do": "echo", "value": 1}, cpu_seconds=1)
        assert not pool.ready

    asyncio.run(story())


def test_a_nursery_that_does_not_start_is_our_failure(settings):
    async def story():
        with pytest.raises(PoolUnavailableError):
            await WorkerPool(PoolSettings(module="no_such_module")).start()

    asyncio.run(story())


def test_a_task_that_raises_says_so_and_is_not_tried_again(settings):
    async def story(pool):
        before = set(pool.process_ids)
        with pytest.raises(TaskError, match="ValueError: no such luck"):
            await pool.run({"do": "raise"}, cpu_seconds=1)
        assert set(pool.process_ids) == before

    run(settings, story)
