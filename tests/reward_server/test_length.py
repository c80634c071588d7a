"""The soft length penalty (2.2.3)."""

import pytest

from reward_server.rewards.length import soft_length_penalty


@pytest.mark.parametrize(
    ("tokens", "penalty"),
    [
        pytest.param(0, 0.0, id="nothing"),
        pytest.param(32_768, 0.0, id="the last free token"),
        pytest.param(32_769, -1 / 8192, id="the first that costs"),
        pytest.param(36_864, -0.5, id="the middle"),
        pytest.param(40_959, -8191 / 8192, id="one before the limit"),
        pytest.param(40_960, -1.0, id="the limit"),
        pytest.param(40_961, -1.0, id="beyond"),
        pytest.param(10**9, -1.0, id="far beyond"),
    ],
)
def test_the_penalty_falls_straight_and_never_below_its_floor(tokens, penalty):
    """Zero up to l_max - l_cache, then linear to -1 at l_max, then -1."""
    assert soft_length_penalty(tokens, l_max=40_960, l_cache=8_192) == penalty
