"""Correctness of a math rollout (Magistral, 2.2.2): the last box of the answer part against the references."""

from __future__ import annotations

from collections.abc import Sequence

from reward_server.math.models import MathSettings, MathVerdict
from reward_server.math.verifier import MathVerifier
from reward_server.models import MathTask
from reward_server.rewards.correctness import Correctness


async def grade(task: MathTask, boxes: Sequence[str], *, verifier: MathVerifier, settings: MathSettings) -> Correctness:
    """Compare the last of `boxes`, of which there is one at least; raises as `MathVerifier.verify` does."""
    *others, last = boxes
    found = await verifier.verify(answer=last, references=task.references, settings=settings, others=others)
    return Correctness(
        raw=1.0 if found.verdict is MathVerdict.CORRECT else 0.0,
        verdict=found.verdict,
        detail=f"{found.method}: {found.reason}" if found.reason else found.method,
        extracted=last,
    )
