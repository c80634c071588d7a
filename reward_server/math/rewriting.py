"""Expressions written otherwise: with both signs of `\\pm`, without denominators, with another name for a constant."""

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
    Sym,
    free_names,
    substitute,
    walk,
)

_MOST_SIGNS = 4
_INTEGRATED = frozenset("x y z t u v w r s theta".split())  # noqa: SIM905
_CONSTANTS_OF_INTEGRATION = frozenset({"C", "K", "c", "k", "C_1", "c_1"})


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
        case _:
            return node


def with_constant_of_integration_of(left: Node, right: Node) -> Node:
    """The right side with its constant of integration named as on the left: `x² + K` for `x² + C`."""
    constants = [_lone_constants(side) for side in (left, right)]
    if len(constants[0]) != 1 or len(constants[1]) != 1 or constants[0] == constants[1]:
        return right
    (one,), (other,) = constants
    if not free_names(left) & free_names(right) & _INTEGRATED:
        return right
    if "C" not in {one, other} or one in free_names(right) or other in free_names(left):
        return right
    return substitute(right, other, Sym(one))


def _lone_constants(node: Node) -> list[str]:
    if not isinstance(node, Add):
        return []
    lone = [term.name for term in node.terms if isinstance(term, Sym) and term.name in _CONSTANTS_OF_INTEGRATION]
    rest = Add(tuple(term for term in node.terms if not isinstance(term, Sym) or term.name not in lone))
    return lone if len(lone) == 1 and free_names(rest) - {lone[0]} and lone[0] not in free_names(rest) else []


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
