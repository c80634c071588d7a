"""When to try again and how long to wait before it. Pure: time and chance are passed in.

The pause before try n is drawn evenly from zero to a ceiling that doubles from one failure to the next ("full
jitter"), so that clients that failed together do not come back together. A `Retry-After` of the server is waited out,
plus a draw below the first ceiling for the same reason. No pause reaches past the deadline: a try that could not start
before it is not waited for.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timezone
from email.utils import parsedate_to_datetime

# Too many requests, an upstream that is missing, not ready or late, and a request the server did not wait for.
# 500 is not here: what made the server fail once makes it fail again.
RETRYABLE_STATUS = frozenset({408, 429, 502, 503, 504})

# Kinds of unscored results that say nobody has looked at the rollout: it cannot have been the cause.
NOT_YET_TRIED = frozenset({"queue_full"})


@dataclass(frozen=True)
class RetryPolicy:
    """How patient a client is within its deadline.

    Attributes:
        initial_seconds: The ceiling of the first pause; it doubles with each failure in a row.
        max_seconds: The highest ceiling.
        result_attempts: How often one rollout is sent whose result is "unscored, retryable". Bounded, because a rollout
            that kills whatever judges it would otherwise use up the deadline of every batch it is in. Rollouts that
            nobody looked at (`queue_full`) do not count.
        first_contact_seconds: How long a server that has never answered this client is given before the call raises
            `RewardConnectionError`: a wrong address is told early, a restart is waited out until the deadline.
    """

    initial_seconds: float = 0.5
    max_seconds: float = 20.0
    result_attempts: int = 8
    first_contact_seconds: float = 30.0

    def ceiling_seconds(self, failures: int) -> float:
        """The longest pause after so many failures in a row."""
        # The exponent is cut because 2.0**1024 overflows, and a long outage at short pauses gets there.
        return float(min(self.max_seconds, self.initial_seconds * 2.0 ** min(failures - 1, 64)))

    def pause_seconds(self, failures: int, retry_after: float | None, draw: Callable[[], float]) -> float:
        """The pause after so many failures in a row; `draw` is uniform over [0, 1)."""
        if retry_after is not None:
            return retry_after + draw() * self.initial_seconds
        return draw() * self.ceiling_seconds(failures)


@dataclass(frozen=True)
class Clock:
    """Time and chance, as the client sees them. Tests pass their own."""

    now: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time  # seconds since the epoch, for a Retry-After that is a date
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    draw: Callable[[], float] = random.random


@dataclass(frozen=True)
class Term:
    """The time that one call has."""

    started: float
    seconds: float

    @property
    def deadline(self) -> float:
        """When it ends, on the client's clock."""
        return self.started + self.seconds

    def reason(self, failure: Exception | None) -> str:
        """One sentence for whoever asks why there is no answer."""
        cause = f"; latest failure: {failure}" if failure else ""
        return f"no answer within the deadline of {self.seconds:g} s{cause}"


@dataclass
class Backoff:
    """Counts failures in a row and says how long to pause before the next try."""

    policy: RetryPolicy
    clock: Clock
    failures: int = 0

    def pause_seconds(self, *, until: float, retry_after: float | None = None) -> float | None:
        """Count a failure. None when the next try could not start before `until`."""
        self.failures += 1
        pause = self.policy.pause_seconds(self.failures, retry_after, self.clock.draw)
        return pause if self.clock.now() + pause < until else None

    def reset(self) -> None:
        """Forget the failures, after something succeeded."""
        self.failures = 0


def retry_after_seconds(headers: Mapping[str, str], wall_now: float) -> float | None:
    """Read `Retry-After`, a number of seconds or an HTTP date. None when absent or neither; never negative."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError, IndexError):  # Python 3.10 still lets a TypeError or an IndexError out
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return max(0.0, moment.timestamp() - wall_now)
