"""Hosts without namespaces: the judge and its programs are one user's, and the programs still get nothing.

What every backend must do is in the conformance suite, which runs here too; this is what concerns these hosts alone.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import bare
from sandbox.inside import family
from sandbox.inside.scratch import Allowance, Scratch
from sandbox.models import (
    AssertTest,
    ExecuteJob,
    Execution,
    JudgeJob,
    Limits,
    SandboxUnavailableError,
    StdioTest,
    Verdict,
)
from sandbox.runner import Outcome
from tests.sandbox.conftest import Bench, samples
from tests.sandbox.plain_user import PlainUserJudge, command


def started(judge: PlainUserJudge) -> Iterator[Bench]:
    with asyncio.Runner() as runner:
        runner.run(judge.start())
        try:
            yield Bench(judge, runner)
        finally:
            runner.run(judge.close())


@pytest.fixture(scope="module")
def pair(cache_dir: Path) -> Iterator[Bench]:
    """Two slots of one user."""
    yield from started(PlainUserJudge(cache_dir))


def traces(bench: Bench) -> dict[str, Any]:
    assert isinstance(bench.judge, PlainUserJudge)
    found: dict[str, Any] = bench.run(bench.judge.traces())
    return found


def together(bench: Bench, *jobs: ExecuteJob) -> list[Execution]:
    async def run() -> list[Execution]:
        return await asyncio.gather(*map(bench.judge.execute, jobs))

    found: list[Execution] = bench.run(run())
    return found


PARTICULAR = [
    sample
    for sample in samples("hostile")
    if sample.name.startswith(
        ("signals_", "kills_", "stops_", "outlives_", "writes_to_", "reads_who", "takes_", "links_")
    )
]


def test_the_judge_and_its_slots_outlive_every_attack(pair: Bench) -> None:
    """Two at a time, side by side with an innocent one: the very same processes are there afterwards, and no others."""
    together(pair, *(ExecuteJob("print(1)", "python") for _ in range(4)))
    before = traces(pair)
    for sample in PARTICULAR:
        attack = ExecuteJob(sample.code, sample.language, limits=Limits(**sample.limits))
        innocent = ExecuteJob("import time\ntime.sleep(0.1)\nprint(input())", "python", stdin=b"7\n")
        results = together(pair, attack, innocent, attack, innocent)
        assert {(one.verdict, one.stdout) for one in results[1::2]} == {(Verdict.ACCEPTED, b"7\n")}, sample.name
        assert not any(b"ESCAPED" in one.stdout for one in results), (sample.name, results)
    assert traces(pair) == before


def test_nobody_reads_the_files_of_another_slot(pair: Bench) -> None:
    """Nor lists them, nor writes among them, though all belong to one user."""
    keeps = "import time\nopen('secret', 'w').write('x')\ntime.sleep(0.5)\nprint(open('secret').read())"
    looks = """
import glob, os, re
own = os.getcwd()
for slot in range(2):
    for start in range(1, 4):
        for session in range(1, 60):
            place = re.sub(r"-\\d+\\.\\d+/\\d+$", f"-{slot}.{start}/{session}", own)
            if place == own:
                continue
            for action in (
                lambda: os.listdir(place),
                lambda: open(place + "/secret"),
                lambda: open(place + "/mine", "w"),
                lambda: os.unlink(place + "/secret"),
                lambda: os.rename(place + "/secret", "mine"),
                lambda: os.symlink("/", place + "/link"),
            ):
                try:
                    action()
                    print("ESCAPED", place)
                except OSError:
                    pass
"""
    kept, looked = together(pair, ExecuteJob(keeps, "python"), ExecuteJob(looks, "python"))
    assert kept.stdout == b"x\n"
    assert looked.stdout == b"", looked


def test_nothing_is_left_from_test_to_test(pair: Bench) -> None:
    """Files closed to everybody and nests of directories included."""
    code = """
import os
print(os.listdir())
os.umask(0)
for number in range(20):
    os.mkdir(f"d{number}", 0o700)
    os.mkdir(f"d{number}/inner", 0)
    os.close(os.open(f"f{number}", os.O_CREAT | os.O_WRONLY, 0))
for _ in range(90):
    os.mkdir("n" * 250)
    os.chdir("n" * 250)
