"""The soft length penalty (Magistral, 2.2.3; DAPO, arXiv 2503.14476, eq. 13)."""

from __future__ import annotations


def soft_length_penalty(tokens: int, *, l_max: int, l_cache: int) -> float:
    """Charge a completion of `tokens` for running into the limit: 0 down to -1, times the weight of the preset.

    Free until `l_cache` tokens before `l_max`, then falling straight to -1 at it, and never below.
    """
    overrun = tokens - (l_max - l_cache)
    return -min(overrun / l_cache, 1.0) if overrun > 0 else 0.0
