"""The local judge under load, under attack from outside, and after the end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox import cgroup
from sandbox.dispatch import request_key
from sandbox.host import Isolation
from sandbox.inside import wire
from sandbox.local import LocalJudge, LocalSettings
from sandbox.models import (
    AssertTest,
    ExecuteJob,
    JudgeJob,
    Limits,
    QueueFullError,
    SandboxUnavailableError,
    StdioTest,
    Verdict,
)

# Of each of two slots: two processes of bubblewrap's, the warm interpreter, and of the next submission the init and the
# process that waits to become the first program.
AT_REST = 2 * 5
DOUBLE = "print(int(input()) * 2)"


def doubling(code: str = DOUBLE, tests: int = 20, **changes: object) -> JudgeJob:
    cases = tuple(StdioTest(b"%d\n" % number, b"%d\n" % (2 * number)) for number in range(tests))
    return replace(JudgeJob(code, "python", cases), **changes)  # type: ignore[arg-type]


@pytest.fixture
def settings(cache_dir: Path) -> LocalSettings:
    return LocalSettings(cache_dir=cache_dir, workers=2, remembered_results=0)


@asynccontextmanager
async def started(settings: LocalSettings) -> AsyncIterator[LocalJudge]:
    judge = LocalJudge(settings)
    await judge.start()
    try:
        yield judge
    finally:
        await judge.close()


def family(root: int) -> set[int]:
    """The processes below `root`, by the kernel's list of all."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError, IndexError):
            parents[int(name)] = int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1])
    found = {root}
    while grown := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= grown
    return found - {root}


def command_lines(pids: set[int]) -> Iterator[tuple[int, str]]:
    for pid in pids:
        with contextlib.suppress(OSError):
            yield pid, Path(f"/proc/{pid}/cmdline").read_text()


def test_all_twenty_tests_are_run_and_counted(settings: LocalSettings) -> None:
    """In order, each with what it used."""

    async def scenario() -> None:
        async with started(settings) as judge:
            result = await judge.judge(doubling())
        assert (result.verdict, result.passed, result.total) == (Verdict.ACCEPTED, 20, 20)
        assert [test.index for test in result.tests] == list(range(20))
        assert all(test.cpu_seconds > 0 and test.memory_mb > 0 for test in result.tests)

    asyncio.run(scenario())


@pytest.mark.parametrize("stop", [True, False])
def test_the_verdict_is_that_of_the_first_failing_test(settings: LocalSettings, stop: bool) -> None:
    """However the tests were spread over slots; what comes after the first failure is run only when asked for."""
    code = "n = int(input())\nif n == 17: raise SystemExit(1)\nprint(n * 2 if n != 5 else 0)"

    async def scenario() -> None:
        async with started(settings) as judge:
            results = [await judge.judge(doubling(code, stop_at_first_failure=stop)) for _ in range(3)]
        for result in results:
            assert result.verdict is Verdict.WRONG_ANSWER
            assert result.first_failure is not None
            assert result.first_failure.index == 5
            assert result.passed == (5 if stop else 18)
            assert [test.index for test in result.tests] == list(range(6 if stop else 20))

    asyncio.run(scenario())


def test_many_clients_and_no_correct_program_rejected(settings: LocalSettings) -> None:
    """32 at once, on two cores, each using CPU time: time limits do not depend on the load."""
    code = "import time\nwhile time.process_time() < 0.1: pass\n" + DOUBLE
    limits = Limits(cpu_seconds=0.4, wall_seconds=20.0)

    async def scenario() -> None:
        async with started(settings) as judge:
            jobs = [doubling(f"{code}  # {number}", tests=1, limits=limits) for number in range(32)]
            results = await asyncio.gather(*map(judge.judge, jobs))
        assert {result.verdict for result in results} == {Verdict.ACCEPTED}

    asyncio.run(scenario())


def test_equal_jobs_are_judged_once(settings: LocalSettings) -> None:
    """A group of sixteen with two programs costs two, and remembers them as long as it is told to."""

    async def scenario() -> None:
        async with started(replace(settings, remembered_results=10)) as judge:
            mine, other = doubling("import os\n" + DOUBLE, tests=1), doubling("print(1)", tests=1)
            results = await asyncio.gather(*(judge.judge(job) for job in (mine, other) * 8))
            again = await judge.judge(mine)
        assert len({id(result) for result in results}) == 2
        assert again is results[0]

    asyncio.run(scenario())


