"""Keeps the garbage collector's pauses off the event loop's busy time.

A full pass looks at every object there is, which for a batch of a thousand tasks is a quarter of a second in which
nothing else happens. What a batch is made of dies when its last reference does; only cycles need the collector. So
what is there after the start is never looked at again, young objects are looked at as ever, and the full pass is made
when no rollout is in work, or after tens of millions of allocations if that never happens.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

# Net allocations before a young pass, young passes before a middle one, middle ones before a full one: a millisecond,
# ten, and as rarely as may be.
_THRESHOLDS = (5_000, 10, 1_000)
_LOOKS_EVERY_SECONDS = 1.0


async def collect_between_batches(in_flight: Callable[[], int], admitted: Callable[[], int]) -> None:
    """Settle what is there now, then collect whenever work has been done and none is under way. Ends when cancelled."""
    usual = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    seen = admitted()
    try:
        while True:
            await asyncio.sleep(_LOOKS_EVERY_SECONDS)
            if in_flight() == 0 and admitted() != seen:
                seen = admitted()
                gc.collect()
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()
