"""Who gets a slot: in turns, and for a moment behind slow tests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from sandbox.dispatch import Dispatcher, Grant, TakenBackError, Turn, request_key
from sandbox.runs import Room, Submission

_LONG = 600.0  # seconds: as good as for ever


class _Slot:
    alive = True
    paused = False

    def pause(self) -> bool:
        assert not self.paused
        self.paused = True
        return True

    def resume(self) -> None:
        self.paused = False

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    def submission(self, *rooms: Room) -> Submission:
        raise NotImplementedError


class _Hands:
    """A dispatcher of one slot and the express slot, and callers that hold slots until they are told not to."""

    def __init__(self, express_seconds: float, slots: int = 1) -> None:
        self.express = _Slot()
        self.dispatcher = Dispatcher(
            [_Slot() for _ in range(slots)], express=self.express, express_seconds=express_seconds
        )
        self.order: list[str] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def hold(self, key: str, *, may_borrow: bool = True, turn: Turn = Turn.LAST, name: str = "") -> _Held:
        """Begin to wait for a slot, in the line when this returns."""
        held = _Held()
        self._tasks.append(asyncio.create_task(self._hold(key, held, may_borrow, turn, name or key)))
        await asyncio.sleep(0)
        return held

    async def _hold(self, key: str, held: _Held, may_borrow: bool, turn: Turn, name: str) -> None:
        request_key.set(key)
        while not held.over.is_set():
            async with self.dispatcher.slot(may_borrow=may_borrow, turn=turn) as grant:
                self.order.append(name)
                held.granted.set_result(grant)
                try:
                    async with grant.while_granted():
                        await held.over.wait()
                except TakenBackError:
                    await held.may_close.wait()
                    held.granted = asyncio.get_running_loop().create_future()
                    held.taken_back.set()

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class _Held:
    def __init__(self) -> None:
        self.may_close = asyncio.Event()
        self.may_close.set()
        self.granted: asyncio.Future[Grant] = asyncio.get_running_loop().create_future()
        self.over = asyncio.Event()
        self.taken_back = asyncio.Event()


def played(scene: Callable[[_Hands], Awaitable[None]], *, express_seconds: float = _LONG, slots: int = 1) -> None:
    async def play() -> None:
        hands = _Hands(express_seconds, slots)
        try:
            await asyncio.wait_for(scene(hands), 60)
        finally:
            await hands.end()

    asyncio.run(play())


def test_a_newcomer_behind_slow_tests_is_lent_the_express_slot() -> None:
    """And nobody else is, as long as it has it."""

    async def scene(hands: _Hands) -> None:
        slow = await hands.hold("slow")
        small = await hands.hold("small")
        late = await hands.hold("late")
        grant = await small.granted
        assert grant.lent
        assert grant.slot is hands.express
        small.over.set()
        assert (await late.granted).slot is hands.express
        assert not (await slow.granted).lent

    played(scene)


def test_what_is_not_over_in_a_moment_waits_for_its_turn_at_its_place() -> None:
    """It has lost nothing by it, and it does not borrow again."""

    async def scene(hands: _Hands) -> None:
        slow, other = await hands.hold("slow"), await hands.hold("other")
        first = await hands.hold("first")
        second = await hands.hold("second", may_borrow=False)
        await first.taken_back.wait()
        third = await hands.hold("third")
        assert (await third.granted).lent
        assert not first.granted.done()
        going_on = slow if not (await slow.granted).slot.paused else other
        going_on.over.set()
        assert not (await first.granted).lent
        first.over.set()
        await second.granted
        assert hands.order[:3] == ["slow", "other", "first"]
        assert hands.order[-2:] == ["first", "second"]

    played(scene, express_seconds=0.02, slots=2)


@pytest.mark.parametrize("slots", [1, 2, 5])
def test_never_more_run_than_there_are_slots(slots: int) -> None:
    """While one is lent another is paused, and goes on when that is over."""

    async def scene(hands: _Hands) -> None:
        held = [await hands.hold(f"{number}") for number in range(slots)]
        granted = [await one.granted for one in held]
        for number in range(2 * slots):
            small = await hands.hold(f"small {number}")
            assert (await small.granted).lent
            assert [grant.slot.paused for grant in granted].count(True) == 1
            small.over.set()
            while hands.dispatcher.lending:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0)
            assert not any(grant.slot.paused for grant in granted)
        assert {grant.pauses for grant in granted} == {2}

    played(scene, slots=slots)


def test_who_was_paused_and_goes_makes_room_for_the_borrower() -> None:
    """His client is gone, say: the borrower runs in his place, and what became free is lent next."""

    async def scene(hands: _Hands) -> None:
        slow = await hands.hold("slow")
        small = await hands.hold("small")
        await hands.hold("waiting", may_borrow=False)
        assert (await small.granted).lent
        slow.over.set()
        while hands.dispatcher.lending:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert not (await small.granted).lent
        assert not (await slow.granted).slot.paused
        assert hands.dispatcher.busy == 1

    played(scene)


def test_a_turn_that_comes_too_late_is_not_the_borrower_s() -> None:
    """What it was lent is taken back while its turn comes: it keeps its place, and is next."""

    async def scene(hands: _Hands) -> None:
        slow = await hands.hold("slow")
        first = await hands.hold("first")
        first.may_close.clear()
        grant = await first.granted
        second = await hands.hold("second", may_borrow=False)
        third = await hands.hold("third", may_borrow=False)
        while not grant.taken_back:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
        slow.over.set()
        await second.granted
        first.may_close.set()
        await first.taken_back.wait()
        second.over.set()
        assert not (await first.granted).lent
        assert not third.granted.done()

    played(scene, express_seconds=0.02)


def test_behind_quick_tests_nobody_borrows() -> None:
    """They are over before a program can be begun anew."""

    async def scene(hands: _Hands) -> None:
        quick = await hands.hold("quick")
        (await quick.granted).expect(_LONG)
        small = await hands.hold("small")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(small.granted), 0.05)
        assert not small.granted.done()
        quick.over.set()
        assert not (await small.granted).lent

    played(scene)


def test_a_borrower_whose_turn_comes_keeps_its_slot() -> None:
    """What it runs goes on, and the slot that became free is the one to be lent."""

    async def scene(hands: _Hands) -> None:
        slow = await hands.hold("slow")
        small = await hands.hold("small")
        grant = await small.granted
        freed = (await slow.granted).slot
        slow.over.set()
        late = await hands.hold("late")
        assert (await late.granted).slot is freed
        assert (await late.granted).lent
        assert not grant.lent
        assert not small.taken_back.is_set()

    played(scene)


def test_a_borrower_keeps_its_slot_where_nobody_waits() -> None:
    """A slot becomes free, and nobody was before it."""

    async def scene(hands: _Hands) -> None:
        slow = await hands.hold("slow")
        small = await hands.hold("small")
        grant = await small.granted
        slow.over.set()
        while grant.lent:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
        assert hands.dispatcher.busy == 1
        small.over.set()
        while hands.dispatcher.busy:  # noqa: ASYNC110
            await asyncio.sleep(0)

    played(scene)


def test_who_has_a_slot_or_may_not_borrow_is_lent_none() -> None:
    """Bulk work that is being served is no newcomer; a compiler would not be done in a moment."""

    async def scene(hands: _Hands) -> None:
        await hands.hold("slow")
        more = await hands.hold("slow")
        compiling = await hands.hold("other", may_borrow=False)
        small = await hands.hold("small")
        assert (await small.granted).lent
        assert not more.granted.done()
        assert not compiling.granted.done()

    played(scene)


def test_whoever_is_alone_has_no_borrower_beside_him() -> None:
    """A test that the machine starved gets all of it."""

    async def scene(hands: _Hands) -> None:
        slow = await hands.hold("slow")
        small = await hands.hold("small")
        await small.granted
        slow.over.set()
        alone = asyncio.ensure_future(_alone(hands))
        small.over.set()
        assert await alone == 1

    async def _alone(hands: _Hands) -> int:
        async with hands.dispatcher.everything() as grant:
            late = await hands.hold("late")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(late.granted), 0.05)
            assert not late.granted.done()
            assert grant.slot.alive
        await late.granted
        return hands.dispatcher.busy

    played(scene)


def test_what_is_begun_goes_before_what_is_not() -> None:
    """Within a caller, whose turn it is all the same; what goes on with a turn goes before everybody."""

    async def scene(hands: _Hands) -> None:
        first = await hands.hold("a", name="first")
        waiting = [
            await hands.hold("a", name="a, new"),
            await hands.hold("b", name="b, new"),
            await hands.hold("a", name="a, begun", turn=Turn.BEGUN),
            await hands.hold("c", name="c, at once", turn=Turn.AT_ONCE),
        ]
        for one in (first, *waiting):
            one.over.set()
        await asyncio.gather(*(one.granted for one in waiting))
        assert hands.order == ["first", "c, at once", "a, begun", "b, new", "a, new"]

    played(scene, express_seconds=0.0)


@pytest.mark.parametrize("slots", [1, 3])
def test_who_gives_up_waiting_loses_no_slot(slots: int) -> None:
    """Before it is granted one, and in the moment when it is."""

    async def scene(hands: _Hands) -> None:
        held = [await hands.hold(f"{number}") for number in range(slots)]
        waiting = [await hands.hold(f"late {number}") for number in range(4)]
        await asyncio.wait([one.granted for one in waiting], return_when=asyncio.FIRST_COMPLETED)
        for one in held:
            one.over.set()
        await hands.end()
        assert hands.dispatcher.busy == 0
        assert hands.dispatcher.waiting == 0
        async with hands.dispatcher.everything():
            assert hands.dispatcher.busy == slots

    played(scene, slots=slots)