@pytest.mark.parametrize("victim", ["program", "init", "zygote", "bwrap"])
def test_a_killed_process_of_ours_costs_nobody_a_verdict(settings: LocalSettings, victim: str) -> None:
    """Whatever dies by `kill -9` from outside is started again, and what ran in it is run again."""
    code = "import time\ntime.sleep(0.2)\n" + DOUBLE
    limits = Limits(wall_seconds=30.0)

    async def scenario() -> None:
        async with started(settings) as judge:
            jobs = [doubling(f"{code}  # {number}", tests=3, limits=limits) for number in range(4)]
            judging = [asyncio.create_task(judge.judge(job)) for job in jobs]
            await until(lambda: killed(victims(victim)))
            results = await asyncio.gather(*judging)
            assert {result.verdict for result in results} == {Verdict.ACCEPTED}
            assert (await judge.judge(doubling())).verdict is Verdict.ACCEPTED

    asyncio.run(scenario())


def killed(pids: set[int]) -> bool:
    """Whether one of them was there to be killed."""
    for pid in sorted(pids):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            return True
    return False


def victims(kind: str) -> set[int]:
    """The processes of one kind that are at work on a program."""
    jails = {pid for pid, line in command_lines(family(os.getpid())) if "bwrap" in line}
    zygotes = below(jails) - jails
    inits = {pid for pid in below(zygotes) if children(pid)}
    return {"bwrap": jails, "zygote": zygotes, "init": inits, "program": below(inits)}[kind] if inits else set()


def below(pids: set[int]) -> set[int]:
    return set().union(*map(children, pids)) if pids else set()


def children(pid: int) -> set[int]:
    with contextlib.suppress(OSError):
        return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    return set()


async def until(condition: object) -> None:
    """Wait for something that will come."""
    async with asyncio.timeout(20):
        while not condition():  # type: ignore[operator]  # noqa: ASYNC110 - other processes have no events
            await asyncio.sleep(0.01)


SIGHT = """
import gc, os, random, resource, signal, sys
print(sorted((int(fd), os.readlink(f"/proc/self/fd/{fd}")) for fd in os.listdir("/proc/self/fd") if int(fd) < 3))
print(sorted(map(int, os.listdir("/proc/self/fd"))), sorted(sys.modules), sorted(globals()), gc.get_freeze_count())
print([resource.getrlimit(kind) for kind in range(16) if kind != resource.RLIMIT_DATA], os.sched_getaffinity(0))
print([line for line in open("/proc/self/status") if line[:3] in ("Cap", "Sec", "NoN", "Sig", "Shd", "Thr", "Cpu")])
print(os.getpid(), os.getppid(), os.getpgrp(), os.getsid(0), open("/proc/self/oom_score_adj").read(), os.getcwd())
print(sys.argv, sys.stdin.read(), random.random(), [signal.getsignal(one) for one in range(1, 64)])
"""


def test_a_program_sees_the_same_in_a_process_that_waited_for_it(settings: LocalSettings) -> None:
    """Neither descriptors nor limits, modules, rights or cores tell it from one that was forked for it."""

    async def scenario() -> None:
        others = family(os.getpid())
        async with started(replace(settings, workers=1)) as judge:
            seen = [(await judge.execute(ExecuteJob(SIGHT, "python", b"1"))).stdout for _ in range(2)]
            await until(lambda: victims("program") - others)
            waited = victims("program") - others
            seen.append((await judge.execute(ExecuteJob(SIGHT, "python", b"1"))).stdout)
            assert not waited & family(os.getpid())
        assert str(os.sched_getaffinity(0)).encode() in seen[0]
        assert len(set(seen)) == 1

    asyncio.run(scenario())


def test_a_program_does_without_the_process_that_waited_for_it(settings: LocalSettings) -> None:
    """It may have been killed, or the program may need another."""

    async def scenario() -> None:
        others = family(os.getpid())
        async with started(replace(settings, workers=1)) as judge:
            for job in (doubling(tests=1), doubling(tests=1), doubling()):
                assert (await judge.judge(job)).verdict is Verdict.ACCEPTED
            await until(lambda: killed(victims("program") - others))
            assert (await judge.judge(doubling())).verdict is Verdict.ACCEPTED
            await until(lambda: victims("program") - others)
            for language, code in (("cpp", "int main(){}"), ("python", "pass")):
                assert (await judge.execute(ExecuteJob(code, language))).verdict is Verdict.ACCEPTED

    asyncio.run(scenario())


EARLY = f"""
import os
number = int(input())
print(number, sorted(os.listdir("/tmp")), flush=True)
if number == 0:
    os.write({wire.FAREWELL_FD}, bytes([7]) + bytes(7))
    for name in range(10**9):
        os.write(1, b"more")
        open(f"/tmp/{{name}}", "w").close()
"""


