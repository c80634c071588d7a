"""Exact values: rational arithmetic over what has a rational value, with bounds on the size of all results.

Guaranteed: a result is exact; no integer of more than `MOST_BITS` bits is computed, whatever is asked for. An
expression that has no rational value, or one beyond the bound, has none here, and that says nothing about it.
"""

from __future__ import annotations

import math
from fractions import Fraction

from flint import fmpz

from reward_server.math.budget import spend
from reward_server.math.nodes import (
    Add,
    Based,
    BigOperator,
    Call,
    Div,
    Matrix,
    Mul,
    Neg,
    Node,
    Num,
    Percent,
    Pow,
    substitute,
    walk,
)

MOST_BITS = 40_000
MOST_TERMS = 400
_LARGEST_DETERMINANT = 4
_BITS_OF_ONE = 800  # of a number that takes one more unit of work


class UndefinedError(Exception):
    """The expression has no value: it divides by zero."""


def exact(node: Node) -> Fraction | None:
    """The rational value of a node, None where it is not rational or not computed here.

    Raises:
        UndefinedError: it divides by zero.
        BeyondBudgetError: it is too much work for where it is asked.
    """
    match node:
        case Num(value):
            return value
        case Neg(operand):
            value_ = exact(operand)
            return None if value_ is None else -value_
        case Percent(operand):
            value_ = exact(operand)
            return None if value_ is None else value_ / 100
        case Add(terms):
            return _sum(terms)
        case Mul(factors):
            return _product(factors)
        case Div(top, bottom):
            return _quotient(exact(top), exact(bottom))
        case Pow(base, exponent):
            return _power(exact(base), exact(exponent))
        case Based(digits, base):
            return Fraction(int(digits, base))
        case Call(name, arguments):
            return _call(name, arguments)
        case BigOperator("sum" | "prod"):
            return _series(node)
        case _:
            return None


def bits(value: Fraction) -> int:
    """The size of a rational number."""
    return value.numerator.bit_length() + value.denominator.bit_length()


def _bounded(value: Fraction) -> Fraction | None:
    size = bits(value)
    if size > _BITS_OF_ONE:
        spend((size / _BITS_OF_ONE) ** 2)  # a greatest common divisor takes quadratic time
    return value if size <= MOST_BITS else None


def _sum(terms: tuple[Node, ...]) -> Fraction | None:
    spend(len(terms))
    total: Fraction | None = Fraction(0)
    for term in terms:
        value = exact(term)  # every term is looked at, so that a division by zero is seen in any of them
        total = None if total is None or value is None else _bounded(total + value)
    return total


def _product(factors: tuple[Node, ...]) -> Fraction | None:
    spend(len(factors))
    total: Fraction | None = Fraction(1)
    for factor in factors:
        value = exact(factor)
        total = None if total is None or value is None else _bounded(total * value)
    return total


def _quotient(top: Fraction | None, bottom: Fraction | None) -> Fraction | None:
    if bottom == 0:
        raise UndefinedError
    return None if top is None or bottom is None else _bounded(top / bottom)


def _power(base: Fraction | None, exponent: Fraction | None) -> Fraction | None:
    if base is None or exponent is None:
        return None
    if exponent.denominator == 1:
        return _integer_power(base, exponent.numerator)
    root = _root(base, exponent.denominator)
    return None if root is None else _integer_power(root, exponent.numerator)


def _integer_power(base: Fraction, exponent: int) -> Fraction | None:
    if base == 0 and exponent <= 0:
        raise UndefinedError
    if base in {0, 1}:
        return base
    if base == -1:
        return Fraction(-1 if exponent % 2 else 1)
    size = bits(base) * abs(exponent)
    if size > MOST_BITS:
        return None
    spend(size / _BITS_OF_ONE)
    return base**exponent


def _root(value: Fraction, degree: int) -> Fraction | None:
    """The real root where it is rational: odd degrees of negative numbers are real here."""
    if value < 0:
        root = _root(-value, degree) if degree % 2 else None
        return None if root is None else -root
    if degree > MOST_BITS:
        return None
    parts = [int(fmpz(part).root(degree)) for part in (value.numerator, value.denominator)]
    if parts[0] ** degree == value.numerator and parts[1] ** degree == value.denominator:
        return Fraction(parts[0], parts[1])
    return None


def _call(name: str, arguments: tuple[Node, ...]) -> Fraction | None:
    if name == "det" and len(arguments) == 1 and isinstance(arguments[0], Matrix):
        expanded = determinant(arguments[0])
        return None if expanded is None else exact(expanded)
    found = [exact(argument) for argument in arguments]
    values = [value for value in found if value is not None]
    if len(values) != len(found):
        return None
    match name, values:
        case "abs", [x]:
            return abs(x)
        case "sgn", [x]:
            return Fraction((x > 0) - (x < 0))
        case "floor", [x]:
            return Fraction(math.floor(x))
        case "ceil", [x]:
            return Fraction(math.ceil(x))
        case "max", _:
            return max(values)
        case "min", _:
            return min(values)
        case "root", [x, n] if n.denominator == 1 and n > 0:
            return _root(x, n.numerator)
        case "mod", [x, m]:
            if m == 0:
                raise UndefinedError
            return x % m
        case _:
            return _of_integers(name, [value.numerator for value in values if value.denominator == 1], len(values))


def _of_integers(name: str, values: list[int], expected: int) -> Fraction | None:
    if len(values) != expected:
        return None
    match name, values:
        case "factorial", [n] if 0 <= n <= MOST_BITS // 16:
            return Fraction(math.factorial(n))
        case "factorial2", [n] if 0 <= n <= MOST_BITS // 16:
            return Fraction(math.prod(range(n, 0, -2)))
        case "binom", [n, k] if 0 <= k <= n and min(k, n - k) * n.bit_length() <= MOST_BITS:
            return Fraction(math.comb(n, k))
        case "gcd", _:
            return Fraction(math.gcd(*values))
        case "lcm", _:
            return _bounded(Fraction(math.lcm(*values)))
        case _:
            return None


def _series(node: BigOperator) -> Fraction | None:
    if any(isinstance(one, BigOperator) for one in walk(node.body)):
        return None  # nested, and the number of terms a product of those of each
    terms = series_terms(node, MOST_TERMS)
    if terms is None:
        return None
    return _sum(terms) if node.kind == "sum" else _product(terms)


def series_terms(node: BigOperator, most: int) -> tuple[Node, ...] | None:
    """The terms of a finite sum or product, None where its bounds are no integers or it has more than `most`."""
    lower = None if node.lower is None else exact(node.lower)
    upper = None if node.upper is None else exact(node.upper)
    if lower is None or upper is None or lower.denominator != 1 or upper.denominator != 1 or upper - lower >= most:
        return None
    indices = range(lower.numerator, upper.numerator + 1)
    spend(len(indices) * sum(1 for _ in walk(node.body)))
    return tuple(substitute(node.body, node.variable, Num(Fraction(index))) for index in indices)


def determinant(matrix: Matrix) -> Node | None:
    """The determinant of a small matrix, written out."""
    size = len(matrix.rows)
    if size > _LARGEST_DETERMINANT or any(len(row) != size for row in matrix.rows):
        return None
    if size == 1:
        return matrix.rows[0][0]
    terms: list[Node] = []
    for column, cell in enumerate(matrix.rows[0]):
        minor = determinant(Matrix(tuple(row[:column] + row[column + 1 :] for row in matrix.rows[1:])))
        assert minor is not None
        term = Mul((cell, minor))
        terms.append(Neg(term) if column % 2 else term)
    return Add(tuple(terms))
