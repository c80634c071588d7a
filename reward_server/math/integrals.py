"""Definite integrals as balls, by Arb's adaptive integration.

Guaranteed: a ball that is finite holds the integral. Only integrands of functions whose branch cuts we know are
integrated, over a finite interval on which they are bounded; any other has no value here. A quotient that is 0/0 at an
end of the interval, such as `ln(1+x)/x` at 0, is bounded by the quotient of the derivatives.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from flint import acb, arb, fmpq, fmpz

from reward_server.math.exact import UndefinedError, exact
from reward_server.math.nodes import (
    Add,
    BigOperator,
    Call,
    Const,
    Div,
    Mul,
    Neg,
    Node,
    Num,
    Pow,
    Sym,
    free_names,
    walk,
)

_MEROMORPHIC = {
    "sin": acb.sin,
    "cos": acb.cos,
    "tan": acb.tan,
    "cot": acb.cot,
    "sec": acb.sec,
    "csc": acb.csc,
    "sinh": acb.sinh,
    "cosh": acb.cosh,
    "tanh": acb.tanh,
}
_KNOWN = frozenset({*_MEROMORPHIC, "ln", "root", "arctan"})
_LARGEST_EXPONENT = 1_000
_MOST_EVALUATIONS = 20_000
_NOWHERE = acb("nan")


def definite(node: BigOperator, lower: acb, upper: acb, values: Mapping[str, fmpq]) -> acb | None:
    """The integral between two real ends at the values of its other variables; None where it is not found here."""
    if not (lower.imag.is_zero() and upper.imag.is_zero() and lower.is_finite() and upper.is_finite()):
        return None
    if not all(map(_is_known, walk(node.body))) or free_names(node.body) - values.keys() - {node.variable}:
        return None
    integrand = _Integrand(node, (lower, upper), values)
    try:
        found = acb.integral(integrand, lower, upper, eval_limit=_MOST_EVALUATIONS)
    except UndefinedError:
        return None
    return found if found.is_finite() else None


def _is_known(node: Node) -> bool:
    match node:
        case Num() | Sym() | Add() | Mul() | Neg() | Div() | Const("pi" | "e"):
            return True
        case Pow(base, exponent):
            power = None if free_names(exponent) else exact(exponent)
            return base == Const("e") or (power is not None and abs(power) <= _LARGEST_EXPONENT)
        case Call("root", (_, degree)):
            return exact(degree) not in {None, 0}
        case Call(name, arguments):
            return name in _KNOWN and len(arguments) == 1
        case _:
            return False


class _Integrand:
    def __init__(self, node: BigOperator, ends: tuple[acb, acb], values: Mapping[str, fmpq]) -> None:
        self._body, self._variable = node.body, node.variable
        self._ends = ends
        self._values = {name: acb(arb(value)) for name, value in values.items()}

    def __call__(self, x: acb, analytic: bool) -> acb:
        """A ball around the values on a ball; where they have to be analytic and are not known to be, no number."""
        return self._value(self._body, x, analytic)

    def _value(self, node: Node, x: acb, analytic: bool) -> acb:
        match node:
            case Num(value):
                return acb(arb(fmpq(value.numerator, value.denominator)))
            case Sym(name):
                return x if name == self._variable else self._values[name]
            case Const("pi"):
                return acb.pi()
            case Const():
                return acb(1).exp()
            case Neg(operand):
                return -self._value(operand, x, analytic)
            case Add(terms):
                return sum((self._value(term, x, analytic) for term in terms), acb(0))
            case Mul(factors):
                product = acb(1)
                for factor in factors:
                    product *= self._value(factor, x, analytic)
                return product
            case Div(top, bottom):
                return self._quotient(top, bottom, x, analytic)
            case Pow(Const("e"), exponent):
                return self._value(exponent, x, analytic).exp()
            case Pow(base, exponent):
                return self._power(self._value(base, x, analytic), exact(exponent), analytic)
            case Call("root", (base, degree)):
                inverse = exact(degree)
                assert inverse
                return self._power(self._value(base, x, analytic), 1 / inverse, analytic)
            case Call(name, (argument,)):
                return self._call(name, self._value(argument, x, analytic), analytic)
            case _:
                return _NOWHERE

    def _power(self, base: acb, exponent: Fraction | None, analytic: bool) -> acb:
        assert exponent is not None
        if exponent.denominator == 1:
            return base ** fmpz(exponent.numerator)
        if base.imag.contains(0) and base.real < 0:
            return _NOWHERE  # its odd roots are real for us, and not on this branch
        if exponent.denominator == 2:
            return base.sqrt(analytic=analytic) ** fmpz(exponent.numerator)
        return base.pow(acb(arb(fmpq(exponent.numerator, exponent.denominator))), analytic=analytic)

    def _call(self, name: str, x: acb, analytic: bool) -> acb:
        if name == "ln":
            return x.log(analytic=analytic)
        if name == "arctan":
            return _NOWHERE if analytic and not abs(x.imag) < 1 else x.atan()
        return acb(_MEROMORPHIC[name](x))

    def _quotient(self, top: Node, bottom: Node, x: acb, analytic: bool) -> acb:
        below = self._value(bottom, x, analytic)
        if analytic or not below.contains(0) or not x.imag.is_zero():
            return self._value(top, x, analytic) / below
        # By Cauchy's mean value theorem, on an interval with one end where both are exactly 0.
        slopes = [_derivative(part, self._variable) for part in (top, bottom)]
        if slopes[0] is None or slopes[1] is None or not any(self._vanish(end, x, top, bottom) for end in self._ends):
            return _NOWHERE
        return self._value(slopes[0], x, analytic) / self._value(slopes[1], x, analytic)

    def _vanish(self, end: acb, x: acb, *parts: Node) -> bool:
        """Whether all parts are exactly 0 at an end, in whose ball nothing lies beyond the other end."""
        exactly = end.real.is_exact() and x.contains(end)
        return exactly and all(self._value(part, end, False).is_zero() for part in parts)


def _derivative(node: Node, variable: str) -> Node | None:
    """The derivative of an expression, None where it takes more rules than these."""
    if variable not in free_names(node):
        return Num(Fraction(0))
    match node:
        case Sym():
            return Num(Fraction(1))
        case Neg(operand):
            inner = _derivative(operand, variable)
            return None if inner is None else Neg(inner)
        case Add(terms):
            slopes = [_derivative(term, variable) for term in terms]
            found = tuple(slope for slope in slopes if slope is not None)
            return Add(found) if len(found) == len(terms) else None
        case Mul((first, *others)) if others:
            rest = others[0] if len(others) == 1 else Mul(tuple(others))
            one, other = _derivative(first, variable), _derivative(rest, variable)
            return None if one is None or other is None else Add((Mul((one, rest)), Mul((first, other))))
        case Pow(Const("e"), exponent):
            return _chained(node, exponent, variable)
        case Pow(base, exponent) if exact(exponent) is not None:
            lowered = Pow(base, Add((exponent, Num(Fraction(-1)))))
            return _chained(Mul((exponent, lowered)), base, variable)
        case Call("sin", (argument,)):
            return _chained(Call("cos", (argument,)), argument, variable)
        case Call("cos", (argument,)):
            return _chained(Neg(Call("sin", (argument,))), argument, variable)
        case Call("ln", (argument,)):
            return _chained(Div(Num(Fraction(1)), argument), argument, variable)
        case Call("arctan", (argument,)):
            square = Pow(argument, Num(Fraction(2)))
            return _chained(Div(Num(Fraction(1)), Add((Num(Fraction(1)), square))), argument, variable)
        case _:
            return None


def _chained(outer: Node, argument: Node, variable: str) -> Node | None:
    inner = _derivative(argument, variable)
    return None if inner is None else Mul((outer, inner))
