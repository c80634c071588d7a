"""The garbage collector's full pass is made between batches, not in them."""

from __future__ import annotations

import asyncio
import gc
from contextlib import contextmanager

import pytest

from reward_server import garbage


@contextmanager
def full_passes():
    """The full passes that are made meanwhile."""
    seen = []

    def note(phase, info):
        if phase == "stop" and info["generation"] == 2:
            seen.append(info)

    gc.callbacks.append(note)
    try:
        yield seen
    finally:
        gc.callbacks.remove(note)


@pytest.mark.parametrize(
    ("in_flight", "admitted", "collected"),
    [
        pytest.param(0, 1, True, id="after work"),
        pytest.param(5, 1, False, id="in the middle of it"),
        pytest.param(0, 0, False, id="without any"),
    ],
)
def test_a_full_pass_is_made_after_work_and_never_in_it(monkeypatch, in_flight, admitted, collected):
    """Once for all that was done since the last."""
    monkeypatch.setattr(garbage, "_LOOKS_EVERY_SECONDS", 0)
    counts = {"admitted": 0}

    async def watch():
        watching = asyncio.create_task(garbage.collect_between_batches(lambda: in_flight, lambda: counts["admitted"]))
        await asyncio.sleep(0)  # it has settled what is there
        with full_passes() as seen:
            counts["admitted"] = admitted
            for _ in range(10):
                await asyncio.sleep(0)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        return len(seen)

    assert asyncio.run(watch()) == int(collected)


def test_the_collector_is_left_as_it_was():
    """Whoever embeds the service has their own process back."""
    before = gc.get_threshold()

    async def watch():
        watching = asyncio.create_task(garbage.collect_between_batches(lambda: 0, lambda: 0))
        await asyncio.sleep(0)
        assert gc.get_freeze_count() > 0
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    asyncio.run(watch())
    assert gc.get_threshold() == before
