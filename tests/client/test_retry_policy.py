"""Pauses: full jitter under a doubling ceiling."""

from __future__ import annotations

import pytest

from reward_client import Batching, RetryPolicy


@pytest.mark.parametrize(
    ("failures", "ceiling"), [(1, 0.5), (2, 1.0), (5, 8.0), (6, 16.0), (7, 20.0), (100, 20.0), (10**6, 20.0)]
)
def test_the_ceiling_doubles_up_to_the_highest(failures, ceiling):
    """However long the outage."""
    assert RetryPolicy().ceiling_seconds(failures) == ceiling


@pytest.mark.parametrize("draw", [0.0, 0.25, 0.999])
def test_the_pause_is_drawn_from_all_below_the_ceiling(draw):
    """From zero on, so that clients that failed together spread over the whole of it."""
    assert RetryPolicy().pause_seconds(3, None, lambda: draw) == draw * 2.0


@pytest.mark.parametrize("wrong", [{"max_rollouts": 0}, {"max_bytes": 0}, {"max_in_flight": -1}])
def test_limits_that_let_nothing_through_are_refused(wrong):
    """They would hang the first call."""
    with pytest.raises(ValueError, match="at least 1"):
        Batching(**wrong)
