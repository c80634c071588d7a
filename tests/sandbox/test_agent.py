"""The agent of a container without its container: a plain process, spoken to over two pipes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox import frames
from sandbox.image import Image
from sandbox.inside import plain
from sandbox.languages import Tools, host_tools
from sandbox.models import AssertTest, CallTest, JudgeJob, Limits, StdioTest, Verdict
from sandbox.pool import Opened, PoolJudge, PoolSettings
from sandbox.remote import Agent
from sandbox.runs import Outcome, Program, Room, Run, SlotDiedError, Submission

SILENCE_SECONDS = 5.0


class ProcessSlot:
    """A slot whose agent is a child of ours."""

    def __init__(self, cache_dir: Path) -> None:
        self._cache_dir = cache_dir
        self.process: asyncio.subprocess.Process | None = None
        self.agent: Agent | None = None
        self.tools = Tools({}, {})
        self.starts = 0

    @property
    def alive(self) -> bool:
        return self.agent is not None and self.agent.trusted

    async def start(self) -> None:
        await self.stop()
        self.starts += 1
        command = (sys.executable, "-m", "sandbox", "agent", "--cache-dir", str(self._cache_dir))
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.agent = Agent(self.process.stdout, self.process.stdin, silence_seconds=SILENCE_SECONDS)
        self.tools = (await self.agent.introduce(30)).tools

    async def stop(self) -> None:
        if self.agent is not None:
            self.agent.doubt("the end")
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()
        self.agent = self.process = None

    def submission(self, *rooms: Room) -> Submission:
        assert self.agent is not None
        return self.agent.submission(*rooms)


class ProcessSlots:
    """Two of them."""

    tier, problem = "agents", None

    def __init__(self, cache_dir: Path) -> None:
        self.slots = [ProcessSlot(cache_dir) for _ in range(2)]

    async def open(self) -> Opened:
        await asyncio.gather(*(slot.start() for slot in self.slots))
        return Opened(self.slots, self.slots[0].tools)

    async def close(self) -> None:
        await asyncio.gather(*(slot.stop() for slot in self.slots))


@asynccontextmanager
async def started(cache_dir: Path) -> AsyncIterator[tuple[PoolJudge, list[ProcessSlot]]]:
    source = ProcessSlots(cache_dir)
    judge = PoolJudge(source, PoolSettings(cache_dir=cache_dir, workers=2, remembered_results=0))
    await judge.start()
    try:
        yield judge, source.slots
    finally:
        await judge.close()


async def busy(judge: PoolJudge, slots: int) -> None:
    """Wait until so many are at work."""
    async with asyncio.timeout(20):
        while judge.health().facts["busy"] != str(slots):  # noqa: ASYNC110 - what to wait for has no event
            await asyncio.sleep(0.01)


DOUBLE = "print(int(input()) * 2)"
JOBS = {
    "a script": JudgeJob(DOUBLE, "python", tuple(StdioTest(b"%d" % n, b"%d" % (2 * n)) for n in range(20))),
    "a compiled program": JudgeJob(
        "#include <iostream>\nint main() { int n; std::cin >> n; std::cout << 2 * n; }",
        "cpp",
        tuple(StdioTest(b"%d" % n, b"%d" % (2 * n)) for n in range(20)),
    ),
    "a function": JudgeJob("def f(x): return [x, {'a': x}]", "python", (CallTest((1,), [1, {"a": 1}]),), "f"),
    "an assertion": JudgeJob("def f(x): return 2 * x", "python", (AssertTest("assert f(2) == 4"),)),
}


@pytest.mark.parametrize("kind", JOBS)
def test_every_form_of_test_crosses_the_border(cache_dir: Path, kind: str) -> None:
    """Judged as it would be without one."""

    async def scenario() -> None:
        async with started(cache_dir) as (judge, _):
            result = await judge.judge(JOBS[kind])
        assert (result.verdict, result.passed) == (Verdict.ACCEPTED, len(JOBS[kind].tests))

    asyncio.run(scenario())


def test_what_can_be_run_is_what_the_agent_has(cache_dir: Path) -> None:
    """Compilers are looked for where the programs run."""

    async def scenario() -> None:
        async with started(cache_dir) as (_, slots):
            assert slots[0].tools == host_tools()

    asyncio.run(scenario())


def test_an_outcome_may_be_as_large_as_its_run_allows(cache_dir: Path) -> None:
    """Sixteen MiB of output arrive whole, or are over the limit; neither is a reason to doubt the agent."""
    flood = JudgeJob("while True: print('x' * 4095)", "python", (StdioTest(b"", b""),))

    async def scenario() -> None:
        async with started(cache_dir) as (judge, slots):
            assert (await judge.judge(flood)).verdict is Verdict.OUTPUT_LIMIT_EXCEEDED
            assert [slot.starts for slot in slots] == [1, 1]

    asyncio.run(scenario())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM])
def test_an_agent_that_fails_in_a_run_is_replaced_and_the_run_repeated(cache_dir: Path, number: int) -> None:
    """Whether it dies or only falls silent."""
    slow = JudgeJob(f"import time\ntime.sleep(0.3)\n{DOUBLE}", "python", (StdioTest(b"1", b"2"),) * 2)

    async def scenario() -> None:
        async with started(cache_dir) as (judge, slots):
            judging = asyncio.create_task(judge.judge(slow))
            await busy(judge, 2)
            victim = slots[0].process
            assert victim is not None
            os.kill(victim.pid, number)
            assert (await judging).verdict is Verdict.ACCEPTED
            assert [slot.starts for slot in slots] == [2, 1]

    asyncio.run(scenario())


def test_a_cancelled_call_frees_the_slot(cache_dir: Path) -> None:
    """Its program is ended, and the agent takes the next one."""
    endless = JudgeJob("while True: pass", "python", (StdioTest(b"", b""),), limits=Limits(cpu_seconds=600))

    async def scenario() -> None:
        async with started(cache_dir) as (judge, slots):
            judging = asyncio.create_task(judge.judge(endless))
            await busy(judge, 1)
            judging.cancel()
            with pytest.raises(asyncio.CancelledError):
                await judging
            assert judge.health().facts["busy"] == "0"
            assert (await judge.judge(JOBS["a script"])).verdict is Verdict.ACCEPTED
            assert [slot.starts for slot in slots] == [1, 1]

    asyncio.run(scenario())


def test_a_program_crosses_once() -> None:
    """Its twenty tests name it."""
    run = Run(Program(source=b"x" * 1_000_000, mode="script"), b"", Limits())
    described, blobs = frames.described_run(run, with_program=False)
    assert b"".join(blobs) == b""
    assert frames.read_run(described, blobs, run.program) == run


RUN = Run(
    Program(
        source=b"a",
        mode="call",
        argv=("x", "y"),
        environment={"A": "b"},
        image=Image(b"\x7fELF"),
        copies={"one": b"1", "two": b""},
        fn_name="f",
        product="/tmp/program",
        least_processes=3,
    ),
    b"input",
    Limits(cpu_seconds=1.5, wall_seconds=None, memory_mb=7),
)
OUTCOME = Outcome(
    verdict=Verdict.RUNTIME_ERROR,
    message="exit code 1",
    stdout=b"\xff",
    stderr=b"e",
    exit_code=None,
    signal=9,
    cpu_seconds=0.1,
    wall_seconds=0.2,
    memory_mb=3.0,
    report={"ended": "returned", "message": "\udc80", "value": plain.dumps([1]), "nonce": b"n"},
    starved=True,
    starved_seconds=1.5,
    unexplained=True,
    product=b"binary",
)


def test_runs_and_outcomes_arrive_as_they_were_sent() -> None:
    """Field by field."""
    arrived = frames.read_run(*frames.described_run(RUN), None)
    assert arrived.program.image is not None
    assert arrived.program.image.content() == b"\x7fELF"
    assert replace(arrived, program=replace(arrived.program, image=RUN.program.image)) == RUN
    assert frames.read_outcome(*frames.described_outcome(OUTCOME)) == OUTCOME


def test_of_a_report_only_what_judging_asks_for_crosses() -> None:
    """A program may have written anything there."""
    odd = replace(OUTCOME, report={"ended": ["nest"] * 9, "value": "text", "nonce": 5, "other": b"x"})
    assert frames.read_outcome(*frames.described_outcome(odd)).report == {}


async def _received(data: bytes, at_most: int = 1000) -> frames.Frame:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return await frames.receive(reader, at_most=lambda: at_most)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\0\0\0\2\0\0\0\0[]", id="no object"),
        pytest.param(b"\0\0\0\2\0\0\0\0{]", id="no JSON"),
        pytest.param(b"\0\0\0\2\0\0\0\0{}", id="no fields"),
        pytest.param(b"\xff\xff\xff\xff\0\0\0\0", id="a header of four gigabytes"),
        pytest.param(b"\0\0\0\2\0\0\xff\xff{}", id="more bytes than were asked for"),
        pytest.param(b'\0\0\0\x17\0\0\0\1{"op":"x","blobs":[-1]} ', id="a negative length"),
        pytest.param(b'\0\0\0\x17\0\0\0\1{"op":"x","blobs":[22]} x', id="lengths that do not add up"),
    ],
)
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    """Before anything of its size is held."""
    with pytest.raises(frames.MalformedError):
        asyncio.run(_received(data))


def test_an_agent_that_lies_is_doubted() -> None:
    """A frame that is no outcome ends the trust in it, and no verdict comes of it."""

    async def scenario() -> None:
        async def liar(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tools = frames.described_tools(Tools({}, {}))
            writer.writelines(frames.encode("ready", tools=tools, tier="none"))
            while (frame := await frames.receive(reader)).op != "run":
                pass
            described, blobs = frames.described_outcome(OUTCOME)
            lie = {**described, "verdict": "the very best"}
            writer.writelines(frames.encode("outcome", *blobs, id=frame.fields["id"], outcomes=[lie], border=5))
            with contextlib.suppress(EOFError, ConnectionError):
                await frames.receive(reader)
            writer.close()
            gone.set()

        gone = asyncio.Event()
        async with await asyncio.start_server(liar, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            agent = Agent(reader, writer, silence_seconds=SILENCE_SECONDS)
            await agent.introduce(5)
            with pytest.raises(SlotDiedError):
                await agent.submission(Room("/", 0)).run(RUN)
            assert not agent.trusted
            await gone.wait()

    asyncio.run(scenario())
