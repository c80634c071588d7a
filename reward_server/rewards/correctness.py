"""What grading the answer of one rollout says, whatever its task."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reward_server.models import TestSummary


class AnswerVerdict(StrEnum):
    """Endings that no comparison and no sandbox is needed for."""

    FORMAT_ERROR = "format_error"
    NO_CODE = "no_code"  # there is a block, but none in the task's language


@dataclass(frozen=True, slots=True)
class Correctness:
    """`raw` is 1 or 0, or the share of tests passed where the preset pays partial credit."""

    raw: float
    verdict: str | None
    detail: str | None = None
    extracted: str | None = None
    tests: TestSummary | None = None