def test_who_says_that_he_has_ended_has(settings: LocalSettings) -> None:
    """A program that goes on is killed, has exited as it said, and leaves nothing of what it did since."""

    async def scenario() -> None:
        tests = tuple(StdioTest(b"%d\n" % number, b"%d []\n" % number) for number in range(4))
        job = JudgeJob(EARLY, "python", tests, stop_at_first_failure=False)
        async with started(replace(settings, workers=1)) as judge:
            assert judge.tier.endswith("-cgroup")
            for _ in range(3):
                first, *others = (await judge.judge(job)).tests
                assert (first.verdict, first.message) == (Verdict.RUNTIME_ERROR, "exit code 7")
                assert first.wall_seconds < job.limits.wall
                assert [test.verdict for test in others] == [Verdict.ACCEPTED] * 3

    asyncio.run(scenario())


def test_cpu_time_counts_once(settings: LocalSettings) -> None:
    """Whether a run has left files or not: what is told of it when it has said farewell is what it used by then."""
    burn = "import time\nwhile time.thread_time() < 0.3: pass\n"

    async def scenario() -> None:
        async with started(replace(settings, workers=1)) as judge:
            for code in (burn, burn + "open('/tmp/x', 'w').close()"):
                ended = await judge.execute(ExecuteJob(code, "python", limits=Limits(cpu_seconds=0.5, wall_seconds=5)))
                assert ended.verdict is Verdict.ACCEPTED
                assert 0.3 <= ended.cpu_seconds <= 0.5

    asyncio.run(scenario())


BLOCKING = f"""
import fcntl, os
number = input()
with __import__("contextlib").suppress(OSError):
    fcntl.fcntl({wire.FAREWELL_FD}, fcntl.F_SETFL, 0)
    os.write({wire.FAREWELL_FD}, bytes(4))
    fcntl.flock({wire.FAREWELL_FD}, fcntl.LOCK_EX)
os.listdir("/tmp")
print(number)
"""


def test_what_a_program_does_to_its_end_of_a_farewell_holds_up_nobody(settings: LocalSettings) -> None:
    """The init waits for none that does not come, and the next test finds another."""

    async def scenario() -> None:
        limits = Limits(cpu_seconds=1.0, wall_seconds=2.0)
        tests = tuple(StdioTest(b"%d\n" % number, b"%d\n" % number) for number in range(6))
        async with started(replace(settings, workers=1)) as judge, asyncio.timeout(30):
            for job in (JudgeJob(BLOCKING, "python", tests, limits=limits), doubling()):
                assert (await judge.judge(job)).verdict is Verdict.ACCEPTED

    asyncio.run(scenario())


HUNGRY = """
import os, resource, time
_, hard = resource.getrlimit(resource.RLIMIT_DATA)
resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
if child := os.fork():
    os.waitpid(child, 0)
    time.sleep(0.01)
    taken = bytearray(140 << 20)
    for place in range(0, len(taken), 4096): taken[place] = 1
"""


def test_a_farewell_that_is_not_believed_lifts_no_limit(settings: LocalSettings) -> None:
    """As that of a child that comes to the end of the program, while its parent goes on."""

    async def scenario() -> None:
        async with started(replace(settings, workers=1)) as judge:
            ended = await judge.execute(ExecuteJob(HUNGRY, "python", limits=Limits(memory_mb=100)))
            assert ended.verdict is Verdict.MEMORY_LIMIT_EXCEEDED

    asyncio.run(scenario())


def test_who_says_that_he_has_ended_hides_no_time(settings: LocalSettings) -> None:
    """What the program says it used is at least what the kernel saw, and at most the time that has passed."""
    burn = "import os, time\nwhile time.thread_time() < 0.1: pass\n"
    lie = "os.write({fd}, ({used} << 8).to_bytes(8, 'little'))"

    async def scenario() -> None:
        async with started(replace(settings, workers=1)) as judge:
            for used in (0, 50_000_000_000):
                code = burn + lie.format(fd=wire.FAREWELL_FD, used=used)
                ended = await judge.execute(ExecuteJob(code, "python"))
                assert ended.verdict is Verdict.ACCEPTED
                assert 0.09 < ended.cpu_seconds <= ended.wall_seconds

    asyncio.run(scenario())


def test_a_cancelled_call_ends_its_program(settings: LocalSettings) -> None:
    """When the call has returned, nothing of the program is left, and its slot is free."""

    async def scenario() -> None:
        others = family(os.getpid())
        async with started(settings) as judge:
            call = asyncio.create_task(
                judge.judge(doubling("while True: pass", tests=4, limits=Limits(cpu_seconds=60)))
            )
            await until(lambda: judge.health().facts["busy"] == "2")
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert judge.health().facts["busy"] == "0"
            assert len(family(os.getpid()) - others) <= AT_REST
            assert (await judge.judge(doubling())).verdict is Verdict.ACCEPTED

    asyncio.run(scenario())


