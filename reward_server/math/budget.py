"""How much work one comparison may be in the server's process.

Guaranteed: inside of `limited`, the work of everything that computes adds up over the whole comparison, whatever it is
divided into, and `BeyondBudgetError` is raised when there is no more. Outside of it, in a worker, nothing is counted:
there the CPU time is limited. Like the precision of Arb, the budget is one for the process: a comparison is not
interrupted by another.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager


class BeyondBudgetError(Exception):
    """The comparison is too much for the server's process, and is for a worker."""


class _Budget:
    left: float = math.inf


def spend(work: float) -> None:
    """Take work from the budget: one is a few microseconds.

    Raises:
        BeyondBudgetError: there is not so much left.
    """
    _Budget.left -= work
    if _Budget.left < 0:
        raise BeyondBudgetError


def is_limited() -> bool:
    """Whether a worker could do more than is done here."""
    return _Budget.left < math.inf


@contextmanager
def limited(work: float) -> Iterator[None]:
    """Let what is inside do so much work and no more; inside of another budget, whatever is left of that."""
    kept = _Budget.left
    _Budget.left = allowed = min(work, kept)
    try:
        yield
    finally:
        _Budget.left = kept - (allowed - _Budget.left)
