"""Tests that are told to a jail together end as they would one by one."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.local import LocalJudge, LocalSettings
from sandbox.models import CallTest, JudgeJob, Limits, StdioTest, TestResult, Verdict

LIMITS = Limits(cpu_seconds=0.6, wall_seconds=3.0, memory_mb=96, output_bytes=100_000, disk_mb=8)
PROGRAM = """
import os, sys, time
def act(what):
    if what == "file":
        open("/tmp/left", "w").write("x" * 100)
    if what == "look":
        print(os.listdir("/tmp"), os.listdir("/proc/self/fd"))
    if what == "long":
        print("l" * 5000)
    if what == "too long":
        print("l" * 200_000)
    if what == "to stderr":
        print("e" * 5000, file=sys.stderr)
    if what == "sleep":
        time.sleep(0.2)
    if what == "exit":
        sys.exit(3)
    if what == "raise":
        raise ValueError("no")
    if what == "spin":
        while True:
            pass
    if what == "hang":
        time.sleep(60)
    if what == "kill":
        os.kill(os.getpid(), 9)
    if what == "memory":
        held = bytearray(os.urandom(1 << 20) * 200)
    if what == "children":
        if os.fork() == 0:
            os.setsid()
            time.sleep(60)
    if what == "eat":
        sys.stdin.close()
        os.close(0)
"""
SCRIPT = PROGRAM + "what = input()\nact(what)\nprint(what, sys.stdin.read() if what != 'eat' else '')\n"
FUNCTION = PROGRAM + "def f(what):\n    act(what)\n    return [what, what * 3000] if what == 'long' else what\n"
ODD = (
    *("file", "long", "too long", "to stderr", "sleep", "exit", "raise", "spin", "hang", "kill", "memory", "children"),
    *("eat", "look"),
)
QUICK = ["quick"] * 6


def judged(cache_dir: Path, *jobs: JudgeJob) -> list[tuple[TestResult, ...]]:
    """Judge on one slot, so that nothing is spread: what is told together is told in this order."""

    async def scenario() -> list[tuple[TestResult, ...]]:
        judge = LocalJudge(LocalSettings(cache_dir=cache_dir, workers=1, remembered_results=0))
        await judge.start()
        try:
            return [(await judge.judge(job)).tests for job in jobs]
        finally:
            await judge.close()

    return asyncio.run(scenario())


def script(*acts: str) -> JudgeJob:
    cases = tuple(StdioTest(f"{act}\nrest".encode(), f"{act} rest\n".encode()) for act in acts)
    return JudgeJob(SCRIPT, "python", cases, limits=LIMITS, stop_at_first_failure=False)


def function(*acts: str) -> JudgeJob:
    cases = tuple(CallTest((act,), [act, act * 3000] if act == "long" else act) for act in acts)
    return JudgeJob(FUNCTION, "python", cases, fn_name="f", limits=LIMITS, stop_at_first_failure=False)


NATIVE = """
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <string>
#include <unistd.h>
int main() {
    std::string what, rest;
    std::cin >> what >> rest;
    if (what == "file") std::ofstream("/tmp/left") << "left";
    if (what == "look") std::cout << access("/tmp/left", F_OK) << dup(0);
    if (what == "long") std::cout << std::string(5000, 'l');
    if (what == "too long") std::cout << std::string(200000, 'l');
    if (what == "to stderr") std::cerr << std::string(5000, 'e');
    if (what == "sleep") usleep(200000);
    if (what == "exit") return 3;
    if (what == "raise") throw 1;
    if (what == "spin") for (volatile int i = 0;; i = i + 1) {}
    if (what == "hang") sleep(60);
    if (what == "kill") abort();
    if (what == "memory") { char *held = new char[200 << 20]; memset(held, 1, 200 << 20); std::cout << held[5]; }
    if (what == "children") if (fork() == 0) { setsid(); sleep(60); }
    if (what == "eat") close(0);
    std::cout << what << " " << rest << std::endl;
}
"""


def native(*acts: str) -> JudgeJob:
    return replace(script(*acts), code=NATIVE, language="cpp")


def told(result: TestResult) -> tuple[object, ...]:
    return (result.verdict, result.message, result.stderr)


@pytest.mark.parametrize("make", [script, function, native])
def test_the_company_of_a_test_changes_nothing(cache_dir: Path, make) -> None:  # type: ignore[no-untyped-def]
    """Whatever one of them does, it ends as it would alone, and so do those before and behind it."""
    together, *alone = judged(cache_dir, make(*(word for act in ODD for word in (*QUICK, act))), *map(make, ODD))
    assert [told(one) for number, one in enumerate(together) if number % 7 == 6] == [told(one) for (one,) in alone]
    quick = [one.verdict for number, one in enumerate(together) if number % 7 < 6]
    assert quick == [Verdict.ACCEPTED] * len(quick)


def test_every_test_is_given_its_own_input_and_told_its_own_output(cache_dir: Path) -> None:
    """Of any size, empty ones and those of pages and a byte among them."""
    sizes = [0, 1, 4095, 4096, 4097, 0, 3, 70_000, 2, *range(30)]
    inputs = [bytes([97 + number % 26]) * size for number, size in enumerate(sizes)]
    code = "import sys\nsys.stdout.write(sys.stdin.read() * 2)"
    job = JudgeJob(code, "python", tuple(StdioTest(given, given * 2) for given in inputs))
    (results,) = judged(cache_dir, job)
    assert [result.verdict for result in results] == [Verdict.ACCEPTED] * len(sizes)


def test_a_small_output_limit_holds_for_each(cache_dir: Path) -> None:
    """A byte below it and a byte above it, among others."""
    limits = replace(LIMITS, output_bytes=100)
    sizes = [1] * 6 + [100, 1, 101, 1, 1]
    code = "import sys\nsys.stdout.write('x' * int(input()))"
    cases = tuple(StdioTest(b"%d" % size, b"x" * size) for size in sizes)
    (results,) = judged(cache_dir, JudgeJob(code, "python", cases, limits=limits, stop_at_first_failure=False))
    expected = [Verdict.OUTPUT_LIMIT_EXCEEDED if size > 100 else Verdict.ACCEPTED for size in sizes]
    assert [result.verdict for result in results] == expected


def test_what_is_used_is_counted_for_each(cache_dir: Path) -> None:
    """CPU time and memory of one test are not the next one's."""
    code = "held = bytearray(int(input()) << 20)\nfor i in range(0, len(held), 4096): held[i] = 1\nprint(1)"
    cases = tuple(StdioTest(b"%d" % size, b"1") for size in [1, 1, 1, 1, 40, 1, 1, 1])
    (results,) = judged(cache_dir, JudgeJob(code, "python", cases, limits=LIMITS))
    assert [result.memory_mb > 30 for result in results] == [False] * 4 + [True] + [False] * 3
    assert all(result.cpu_seconds > 0 for result in results)


