"""What a comparison of two answers is asked and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field


class MathVerdict(StrEnum):
    """How a comparison ended. A reference that is itself broken is no verdict but a `BadReferenceError`."""

    CORRECT = "correct"
    INCORRECT = "incorrect"
    MATH_TIMEOUT = "math_timeout"  # the comparison ran into its own limit: the answer had its chance
    NO_ANSWER = "no_answer"


@dataclass(frozen=True, slots=True)
class MathSettings:
    """The contestable choices of a comparison; each default is the strict side. Part of a preset."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    # `agree`: every earlier box of the answer part must hold the same answer as the last one.
    boxed: Literal["last", "agree"] = "last"
    # A percentage is a hundredth: 50% is 0.5 and not 50. True accepts the bare number in front of the sign as well.
    percent_as_number: bool = False
    # `optional`: a unit that only one side gives is not compared. `required`: both sides or neither.
    units: Literal["optional", "required"] = "optional"
    # A decimal stands for an exact value that it only approximates if it shows at least so many significant digits.
    decimal_digits: Annotated[int, Field(ge=1, le=100)] = 6
    # `fold`: words are compared without their case. Variables never are.
    case: Literal["fold", "exact"] = "fold"
    # `same`: equal functions are real at the same places, so 2 ln x is not ln x². `common`: equal wherever both are.
    domain: Literal["same", "common"] = "same"
    # `3,5` as an answer to 3.5, where the writers' language has a decimal comma. `3{,}5` is always understood.
    decimal_comma: bool = False
    # An answer that leaves a sum, an integral, a limit or a remainder to be worked out is equal to its value.
    # `refused` asks for the value, where the reference has it.
    restated: Literal["accepted", "refused"] = "accepted"
    # CPU time of one comparison in a worker; beyond it the verdict is `math_timeout`.
    cpu_seconds: Annotated[float, Field(ge=0.01, le=60)] = 2.0


@dataclass(frozen=True, slots=True)
class Verification:
    """A verdict, the rung of the ladder that reached it, and both sides as they were compared."""

    verdict: MathVerdict
    method: str
    reason: str | None = None
    normalised: Mapping[str, str] = field(default_factory=dict)


class BadReferenceError(Exception):
    """The reference answer cannot be parsed and cannot be compared as text."""


class MathUnavailableError(Exception):
    """We could not compare: a worker died more often than we retry. Says nothing about the answer."""