"""
    job = JudgeJob(code, "python", tuple(StdioTest(b"", b"[]") for _ in range(5)))
    assert pair.decide(job).verdict is Verdict.ACCEPTED
    assert traces(pair)["in scratch"] == []


def test_a_refused_process_is_explained(pair: Bench) -> None:
    """Whoever reads the verdict learns that the host is why."""
    for code in ("import os\nos.fork()", "import subprocess\nsubprocess.run(['true'])"):
        execution = pair.execute(code)
        assert execution.verdict is Verdict.RUNTIME_ERROR
        assert "one process" in (execution.message or "")


def test_a_verdict_does_not_depend_on_the_threads_of_a_neighbour(pair: Bench) -> None:
    """They are the same user's, and would be counted together by the kernel."""
    code = """
import threading, time
threads = [threading.Thread(target=time.sleep, args=(0.3,)) for _ in range(50)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print("done")
"""
    results = together(pair, *(ExecuteJob(f"{code}# {number}", "python") for number in range(4)))
    assert {result.stdout for result in results} == {b"done\n"}


@pytest.mark.parametrize("victim", ["program", "init", "zygote"])
def test_a_killed_process_of_ours_costs_nobody_a_verdict(cache_dir: Path, victim: str) -> None:
    """Whatever dies by `kill -9` from outside is started again, and takes along what was below it."""

    async def scenario() -> None:
        judge = PlainUserJudge(cache_dir)
        await judge.start()
        job = JudgeJob("import time\ntime.sleep(0.3)\nprint(1)", "python", (StdioTest(b"", b"1"),) * 3)
        judging = asyncio.create_task(judge.judge(job))
        async with asyncio.timeout(20):
            while not (found := at_work().get(victim)):  # noqa: ASYNC110 - other processes have no events
                await asyncio.sleep(0.01)
        os.kill(found, signal.SIGKILL)
        assert (await judging).verdict is Verdict.ACCEPTED
        assert (await judge.traces())["processes"] == 2 + 2 * 2  # a shell, the judge, zygotes with an init each
        await judge.close()

    asyncio.run(scenario())


def at_work() -> dict[str, int]:
    """A program that runs, and who is above it."""
    for zygote in family.descendants(os.getpid()):
        if b"import zygote" in read(f"/proc/{zygote}/cmdline") and b"import zygote" not in read(
            f"/proc/{family.parent(zygote)}/cmdline"
        ):
            for init in family.children(zygote):
                for program in family.children(init):
                    return {"zygote": zygote, "init": init, "program": program}
    return {}


def read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("version", [1, 3, 5])
def test_an_older_kernel_is_held_by_the_filter_instead(cache_dir: Path, version: int) -> None:
    """Signals before version 6, truncation before 3."""
    for bench in started(PlainUserJudge(cache_dir, landlock=version)):
        before = traces(bench)
        for sample in PARTICULAR:
            execution = bench.execute(sample.code, sample.language, **sample.limits)
            assert b"ESCAPED" not in execution.stdout, (sample.name, execution)
        cpp = '#include <cstdio>\nint main() { puts("1"); }  // ' + str(version)
        assert bench.execute(cpp, "cpp").stdout == b"1\n"
        assert traces(bench) == before


def test_without_landlock_nothing_is_judged_until_the_loss_is_named(cache_dir: Path) -> None:
    """And what is not lost holds."""
    with pytest.raises(SandboxUnavailableError, match="SANDBOX_ACCEPT_LOST=files"):
        for _ in started(PlainUserJudge(cache_dir, landlock=0)):
            pass
    with pytest.raises(SandboxUnavailableError, match="SANDBOX_WORKERS=1"):
        for _ in started(PlainUserJudge(cache_dir, landlock=0, accept_lost=["files"])):
            pass
    for bench in started(without_landlock(cache_dir)):
        assert bench.judge.health().detail == "seccomp-watched-without-files"
        before = traces(bench)
        for sample in PARTICULAR:
            if sample.name.startswith(("signals_", "kills_", "outlives_", "writes_to_")):
                execution = bench.execute(sample.code, sample.language, **sample.limits)
                assert b"ESCAPED" not in execution.stdout, (sample.name, execution)
        assert traces(bench) == before


def without_landlock(cache_dir: Path) -> PlainUserJudge:
    return PlainUserJudge(cache_dir, workers=1, landlock=0, accept_lost=["files"])