def test_no_other_test_is_in_the_memory_of_a_program(cache_dir: Path) -> None:
    """Neither the input of a later one, nor what an earlier one has printed."""
    code = """
import re
number = int(input().split("@")[1])
found = set()
for line in open("/proc/self/maps") if number % 10 == 5 else ():  # the others are quick, and told with it
    span, mode, *_, = line.split()
    low, high = (int(end, 16) for end in span.split("-"))
    if "r" not in mode or high > 1 << 47:
        continue
    with open("/proc/self/mem", "rb") as memory:
        memory.seek(low)
        try:
            held = memory.read(high - low)
        except OSError:
            continue
    for word in (rb"given", rb"printed"):
        found |= {int(digits) for digits in re.findall(word + rb"@(\\d+)", held)}
found.discard(number)
print("printed@%d" % number, "found", sorted(found))
"""
    cases = tuple(StdioTest(b"given@%d" % n, b"printed@%d found []" % n) for n in range(100, 140))
    job = JudgeJob(code, "python", cases, limits=replace(LIMITS, memory_mb=300), stop_at_first_failure=False)
    (results,) = judged(cache_dir, job)
    assert {(result.verdict, result.message) for result in results} == {(Verdict.ACCEPTED, None)}


def test_files_are_the_program_s_however_a_test_is_told(cache_dir: Path) -> None:
    """The same program may do the same with its descriptors, whether its input is small or large."""
    code = (
        "import os, sys\ngiven = sys.stdin.read()\nos.fchmod(1, 0o600)\n"
        "print([(os.fstat(fd).st_uid, os.fstat(fd).st_gid, os.fstat(fd).st_mode) for fd in range(3)], len(given))"
    )
    cases = tuple(StdioTest(b"x" * size, b"") for size in (10, 10, 10, 5000))
    (results,) = judged(cache_dir, JudgeJob(code, "python", cases, limits=LIMITS, stop_at_first_failure=False))
    said = [str(result.message) for result in results]
    assert said[0] == said[1] == said[2]
    assert said[3].replace("5000", "10") == said[0]


def test_a_program_leaves_nothing_on_itself_for_its_next_test(cache_dir: Path) -> None:
    """No attributes, and where the file is not its own no modes and times: its tests share it."""
    owned = os.geteuid() != 0
    code = (
        f"#define OWNED {int(owned)}"
        + """
        #include <stdio.h>
        #include <fcntl.h>
        #include <unistd.h>
        #include <sys/stat.h>
        #include <sys/xattr.h>
        int main(void) {
            int self = open("/proc/self/exe", O_RDONLY);
            char text[8];
            struct stat before;
            fstat(self, &before);
            int found = fgetxattr(self, "user.left", text, sizeof text) > 0;
            if (!OWNED) found |= before.st_mtim.tv_sec == 7 || (before.st_mode & 07777) == 0501;
            fsetxattr(self, "user.left", "here", 4, 0);
            struct timespec times[2] = {{7, 7}, {7, 7}};
            futimens(self, times);
            fchmod(self, 0501);
            printf("found %d\\n", found);
            return 0;
        }
    """
    )
    (tests,) = judged(cache_dir, JudgeJob(code, "c", (StdioTest(b"", b"found 0\n"),) * 12))
    assert [test.verdict for test in tests] == [Verdict.ACCEPTED] * 12
