r"""Arbitrary constants: `x² + C`, `Ce^x`, `C_1 e^x + C_2 e^{-x}`, and when two such expressions are the same family.

Guaranteed: what is called a constant here stands where a constant of integration stands: as a term of its own next to a
function of x (or of another usual variable), or in front of an exponential or trigonometric function. Anything else is
a variable as any other, `A + C`, `Cx`. A constant has to be there on both sides, as often on the one as on the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from fractions import Fraction

from reward_server.math.exact import UndefinedError, exact
from reward_server.math.nodes import (
    Add,
    BigOperator,
    Call,
    Div,
    Mul,
    Neg,
    Node,
    Num,
    Pow,
    Sym,
    free_names,
    substitute,
    walk,
)

# ruff: noqa: SIM905 - a paragraph of words is read more easily than a list of strings

_INTEGRATED = frozenset("x y z t u v w r s theta".split())
_USUAL = frozenset("C C_1 C_2 C_3 c_1 c_2 c_3".split())  # what hardly anything else is called
_ALLOWED = _USUAL | frozenset("K c k A B D K_1 K_2 k_1 k_2 A_1 A_2".split())
_MOST_CONSTANTS = 3
_TRANSCENDENTAL = frozenset("sin cos tan sinh cosh tanh ln log".split())


def same_families(left: Node, right: Node) -> Iterator[tuple[Node, Node]]:
    """Pairs of expressions of which any is equal where both sides are the same family; none where they are none."""
    variables = free_names(left) & free_names(right) & _INTEGRATED
    if not variables:
        return
    sides = [_constants(side, variables) for side in (left, right)]
    if not sides[0] or len(sides[0]) != len(sides[1]) or not any(set(side) <= _USUAL for side in sides):
        return
    if free_names(left) - set(sides[0]) != free_names(right) - set(sides[1]):
        return
    if len(sides[0]) == 1:
        yield from _shifted(left, right, sides[0][0], sides[1][0])
    for names in itertools.permutations(sides[1]):
        yield left, _renamed(right, names, sides[0])


def _constants(side: Node, variables: frozenset[str]) -> list[str]:
    """The names that stand only where a constant of integration can; none where one of them stands elsewhere too."""
    found = sorted(name for name in free_names(side) & _ALLOWED if _is_constant(side, name, variables))
    return found if len(found) <= _MOST_CONSTANTS else []


def _is_constant(side: Node, name: str, variables: frozenset[str]) -> bool:
    if any(isinstance(one, BigOperator) for one in walk(side)):
        return False
    terms = side.terms if isinstance(side, Add) else (side,)
    holding = [term for term in terms if name in free_names(term)]
    if len(holding) != 1:
        return False
    others = _factor_of(holding[0], name)
    if others is None:
        return False
    coefficient = Mul((*others, Num(Fraction(1))))
    if free_names(coefficient):
        return any(map(_is_transcendental, walk(coefficient))) and bool(free_names(coefficient) & variables)
    rest = frozenset().union(*(free_names(term) for term in terms if term is not holding[0]))
    return bool(rest & variables) and _is_number(coefficient)


def _factor_of(term: Node, name: str) -> tuple[Node, ...] | None:
    """The other factors of a term that is a multiple of a name; None where it is none."""
    match term:
        case Sym(other) if other == name:
            return ()
        case Neg(operand):
            inner = _factor_of(operand, name)
            return None if inner is None else (*inner, Num(Fraction(-1)))
        case Mul(factors):
            holding = [index for index, factor in enumerate(factors) if name in free_names(factor)]
            inner = _factor_of(factors[holding[0]], name) if len(holding) == 1 else None
            return None if inner is None else (*factors[: holding[0]], *factors[holding[0] + 1 :], *inner)
        case Div(top, bottom) if name not in free_names(bottom):
            inner = _factor_of(top, name)
            return None if inner is None else (*inner, Div(Num(Fraction(1)), bottom))
        case _:
            return None


def _is_transcendental(node: Node) -> bool:
    match node:
        case Pow(_, exponent):
            return bool(free_names(exponent))
        case Call(name, arguments):
            return name in _TRANSCENDENTAL and any(map(free_names, arguments))
        case _:
            return False


def _is_number(coefficient: Node) -> bool:
    try:
        return bool(exact(coefficient))
    except UndefinedError:
        return False


def _shifted(left: Node, right: Node, one: str, other: str) -> Iterator[tuple[Node, Node]]:
    """How much each side grows between two places: an additive constant is no part of that."""
    if not all(_is_additive(side, name) for side, name in ((left, one), (right, other))):
        return
    names = sorted((free_names(left) | free_names(right)) - {one, other})
    growth = []
    for side, name in ((left, one), (right, other)):
        here = substitute(side, name, Num(Fraction(0)))
        there = here
        for variable in names:
            there = substitute(there, variable, Sym(f"{variable} elsewhere"))
        growth.append(Add((here, Neg(there))))
    yield growth[0], growth[1]


def _is_additive(side: Node, name: str) -> bool:
    terms = side.terms if isinstance(side, Add) else (side,)
    factors = [_factor_of(term, name) for term in terms if name in free_names(term)]
    return len(factors) == 1 and factors[0] is not None and not any(map(free_names, factors[0]))


def _renamed(side: Node, names: Sequence[str], others: Sequence[str]) -> Node:
    for index, name in enumerate(names):
        side = substitute(side, name, Sym(f"constant {index}"))
    for index, other in enumerate(others):
        side = substitute(side, f"constant {index}", Sym(other))
    return side
