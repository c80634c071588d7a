"""Expressions written otherwise: with both signs of `\\pm`, without denominators."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction

from reward_server.math.nodes import (
    Add,
    Call,
    Degrees,
    Div,
    Group,
    Mul,
    Neg,
    Node,
    Num,
    Percent,
    PlusMinus,
    Pow,
    Quantity,
    free_names,
    walk,
)

_MOST_SIGNS = 4


def with_both_signs(node: Node) -> tuple[Node, ...]:
    r"""The values that an expression with `\pm` stands for: independent signs, except that `\mp` is tied to `\pm`."""
    signs = [one for one in walk(node) if isinstance(one, PlusMinus)]
    if not signs or len(signs) > _MOST_SIGNS:
        return (node,)
    if any(one.sign < 0 for one in signs):
        choices: list[tuple[int, ...]] = [(1,) * len(signs), (-1,) * len(signs)]
    else:
        choices = list(itertools.product((1, -1), repeat=len(signs)))
    return tuple(_signed(node, iter(choice)) for choice in choices)


def _signed(node: Node, signs: Iterator[int]) -> Node:
    match node:
        case PlusMinus(operand, sign):
            positive = next(signs) * sign > 0
            inner = _signed(operand, signs)
            return inner if positive else Neg(inner)
        case Add(terms):
            return Add(tuple(_signed(term, signs) for term in terms))
        case Mul(factors):
            return Mul(tuple(_signed(factor, signs) for factor in factors))
        case Div(top, bottom):
            return Div(_signed(top, signs), _signed(bottom, signs))
        case Pow(base, exponent):
            return Pow(_signed(base, signs), _signed(exponent, signs))
        case Neg(operand):
            return Neg(_signed(operand, signs))
        case Call(name, arguments):
            return Call(name, tuple(_signed(argument, signs) for argument in arguments))
        case Group("tuple" | "angle" as kind, items):
            return Group(kind, tuple(_signed(item, signs) for item in items))
        case Degrees(operand):
            return Degrees(_signed(operand, signs))
        case Percent(operand):
            return Percent(_signed(operand, signs))
        case Quantity(value, unit):
            return Quantity(_signed(value, signs), unit)
        case Group(kind, items, joiner):
            return Group(kind, tuple(_signed(item, signs) for item in items), joiner)
        case _:
            return node


def numerator(node: Node) -> Node:
    """An expression without its denominators, which changes nothing about where it is zero and defined."""
    top, bottom = _as_fraction(node)
    return top if any(free_names(factor) for factor in (bottom,)) else node


def _as_fraction(node: Node) -> tuple[Node, Node]:
    one = Num(Fraction(1))
    match node:
        case Neg(operand):
            top, bottom = _as_fraction(operand)
            return Neg(top), bottom
        case Div(upper, lower):
            (a, b), (c, d) = _as_fraction(upper), _as_fraction(lower)
            return Mul((a, d)), Mul((b, c))
        case Mul(factors):
            parts = [_as_fraction(factor) for factor in factors]
            return Mul(tuple(top for top, _ in parts)), Mul(tuple(bottom for _, bottom in parts))
        case Add(terms):
            fractions = [_as_fraction(term) for term in terms]
            bottoms = list(dict.fromkeys(bottom for _, bottom in fractions if bottom != one))
            if not bottoms:
                return node, one
            tops = [Mul((top, *(other for other in bottoms if other != bottom))) for top, bottom in fractions]
            return Add(tuple(tops)), Mul(tuple(bottoms))
        case _:
            return node, one