def test_what_nobody_waits_for_is_not_compiled(settings: LocalSettings) -> None:
    """Nor does it keep its place in the line; and whoever still waits gets it."""

    async def scenario() -> None:
        async with started(replace(settings, workers=1)) as judge:
            salt = time.time_ns()
            programs = settings.cache_dir / "programs"
            before = set(programs.iterdir())
            jobs = [doubling(f"{DOUBLE_CPP} // {salt} {number}", 1, language="cpp") for number in range(3)]
            jobs.append(replace(jobs[2], tests=jobs[2].tests * 2))
            calls = [asyncio.create_task(judge.judge(job)) for job in jobs]
            await until(lambda: judge.health().facts["waiting"] == "2")
            for call in calls[:3]:
                call.cancel()
            await asyncio.gather(*calls[:3], return_exceptions=True)
            assert (await calls[3]).verdict is Verdict.ACCEPTED
            await judge.settled()
            assert (judge.health().facts["busy"], judge.health().facts["waiting"]) == ("0", "0")
            assert len(set(programs.iterdir()) - before) == 1

    asyncio.run(scenario())


def test_an_assertion_that_is_given_up_leaves_nothing(settings: LocalSettings) -> None:
    """Whenever that is: no task, and no descriptor."""

    async def scenario() -> None:
        async with started(settings) as judge:
            job = JudgeJob("def f(x): return x", "python", (AssertTest("import time\ntime.sleep(1)\nassert f(1)"),))
            tasks, descriptors = len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))
            for steps in range(40):
                call = asyncio.create_task(judge.judge(job))
                for _ in range(steps):
                    await asyncio.sleep(0)
                call.cancel()
                await asyncio.gather(call, return_exceptions=True)
            await judge.settled()
            assert len(asyncio.all_tasks()) == tasks
            assert len(os.listdir("/proc/self/fd")) == descriptors

    asyncio.run(scenario())


def test_one_of_two_equal_calls_may_be_cancelled(settings: LocalSettings) -> None:
    """The other still gets its result."""

    async def scenario() -> None:
        async with started(settings) as judge:
            job = doubling("import time\ntime.sleep(0.2)\n" + DOUBLE, tests=2)
            first, second = (asyncio.create_task(judge.judge(job)) for _ in range(2))
            await until(lambda: judge.health().facts["busy"] != "0")
            first.cancel()
            assert (await second).verdict is Verdict.ACCEPTED
            with pytest.raises(asyncio.CancelledError):
                await first

    asyncio.run(scenario())


def test_more_than_may_wait_are_refused(settings: LocalSettings) -> None:
    """At once, and with an error that says whose fault it is."""

    async def scenario() -> None:
        async with started(replace(settings, max_waiting=2)) as judge:
            calls = [judge.judge(doubling(f"{DOUBLE}  # {number}", tests=1)) for number in range(5)]
            results = await asyncio.gather(*calls, return_exceptions=True)
        refused = [result for result in results if isinstance(result, QueueFullError)]
        assert len(refused) == 3

    asyncio.run(scenario())


def test_after_the_end_nothing_is_left(settings: LocalSettings) -> None:
    """No process, no descriptor, no control group, no mount; and a closed judge says that it is closed."""

    async def scenario() -> None:
        before = traces()
        groups = control_groups()
        async with started(settings) as judge:
            hostile = "import os\nif os.fork() == 0:\n    os.setsid()\n    import time\n    time.sleep(1000)"
            await asyncio.gather(judge.judge(doubling(hostile)), judge.judge(doubling()))
            assert control_groups() != groups or judge.tier.endswith("watched")
        assert traces() == before
        assert control_groups() == groups
        assert not judge.health().ready
        with pytest.raises(SandboxUnavailableError):
            await judge.judge(doubling())

    asyncio.run(scenario())


def traces() -> tuple[int, set[int], str]:
    """Descriptors, processes and mounts."""
    return len(os.listdir("/proc/self/fd")), family(os.getpid()), Path("/proc/self/mounts").read_text()


def control_groups() -> set[str]:
    """The groups that this process has made."""
    mine = f"reward-sandbox-{os.getpid()}-"
    return {str(path) for path in Path("/sys/fs/cgroup").glob(f"**/{mine}*") if path.is_dir()}


def test_a_slot_has_one_share_of_the_processor(settings: LocalSettings) -> None:
    """However many processes a program has: each slot is one group to the scheduler, as every process beside it is."""

    async def scenario() -> None:
        before = scheduled_groups()
        async with started(settings) as judge:
            groups = settings.workers if judge.tier.endswith("-cgroup") else 0
            assert len(scheduled_groups() - before) == groups
        assert scheduled_groups() == before

    asyncio.run(scenario())


def scheduled_groups() -> set[str]:
    """The groups of this process that have processes in them, and a weight."""
    weighed = {path for path in control_groups() for name in ("cpu.shares", "cpu.weight") if Path(path, name).exists()}
    return {path for path in weighed if Path(path, "cgroup.procs").read_text()}


