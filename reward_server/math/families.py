"""Values for all integers k, as arithmetic progressions: when two unions of them are the same set.

Guaranteed: `True` only where every progression of one side is covered by the other side and the other way round, each
offset shown to be a whole number of periods away. What is not linear in k, or not in a rational proportion, or needs
more than `_MOST_OFFSETS` offsets, is not decided here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from reward_server.math import numeric
from reward_server.math.nodes import Add, Div, Mul, Neg, Node, Num, Sym, substitute
from reward_server.math.numeric import Effort

_MOST_OFFSETS = 24
_LARGEST_DENOMINATOR = 24

Same = Callable[[Node, Node], bool | None]


@dataclass(frozen=True, slots=True)
class Progression:
    """`offset` and every whole number of `step`s from it."""

    offset: Node
    step: Node


def progressions(value: Node, parameter: str, same: Same) -> list[Progression] | None:
    """What an expression runs through; `(-1)^k π/6 + kπ` through one progression for even and one for odd k."""
    whole = _linear(value, parameter, same)
    if whole is not None:
        return [whole]
    double = Mul((Num(Fraction(2)), Sym(parameter)))
    halves = [substitute(value, parameter, index) for index in (double, Add((double, Num(Fraction(1)))))]
    parts = [_linear(half, parameter, same) for half in halves]
    return [part for part in parts if part is not None] if None not in parts else None


def _linear(value: Node, parameter: str, same: Same) -> Progression | None:
    zero, one = (substitute(value, parameter, Num(Fraction(index))) for index in (0, 1))
    step = Add((one, Neg(zero)))
    linear = Add((zero, Mul((Sym(parameter), step))))
    return Progression(zero, step) if same(value, linear) is True else None


def same_union(left: Sequence[Progression], right: Sequence[Progression], effort: Effort, same: Same) -> bool | None:
    """Whether the progressions of both sides hold the same values; None where that is not decided."""
    unit = left[0].step
    ratios = [[_proportion(one.step, unit, effort, same) for one in side] for side in (left, right)]
    steps = [[abs(ratio) for ratio in side if ratio] for side in ratios]
    if [len(side) for side in steps] != [len(left), len(right)]:
        return None
    period = _common_multiple([step for side in steps for step in side])
    if any(sum(period / step for step in side) > _MOST_OFFSETS for side in steps):
        return None
    whole = Mul((Num(period), unit))
    offsets = [_offsets(side, period, ratio) for side, ratio in zip((left, right), steps, strict=True)]
    return all(
        any(_is_whole(Div(Add((one, Neg(other))), whole), effort, same) for other in others)
        for ones, others in (offsets, offsets[::-1])
        for one in ones
    )


def _offsets(side: Sequence[Progression], period: Fraction, steps: Sequence[Fraction]) -> list[Node]:
    return [
        Add((one.offset, Mul((Num(Fraction(index)), one.step))))
        for one, step in zip(side, steps, strict=True)
        for index in range(int(period / step))
    ]


def _proportion(step: Node, unit: Node, effort: Effort, same: Same) -> Fraction | None:
    value = numeric.constant(Div(step, unit), effort)
    if value is None or not value.imag.contains(0):
        return None
    lower, upper = numeric.bounds(value.real)
    ratio = ((lower + upper) / 2).limit_denominator(_LARGEST_DENOMINATOR)
    return ratio if same(step, Mul((Num(ratio), unit))) is True else None


def _common_multiple(values: Sequence[Fraction]) -> Fraction:
    bottom = math.lcm(*(value.denominator for value in values))
    return Fraction(math.lcm(*(int(value * bottom) for value in values)), bottom)


def _is_whole(value: Node, effort: Effort, same: Same) -> bool:
    ball = numeric.constant(value, effort)
    whole = None if ball is None else ball.real.unique_fmpz()
    return whole is not None and same(value, Num(Fraction(int(whole)))) is True
