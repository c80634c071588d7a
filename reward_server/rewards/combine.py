"""Adds components up to a reward (Magistral, 2.2): format + correctness + length + language."""

from __future__ import annotations

import math
from collections.abc import Mapping

from reward_server.models import Component

# Contributions are sums and products of short decimals; beyond this digit there is only the noise of binary floats.
_DIGITS = 12


def component(raw: float, weight: float, detail: str | None) -> Component:
    """Weigh one part of a reward."""
    return Component(raw=raw, weight=weight, contribution=round(raw * weight, _DIGITS), detail=detail)


def total(components: Mapping[str, Component]) -> float:
    """Return the reward: the sum of the contributions."""
    return round(math.fsum(part.contribution for part in components.values()), _DIGITS)
