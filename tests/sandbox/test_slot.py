"""One jail and the submissions in it, without the judge above."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sandbox import inside, jail, runner
from sandbox.image import Image
from sandbox.inside import native, wire
from sandbox.jailed import JailSlot
from sandbox.models import Limits, Verdict
from sandbox.runs import Program, Room, Run, SlotDiedError
from sandbox.slot import Jail, Session

ROOM = Room(jail.PYTHON_ROOT, disk_bytes=1 << 20)
DOUBLE = Program(source=b"print(int(input()) * 2)", mode="script")


@asynccontextmanager
async def started() -> AsyncIterator[JailSlot]:
    bubblewrap = jail.find_bubblewrap()
    assert bubblewrap is not None
    slot = JailSlot(901, Jail(bubblewrap, jail.find_interpreter(), None, first_user=61_000))
    await slot.start()
    try:
        yield slot
    finally:
        await slot.stop()


def test_runs_asked_for_at_once_are_answered_in_their_order() -> None:
    """Each run gets its own input and output, whatever was sent before it had ended."""

    async def scenario() -> None:
        async with started() as slot:
            session = slot.session()
            session.load(ROOM)
            inputs = [b"%d\n" % number for number in range(30)]
            outcomes = await asyncio.gather(*(runner.run(session, DOUBLE, given, Limits()) for given in inputs))
            assert [outcome.stdout for outcome in outcomes] == [b"%d\n" % (2 * number) for number in range(30)]
            await session.close()

    asyncio.run(scenario())


def test_a_run_that_was_given_up_leaves_the_others_their_answers() -> None:
    """An answer that nobody waits for any more is not taken for the next one."""

    async def scenario() -> None:
        async with started() as slot:
            session = slot.session()
            session.load(ROOM)
            given_up = asyncio.create_task(runner.run(session, DOUBLE, b"1\n", Limits()))
            kept = asyncio.create_task(runner.run(session, DOUBLE, b"2\n", Limits()))
            await asyncio.sleep(0)
            given_up.cancel()
            assert (await kept).stdout == b"4\n"
            await session.close()

    asyncio.run(scenario())


def test_what_fails_before_the_program_begins_is_ours() -> None:
    """A fork that cannot be made a program says which step failed, and what it would have said is no program's."""
    native.load(str(Path(inside.__file__).parent / Path(jail.NATIVE).name))
    context = native.new_context()  # without a /proc, in which a program is made the first to go for want of memory
    native.new_pages(context)
    run = native.new_run()
    assert native.start(context, run) > 0
    assert native.wait(context, run, None)
    with pytest.raises(native.SetUpError, match="oom_score_adj: Bad file"):
        native.check_complaint(context)


def test_a_room_made_ahead_is_the_one_that_is_asked_for() -> None:
    """After two alike the third finds its room made; one that differs gets its own."""

    async def scenario() -> None:
        larger = Room(jail.PYTHON_ROOT, disk_bytes=4 << 20)
        fill = Program(source=b"open('/tmp/file', 'wb').write(bytes(2 << 20))\nprint('written')", mode="script")
        async with started() as slot:
            ended = []
            for room in (ROOM, ROOM, ROOM, larger, ROOM, ROOM, larger):
                submission = slot.submission(room)
                await asyncio.sleep(0)
                ended.append((await runner.run(submission.sessions[0], fill, b"", Limits())).verdict)
                await submission.close()
            small, large = Verdict.RUNTIME_ERROR, Verdict.ACCEPTED
            assert ended == [small, small, small, large, small, small, large]

    asyncio.run(scenario())


def test_what_a_session_keeps_is_closed_with_it() -> None:
    """What is kept for all runs of a session is closed with it."""

    async def scenario() -> None:
        async with started() as slot:
            before = set(os.listdir("/proc/self/fd"))
            session: Session = slot.session()
            session.load(ROOM)
            await asyncio.gather(*(runner.run(session, DOUBLE, b"1\n", Limits()) for _ in range(3)))
            await session.close()
            assert set(os.listdir("/proc/self/fd")) <= before  # the session itself was there

    asyncio.run(scenario())


def test_what_is_answered_while_it_is_given_up_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what it has printed would stay in the memory of the slot, and be charged to honest programs."""
    receive = wire.receive_answer

    async def scenario() -> None:
        async with started() as slot:
            session = slot.session()
            session.load(ROOM)
            long = Program(source=b"print('l' * 5000)", mode="script")
            running = asyncio.create_task(runner.run_series(session, long, [b""], Limits()))

            def received(channel: wire.Socket) -> tuple[wire.Answer | wire.Series | wire.Message, list[int]]:
                answer = receive(channel)
                assert len(answer[1]) == 3
                asyncio.get_running_loop().call_soon(running.cancel)  # before whoever waits for it has it
                return answer

            monkeypatch.setattr(wire, "receive_answer", received)
            with pytest.raises(asyncio.CancelledError):
                await running
            await session.close()
            assert not [name for name in _open_files() if name.startswith(("/memfd:std", "/memfd:report"))]

    asyncio.run(scenario())


def _open_files() -> list[str]:
    entries = [entry.path for entry in os.scandir("/proc/self/fd")]
    return [os.readlink(path) for path in entries if os.path.lexists(path)]


def test_a_server_may_have_any_number_of_descriptors_open() -> None:
    """Those of a program have numbers, which a slot's own never has, wherever the server's next ones are."""

    async def scenario() -> None:
        taken = [os.open(os.devnull, os.O_RDONLY)]
        try:
            while taken[-1] < 104:
                taken.append(os.dup(taken[-1]))
                if taken[-1] > 84:
                    async with started() as slot:
                        session = slot.session()
                        session.load(ROOM)
                        outcome = await runner.run(session, DOUBLE, b"21\n", Limits())
                        assert outcome.stdout == b"42\n"
                        await session.close()
        finally:
            for fd in taken:
                os.close(fd)

    asyncio.run(scenario())


def test_a_tool_that_is_gone_is_our_failure() -> None:
    """A compiler or a run-time that was there at the start; an image that is no program is what was submitted."""

    async def scenario() -> None:
        async with started() as slot:
            submission = slot.submission(ROOM)
            gone = Program(argv=("/usr/bin/gone", "main.js"), environment={}, mode="exec")
            with pytest.raises(SlotDiedError, match="gone: No such file"):
                await submission.run(Run(gone, b"", Limits()))
            garbage = Program(argv=("program",), environment={}, mode="exec", image=Image(b"no program"))
            outcome = await submission.run(Run(garbage, b"", Limits()))
            assert outcome.verdict is Verdict.RUNTIME_ERROR
            await submission.close()

    asyncio.run(scenario())


def test_a_slot_that_was_killed_takes_no_session() -> None:
    """At once, and not only when the kernel has told of its end."""

    async def scenario() -> None:
        async with started() as slot:
            slot.kill()
            assert not slot.alive
            await slot.start()
            assert slot.alive

    asyncio.run(scenario())