SHARED = """
import mmap
shared = mmap.mmap(-1, 1 << 30)
for place in range(0, len(shared), 4096):
    shared[place] = 1
"""


def test_a_program_that_dies_for_its_memory_takes_nobody_along(
    settings: LocalSettings, caplog: pytest.LogCaptureFixture
) -> None:
    """Shared memory is given back at the very end of a death, and until then there is none for anybody in the slot."""
    limits = Limits(memory_mb=64)

    async def scenario() -> None:
        async with started(settings) as judge:
            jobs = [
                JudgeJob(f"{SHARED}# {number}", "python", (StdioTest(b"", b""),), limits=limits) for number in range(80)
            ]
            results = await asyncio.gather(*map(judge.judge, jobs))
        assert {result.verdict for result in results} == {Verdict.MEMORY_LIMIT_EXCEEDED}
        assert "slot died" not in caplog.text

    asyncio.run(scenario())


def test_no_program_leaves_word_in_a_device(settings: LocalSettings) -> None:
    """Devices are files of the host's, whose times all would see; and they work."""
    code = """
import os
for name in os.listdir("/dev"):
    if name in ("null", "zero", "full", "random", "urandom"):
        try:
            os.utime(f"/dev/{name}")
        except OSError as error:
            print(error.errno)
print(open("/dev/null", "w").write("x"), open("/dev/zero", "rb").read(1), len(open("/dev/urandom", "rb").read(1)))
"""

    async def scenario() -> None:
        async with started(settings) as judge:
            seen = await judge.execute(ExecuteJob(code, "python"))
        assert seen.stdout == f"{errno.EROFS}\n".encode() * 5 + b"1 b'\\x00' 1\n"

    asyncio.run(scenario())


