"""Sums up the rewards of each group, as trainers need them for advantages."""

from __future__ import annotations

import math
from collections.abc import Iterable

from reward_server.models import GroupSummary, Result

# Rewards that differ by less are equal: contributions are sums of decimals.
_EQUAL = 1e-9


def summarise(results: Iterable[Result]) -> list[GroupSummary]:
    """Return one summary a group, in order of first appearance."""
    groups: dict[str, list[float | None]] = {}
    for result in results:
        groups.setdefault(result.group, []).append(result.reward)
    return [_summary(group, rewards) for group, rewards in groups.items()]


def _summary(group: str, rewards: list[float | None]) -> GroupSummary:
    scored = [reward for reward in rewards if reward is not None]
    # Sums without rounding, so that the order in which the members came changes nothing.
    mean = math.fsum(scored) / len(scored) if scored else None
    deviations = [] if mean is None else [(reward - mean) ** 2 for reward in scored]
    return GroupSummary(
        group=group,
        size=len(rewards),
        scored=len(scored),
        mean=mean,
        std=math.sqrt(math.fsum(deviations) / len(scored)) if scored else None,
        # A group without any reward has no advantage to give either.
        zero_advantage=not scored or max(scored) - min(scored) < _EQUAL,
    )
