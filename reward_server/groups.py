"""Sums up the rewards of each group, as trainers need them for advantages."""

from __future__ import annotations

import statistics
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
    return GroupSummary(
        group=group,
        size=len(rewards),
        scored=len(scored),
        mean=statistics.fmean(scored) if scored else None,
        std=statistics.pstdev(scored) if scored else None,
        # A group without any reward has no advantage to give either.
        zero_advantage=not scored or max(scored) - min(scored) < _EQUAL,
    )