CHANGES = """
import os
done = []
for name, change in {
    "open": lambda: open("made", "w"),
    "append": lambda: open("/dev/shm/made", "a"),
    "create to read": lambda: os.open("/tmp/made", os.O_RDONLY | os.O_CREAT),
    "truncate by opening": lambda: os.open(__file__, os.O_RDONLY | os.O_TRUNC),
    "truncate": lambda: os.truncate("/dev/null", 0),
    "without a name": lambda: os.open(".", os.O_TMPFILE | os.O_RDWR),
    "mkdir": lambda: os.mkdir("made"),
    "mkfifo": lambda: os.mkfifo("made"),
    "symlink": lambda: os.symlink("/", "made"),
    "link": lambda: os.link("/dev/null", "made"),
    "rename": lambda: os.rename(os.getcwd(), os.getcwd() + "-moved"),
    "rmdir": lambda: os.rmdir(os.getcwd()),
    "unlink": lambda: os.unlink("/dev/shm/made"),
}.items():
    try:
        change()
    except PermissionError:
        continue
    except OSError as error:
        name += f" ({error.strerror})"
    done.append(name)
print(done)
"""

NATIVE_CHANGES = r"""
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
int main(void) {
    int made = 0;
    made += open("made", O_WRONLY | O_CREAT, 0600) >= 0 || errno != EACCES;
    made += creat("/dev/shm/made", 0600) >= 0 || errno != EACCES;
    made += mkdir("made", 0700) == 0 || errno != EACCES;
    made += renameat(AT_FDCWD, ".", AT_FDCWD, "made") == 0 || errno != EACCES;
    printf("%d\n", made);
}
"""

# Looks for a word of the test in whatever shows other processes.
LOOK = """
import os
def look(word):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if int(pid) == os.getpid():
            continue
        try:
            for line in open(f"/proc/{pid}/maps"):
                start, end = (int(one, 16) for one in line.split()[0].split("-"))
                with open(f"/proc/{pid}/mem", "rb", 0) as memory:
                    if line.split()[1].startswith("rw") and end - start < 1 << 26:
                        memory.seek(start)
                        found += [pid] * (word in memory.read(end - start))
        except (OSError, ValueError, OverflowError):
            pass
        try:
            for fd in os.listdir(f"/proc/{pid}/fd"):
                with open(f"/proc/{pid}/fd/{fd}", "rb", 0) as file:
                    found += [fd] * (word in os.pread(file.fileno(), 1 << 20, 0))
        except OSError:
            pass
    return found
"""


def test_without_landlock_a_program_changes_no_file(cache_dir: Path) -> None:
    """A filter cannot tell its files from others', and what it left somewhere could be an answer for the next."""
    for bench in started(without_landlock(cache_dir)):
        assert bench.execute(CHANGES).stdout == b"[]\n"
        assert bench.execute(NATIVE_CHANGES, "c").stdout == b"0\n"
        assert bench.execute("print(open('/dev/zero', 'rb').read(1))").stdout == b"b'\\x00'\n"


def test_without_landlock_a_program_does_not_see_the_test(cache_dir: Path) -> None:
    """Who judges has the same user, and nothing else between them but that neither is dumpable."""
    test = AssertTest("assert look(b'WORD-' + b'OF-THE-TEST') == []  # WORD-OF-THE-TEST")
    for bench in started(without_landlock(cache_dir)):
        assert bench.decide(JudgeJob(LOOK, "python", (test,))).verdict is Verdict.ACCEPTED


def test_without_landlock_no_program_is_kept_compiled(cache_dir: Path) -> None:
    """Others could read what it was compiled to, and start it."""
    for bench in started(without_landlock(cache_dir)):
        assert bench.execute('#include <cstdio>\nint main() { puts("1"); }', "cpp").stdout == b"1\n"
        listing = "import os\nprint(os.listdir('/mnt/own/programs'))"
        assert bench.execute(listing).stdout == b"[]\n"


def test_a_kernel_that_lacks_what_we_watch_processes_with_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """As gVisor did for long."""
    assert bare.lacking() == []

    def unknown(pid: int) -> int:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", unknown)
    (sentence,) = bare.lacking()
    assert "pidfd_open" in sentence


def test_root_of_a_container_gives_programs_users_of_their_own(cache_dir: Path) -> None:
    """With the capabilities that a container has by default, and no namespaces."""
    for bench in started(PlainUserJudge(cache_dir, user=0)):
        assert bench.execute("import os\nprint(os.getuid() >= 61000, os.getgroups())").stdout == b"True []\n"
        assert bench.execute('#include <cstdio>\nint main() { puts("1"); }', "cpp").stdout == b"1\n"
        for sample in PARTICULAR:
            execution = bench.execute(sample.code, sample.language, **sample.limits)
            assert b"ESCAPED" not in execution.stdout, (sample.name, execution)