def test_a_host_on_whose_devices_nothing_is_executed_is_fit(cache_dir: Path) -> None:
    """Many mount /dev so; what is denied there cannot be allowed in a jail."""
    denying = 'mount -o remount,bind,noexec,nosuid /dev && exec "$0" -m sandbox check --cache-dir "$1"'
    command = ["unshare", "--mount", "sh", "-c", denying, sys.executable, str(cache_dir)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_grows_with_the_number_of_submissions(settings: LocalSettings) -> None:
    """Descriptors, processes and mounts after many submissions, hostile ones among them, are those after a few."""
    daemon = "import os\nif os.fork() == 0:\n    os.setsid()\n    import time\n    time.sleep(1000)"

    async def scenario() -> None:
        others = family(os.getpid())
        async with started(settings) as judge:

            async def some(count: int) -> int:
                jobs = [doubling(f"{daemon if n % 10 == 0 else DOUBLE}  # {count} {n}", tests=1) for n in range(count)]
                await asyncio.gather(*map(judge.judge, jobs))
                await judge.settled()
                assert len(family(os.getpid()) - others) <= AT_REST
                return len(os.listdir("/proc/self/fd"))

            assert await some(10) == await some(100)

    asyncio.run(scenario())


def test_a_server_that_is_killed_takes_everything_along(cache_dir: Path) -> None:
    """`kill -9` of the server, in the middle of a program that would run on."""
    script = f"""
import asyncio
from pathlib import Path
from sandbox.local import LocalJudge, LocalSettings
from sandbox.models import ExecuteJob, Limits

async def main():
    judge = LocalJudge(LocalSettings(cache_dir=Path({str(cache_dir)!r}), workers=1))
    await judge.start()
    job = ExecuteJob("while True: pass", "python", limits=Limits(cpu_seconds=600))
    running = asyncio.create_task(judge.execute(job))
    while judge.health().facts["busy"] != "1":
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    print("running", flush=True)
    await running

asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "running\n"
        below = family(server.pid)
        assert below
        server.kill()
        server.wait()

        async def gone() -> None:
            await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below))

        asyncio.run(gone())


def test_no_file_of_the_host_is_there_at_all(settings: LocalSettings) -> None:
    """In a root directory of its own a program does not even learn what exists."""
    names = ("/etc/passwd", "/etc/shadow", "/home", "/var", "/run", "/srv", "/sys", "/boot", "/jail", "/bin/sh")

    async def scenario() -> None:
        async with started(settings) as judge:
            code = f"import os\nprint([name for name in {names} if os.path.exists(name)])"
            assert (await judge.execute(ExecuteJob(code, "python"))).stdout == b"[]\n"

    asyncio.run(scenario())


def test_where_nothing_isolates_nothing_is_judged(settings: LocalSettings, tmp_path: Path) -> None:
    """A bubblewrap that does not work is an outage with a reason, never a weaker sandbox."""
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho no permission to make namespaces >&2\nexit 1\n")
    broken.chmod(0o755)

    async def scenario() -> None:
        judge = LocalJudge(replace(settings, bubblewrap=str(broken), isolation=Isolation("bubblewrap")))
        with pytest.raises(SandboxUnavailableError, match="no permission to make namespaces"):
            await judge.start()
        assert not judge.health().ready
        with pytest.raises(SandboxUnavailableError):
            await judge.execute(ExecuteJob("print(1)", "python"))

    asyncio.run(scenario())


def test_what_waits_holds_nothing_open(settings: LocalSettings) -> None:
    """However many compiled programs wait for their turn, descriptors do not run out."""

    async def scenario() -> None:
        async with started(settings) as judge:
            cpp = '#include <cstdio>\nint main() { int n; scanf("%d", &n); printf("%d\\n", 2 * n); }'
            await judge.judge(doubling(cpp, language="cpp", tests=1))
            before = len(os.listdir("/proc/self/fd"))
            slow = [doubling(f"import time\ntime.sleep(0.5)\n{DOUBLE} # {n}", tests=1) for n in range(2)]
            busy = [asyncio.create_task(judge.judge(job)) for job in slow]
            await until(lambda: judge.health().facts["busy"] == "2")
            cases = [(StdioTest(b"%d\n" % n, b"%d\n" % (2 * n)),) for n in range(300)]
            waiting = [asyncio.create_task(judge.judge(JudgeJob(cpp, "cpp", tests))) for tests in cases]
            await until(lambda: int(judge.health().facts["waiting"]) > 200)
            assert len(os.listdir("/proc/self/fd")) < before + 40
            results = await asyncio.gather(*busy, *waiting)
        assert {result.verdict for result in results} == {Verdict.ACCEPTED}

    asyncio.run(scenario())


DOUBLE_CPP = "#include <iostream>\nint main() { long n; std::cin >> n; std::cout << 2 * n; }"


def test_what_is_compiled_is_tested_before_the_next_is_compiled(settings: LocalSettings) -> None:
    """Of a batch that takes longer than its deadline most is judged, and what is compiled does not fill the memory."""

    async def scenario() -> None:
        async with started(replace(settings, workers=1)) as judge:
            salt = time.time_ns()
            jobs = [doubling(f"{DOUBLE_CPP} // {salt} {number}", 2, language="cpp") for number in range(4)]
            programs = settings.cache_dir / "programs"
            before = set(programs.iterdir())
            running = {asyncio.create_task(judge.judge(job)) for job in jobs}
            while running:
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                assert all(task.result().verdict is Verdict.ACCEPTED for task in done)
                assert len(set(programs.iterdir()) - before) <= len(jobs) - len(running) + 1

    asyncio.run(scenario())


def test_a_program_that_leaves_the_cache_while_it_waits_is_compiled_again(settings: LocalSettings) -> None:
    """Whoever waits for a slot has nothing of its program in memory."""

    async def scenario() -> None:
        async with started(replace(settings, workers=1)) as judge:
            job = doubling(f"{DOUBLE_CPP} // {time.time_ns()}", 2, language="cpp")
            programs = settings.cache_dir / "programs"
            before = set(programs.iterdir())
            assert (await judge.judge(job)).verdict is Verdict.ACCEPTED
            (kept,) = set(programs.iterdir()) - before
            slow = asyncio.create_task(judge.judge(doubling("import time\ntime.sleep(60)\n" + DOUBLE, 1)))
            await until(lambda: judge.health().facts["busy"] == "1")
            waiting = asyncio.create_task(judge.judge(job))
            await until(lambda: judge.health().facts["waiting"] == "1")
            kept.unlink()
            slow.cancel()
            assert (await waiting).verdict is Verdict.ACCEPTED
            await asyncio.gather(slow, return_exceptions=True)
            assert kept.exists()

    asyncio.run(scenario())


def test_the_loop_is_never_blocked(settings: LocalSettings) -> None:
    """While programs run, read and write much, the event loop goes on turning."""

    async def scenario() -> int:
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        async with started(settings) as judge:
            turning = asyncio.create_task(turn())
            code = "import sys\nsys.stdout.write(sys.stdin.read())"
            text = b"1 2 3 4\n" * 100_000
            result = await judge.judge(JudgeJob(code, "python", (StdioTest(text, text + b"\n"),) * 4))
            turning.cancel()
        assert result.verdict is Verdict.ACCEPTED
        return turns

    assert asyncio.run(scenario()) > 100


def test_lone_surrogates_and_nul_bytes_in_a_program_are_its_own_fault(settings: LocalSettings) -> None:
    """Text that no compiler takes is a compile error."""

    async def scenario() -> None:
        async with started(settings) as judge:
            for code in ("print('\ud800')", "print(1)\0"):
                for language in ("python", "cpp"):
                    result = await judge.judge(JudgeJob(code, language, (StdioTest(b"", b"x"),)))
                    assert result.verdict is Verdict.COMPILE_ERROR

    asyncio.run(scenario())


def test_a_program_may_be_longer_than_what_it_may_write(settings: LocalSettings) -> None:
    """What is compiled once for all tests is not the program's output."""

    async def scenario() -> None:
        async with started(settings) as judge:
            result = await judge.judge(doubling(tests=6, limits=Limits(output_bytes=10)))
            assert (result.verdict, result.passed) == (Verdict.ACCEPTED, 6)

    asyncio.run(scenario())


FILLS_EVERYTHING = r"""
#include <bits/stdc++.h>
int main() {
    static char block[900000];
    for (int number = 0;; number++) {
        FILE *file = fopen(("/tmp/" + std::to_string(number)).c_str(), "w");
        if (!file) break;
        size_t written = fwrite(block, 1, sizeof block, file);
        if (fclose(file) != 0 || written != sizeof block) break;
    }
    for (;;) if (char *page = (char *)malloc(4096)) *page = 1;
}
"""


@pytest.mark.parametrize("memory_mb", [16, 32, 64])
def test_who_leaves_no_page_to_anybody_is_over_his_memory(settings: LocalSettings, memory_mb: int) -> None:
    """What comes after a program that has filled its slot with files needs memory, too, and is not killed for it."""

    async def scenario() -> None:
        async with started(settings) as judge:
            job = JudgeJob(FILLS_EVERYTHING, "cpp", (StdioTest(b"", b""),) * 2, limits=Limits(memory_mb=memory_mb))
            assert (await judge.judge(job)).verdict is Verdict.MEMORY_LIMIT_EXCEEDED

    asyncio.run(scenario())


def test_what_one_test_printed_is_no_memory_of_the_next(settings: LocalSettings) -> None:
    """A quick test is sent before the last is compared; its limit is the same as if it were not."""
    code = """
import mmap, os
number = int(input())
if number == 8:
    os.write(2, bytes(15 << 20))
    os.write(100, bytes(15 << 20))
if number == 9:
    pages = mmap.mmap(-1, 304 << 20)
    for place in range(0, 304 << 20, 4096):
        pages[place] = 1
print(number * 2)
"""

    async def scenario() -> None:
        async with started(settings) as judge:
            for attempt in range(4):
                result = await judge.judge(doubling(f"{code}# {attempt}", tests=12))
                assert result.verdict is Verdict.MEMORY_LIMIT_EXCEEDED
                assert result.first_failure is not None
                assert result.first_failure.index == 9

    asyncio.run(scenario())


def test_no_test_is_charged_for_compiling_a_long_program(settings: LocalSettings) -> None:
    """Which tests come first in their slot depends on the load, and verdicts do not."""
    table = ",".join(f"({number}, {number + 1}, '{number}')" for number in range(12_000))
    code = f"table = [{table}]\nprint(int(input()) * 2)"
    begun = time.process_time()
    compile(code, "main.py", "exec")
    compiling = time.process_time() - begun

    async def scenario() -> None:
        async with started(settings) as judge:
            result = await judge.judge(doubling(code))
            assert result.verdict is Verdict.ACCEPTED
            assert max(test.cpu_seconds for test in result.tests) < compiling / 2

    asyncio.run(scenario())


def test_letting_go_of_a_submission_leaves_nothing_behind(settings: LocalSettings) -> None:
    """A failing test ends its submission while the next one is on its way; the slot has nothing to say about that."""

    async def scenario() -> None:
        async with started(settings) as judge:
            for number in range(10):
                wrong = f"number = int(input())\nprint(number * 2 if number != 5 else 0)  # {number}"
                assert (await judge.judge(doubling(wrong))).verdict is Verdict.WRONG_ANSWER
            assert {os.fstat(fd).st_size for fd in said_by_slots()} == {0}

    asyncio.run(scenario())


def said_by_slots() -> list[int]:
    """The descriptors of this process that slots write their complaints to."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # what listed them
            if os.readlink(f"/proc/self/fd/{fd}").startswith("/memfd:said"):
                found.append(int(fd))
    assert found
    return found


def test_a_program_that_does_not_fit_into_its_disk_is_its_own_fault(settings: LocalSettings) -> None:
    """Run from a file, it has to be there."""

    async def scenario() -> None:
        async with started(settings) as judge:
            code = f"// {'x' * 3_000_000}\nconsole.log(1)"
            ended = await judge.execute(ExecuteJob(code, "javascript", b"", Limits(disk_mb=1)))
            assert (ended.verdict, ended.message) == (
                Verdict.RUNTIME_ERROR,
                "wrote more than 1 MiB of files, or too many of them",
            )

    asyncio.run(scenario())


def test_a_newcomer_passes_slow_tests_and_costs_them_nothing(settings: LocalSettings) -> None:
    """Whoever is paused for it is not charged: neither CPU time nor wall time."""
    spin = "import time\nwhile time.process_time() < 0.5: pass\n" + DOUBLE
    settings = replace(settings, workers=1, express_seconds=0.05)

    async def scenario() -> None:
        async with started(settings) as judge:
            request_key.set("slow")
            limits = Limits(cpu_seconds=0.7, wall_seconds=0.8)
            slow = asyncio.create_task(judge.judge(doubling(spin, tests=4, limits=limits)))
            await asyncio.sleep(0)
            passed = 0
            while not slow.done():
                request_key.set(f"small {passed}")
                small = await judge.judge(doubling(f"{DOUBLE}  # {passed}", tests=1))
                assert small.verdict is Verdict.ACCEPTED
                passed += 1
            result = await slow
            assert (result.verdict, result.passed) == (Verdict.ACCEPTED, 4)
            assert passed > 4  # more than there were ends of slow tests to wait for

    asyncio.run(scenario())


@pytest.mark.parametrize("language", ["python", "c", "javascript"])
def test_when_memory_runs_out_programs_go_first(settings: LocalSettings, language: str) -> None:
    """From their first instruction: else one that has filled it could have its init ended, and go unscored."""
    code = {
        "python": "print(open('/proc/self/oom_score_adj').read())",
        "c": '#include <stdio.h>\nint main() { char text[16]; FILE *file = fopen("/proc/self/oom_score_adj", "r");'
        " if (fgets(text, sizeof text, file)) puts(text); return 0; }",
        "javascript": "console.log(require('fs').readFileSync('/proc/self/oom_score_adj', 'utf8'))",
    }[language]

    async def scenario() -> None:
        async with started(settings) as judge:
            result = await judge.judge(JudgeJob(code, language, (StdioTest(b"", b"1000"),) * 12))
        assert (result.verdict, result.passed) == (Verdict.ACCEPTED, 12)

    asyncio.run(scenario())


def test_the_memory_shown_is_that_of_the_test(settings: LocalSettings) -> None:
    """Not of one before it in the same slot, which may have needed more."""

    async def scenario() -> None:
        async with started(replace(settings, workers=1)) as judge:
            needed = [(await judge.execute(ExecuteJob(f"x = b'x' * ({mib} << 20)", "python"))) for mib in (150, 1)]
        large, small = (execution.memory_mb for execution in needed)
        assert 150 <= large < 300
        assert 1 <= small < 75

    asyncio.run(scenario())


def test_memory_that_is_not_there_is_no_fault_of_the_program(settings: LocalSettings) -> None:
    """A program within its limit, in a service whose group has less: no verdict, and the next program has its own."""
    above = cgroup.create()
    if above is None:
        pytest.skip("no control group to divide")
    script = f"""
import asyncio
from pathlib import Path
from sandbox.local import LocalJudge, LocalSettings
from sandbox.models import ExecuteJob, Limits, SandboxUnavailableError

async def main():
    judge = LocalJudge(LocalSettings(cache_dir=Path({str(settings.cache_dir)!r}), workers=1))
    await judge.start()
    print(judge.tier)
    for mib in (20, 390, 20, 500):
        job = ExecuteJob(f"x = b'x' * ({{mib}} << 20)", "python", limits=Limits(memory_mb=400))
        try:
            print((await judge.execute(job)).verdict)
        except SandboxUnavailableError:
            print("unavailable")
    await judge.close()

for procs in {[str(path) for path in above.procs_paths]!r}:
    Path(procs).write_text("0")
asyncio.run(main())
"""
    try:
        os.pwrite(above.open()["limit"], b"%d" % (300 << 20), 0)
        with contextlib.suppress(OSError):  # version 2: made over to the server, as systemd would
            os.setxattr(above.path, "user.delegate", b"1")
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        tier, *endings = done.stdout.split()
        assert tier.endswith("-cgroup")
        assert endings == ["accepted", "unavailable", "accepted", "memory_limit_exceeded"]
    finally:
        for path in above.procs_paths:
            with contextlib.suppress(OSError):
                (path.parent / "reward-server").rmdir()
        assert above.remove()


def test_what_an_assertion_computes_is_no_time_of_the_program(settings: LocalSettings) -> None:
    """Each has the limit for itself: together they pass it, and the group of their slot counts both."""
    spend = "import time\ndef spend(seconds):\n    while time.thread_time() < seconds: pass\n"
    program = spend + "def f(x):\n    spend(1.4)\n    return x\n"
    test = AssertTest(spend + "spend(1.4)\nassert f(1) == 1")

    async def scenario() -> None:
        async with started(settings) as judge:
            limits = Limits(cpu_seconds=2.0, wall_seconds=60.0)
            judged = await judge.judge(JudgeJob(program, "python", (test,), limits=limits))
        assert judged.verdict is Verdict.ACCEPTED
        assert 1.4 <= judged.tests[0].cpu_seconds < 2.0

    asyncio.run(scenario())