def test_check_names_the_tier_and_why_it_is_not_a_better_one(cache_dir: Path) -> None:
    """As a plain user to whom namespaces are forbidden."""
    done = subprocess.run(command("check", cache_dir=cache_dir), capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done
    assert "(tier: landlock-watched)" in done.stdout
    assert "no namespaces:" in done.stdout


def test_an_unknown_loss_is_not_accepted() -> None:
    """Nor is one that the operator has not named."""
    assert bare.unaccepted(["everything"])
    assert bare.unaccepted(["files"]) == []


INTACT = (
    '{"capabilities": 0, "filtered": 2, "no_new_privileges": 1, "user": 1000, "environment": 0, "wrote": [], '
    '"read": [], "listed": [], "looked_into": [], "signalled": [], "forked": false, "socket": false, "shared": [], '
    '"executed": false}'
)


@pytest.mark.parametrize(
    ("seen", "instead"),
    [
        ('"capabilities": 0', '"capabilities": 1'),
        ('"filtered": 2', '"filtered": 0'),
        ('"no_new_privileges": 1', '"no_new_privileges": 0'),
        ('"user": 1000', '"user": 0'),
        ('"environment": 0', '"environment": 3'),
        ('"wrote": []', '"wrote": ["/usr"]'),
        ('"read": []', '"read": ["/etc/passwd"]'),
        ('"listed": []', '"listed": ["/proc"]'),
        ('"looked_into": []', '"looked_into": ["/proc/1/environ"]'),
        ('"signalled": []', '"signalled": [1]'),
        ('"forked": false', '"forked": true'),
        ('"socket": false', '"socket": true'),
        ('"shared": []', '"shared": ["shmget"]'),
        ('"executed": false', '"executed": true'),
        (INTACT, "no report at all"),
    ],
)
def test_one_broken_promise_is_enough(seen: str, instead: str) -> None:
    """The self-check at start refuses walls that hold in all points but one."""
    assert bare.broken_promises(_reported(INTACT)) == []
    assert bare.broken_promises(_reported(INTACT.replace(seen, instead)))


def _reported(stdout: str) -> Outcome:
    return Outcome(Verdict.ACCEPTED, None, stdout.encode(), b"", 0, None, 0.0, 0.0, 0.0, {})


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    """An empty, marked one."""
    (tmp_path / "scratch").mkdir()
    made = Scratch(str(tmp_path / "scratch"))
    made.mark()
    return made


def test_scratch_is_emptied_of_hundreds_of_nested_directories(scratch: Scratch) -> None:
    """Deeper than a path can name and than there are descriptors."""
    top = os.open(scratch.path, os.O_RDONLY)
    at = os.dup(top)
    for _ in range(600):
        os.mkdir("n" * 100, dir_fd=at)
        below = os.open("n" * 100, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    os.close(top)
    assert scratch.exceeds(Allowance(1 << 30, 100_000), os.getpid())
    scratch.empty()
    assert os.listdir(scratch.path) == []


def test_scratch_is_measured_without_following_links(scratch: Scratch, tmp_path: Path) -> None:
    """Size and number of what is in it, at the limit and above; what a link leads to stays."""
    (tmp_path / "outside").write_bytes(b"x" * 100_000)
    Path(scratch.path, "link").symlink_to("..")
    Path(scratch.path, "file").write_bytes(b"x" * 8192)
    assert not scratch.is_untouched()
    assert not scratch.exceeds(Allowance(8192, 2), os.getpid())
    assert scratch.exceeds(Allowance(8191, 2), os.getpid())
    assert scratch.exceeds(Allowance(8192, 1), os.getpid())
    scratch.empty()
    scratch.mark()
    assert scratch.is_untouched()
    assert (tmp_path / "outside").exists()


def test_scratch_counts_files_that_have_no_name_any_more(scratch: Scratch) -> None:
    """As long as the program holds them open."""
    with open(Path(scratch.path, "file"), "wb") as file:
        file.write(b"x" * 100_000)
        file.flush()
        os.unlink(file.name)
        assert scratch.exceeds(Allowance(50_000, 10), os.getpid())
    assert not scratch.exceeds(Allowance(50_000, 10), os.getpid())
