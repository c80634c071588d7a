"""Equality by SymPy, for what no other rung decides. Runs only in worker processes.

Our own nodes are translated, never text: nothing that was written in an answer reaches a parser of SymPy. Variables are
declared real, those that count something integers. Powers and factorials beyond a bound are refused before SymPy would
write out their digits; the limits of the worker guard the rest.
"""

from __future__ import annotations

from collections.abc import Callable

import sympy
from sympy.core.cache import clear_cache

from reward_server.math import numeric
from reward_server.math.exact import UndefinedError, determinant, exact
from reward_server.math.nodes import (
    Add,
    Apply,
    BigOperator,
    Call,
    Const,
    Degrees,
    Div,
    Matrix,
    Mul,
    Neg,
    Node,
    Percent,
    Pow,
    Sym,
    is_unknown,
    key,
)

_UNEVALUATED = (sympy.Integral, sympy.Sum, sympy.Product, sympy.Limit)
_DIGITS = 60
_CLOSE = sympy.Float("1e-40", _DIGITS)


class UntranslatableError(Exception):
    """There is no SymPy expression for a node, or none that we let it compute."""


def equal(reference: Node, answer: Node) -> bool | None:
    """Whether SymPy shows two expressions to be equal, or different; None where it shows neither."""
    try:
        translator = _Translator(numeric.whole_names((reference, answer)))
        left, right = (translator.expression(node).doit() for node in (reference, answer))
        return _same(left, right)
    except (UntranslatableError, UndefinedError):
        return None
    # SymPy raises almost anything on what it cannot do; all of it means that it shows nothing. What must not be
    # swallowed is what says that a limit was hit.
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001
        return None
    finally:
        clear_cache()


def _same(left: sympy.Expr, right: sympy.Expr) -> bool | None:
    if left == right:
        return None if left.has(sympy.nan, sympy.zoo) else True
    if any(side.has(sympy.nan, sympy.zoo, sympy.oo) for side in (left, right)):
        return False if not any(side.has(*_UNEVALUATED) for side in (left, right)) else None
    difference = left - right
    if not difference.free_symbols and not difference.has(*_UNEVALUATED):
        value = abs(difference.evalf(_DIGITS, maxn=2000))
        if value.is_comparable and value > _CLOSE:
            return False
    if sympy.simplify(difference) == 0:
        return True
    return bool(verdict) if (verdict := difference.equals(0)) is not None else None


class _Translator:
    def __init__(self, whole: frozenset[str]) -> None:
        self._whole = whole

    def _symbol(self, name: str) -> sympy.Symbol:
        if name in self._whole:
            return sympy.Symbol(name, integer=True, positive=True)
        return sympy.Symbol(name, real=True)

    def expression(self, node: Node) -> sympy.Expr:
        """The SymPy expression of a node.

        Raises:
            UntranslatableError: it has none.
            UndefinedError: it divides by zero.
        """
        value = exact(node)
        if value is not None:
            return sympy.Rational(value.numerator, value.denominator)
        match node:
            case Sym(name):
                return self._symbol(name)
            case Apply():
                return self._symbol(key(node))
            case Const(name):
                return _CONSTANTS[name]
            case Neg(operand):
                return -self.expression(operand)
            case Add(terms):
                return sympy.Add(*map(self.expression, terms))
            case Mul(factors):
                return sympy.Mul(*map(self.expression, factors))
            case Div(top, bottom):
                return self.expression(top) / self.expression(bottom)
            case Pow(base, exponent):
                return self._power(base, exponent)
            case Percent(operand):
                return self.expression(operand) / 100
            case Degrees(operand):
                return self.expression(operand) * sympy.pi / 180
            case Call(name, arguments):
                return self._call(name, arguments)
            case BigOperator():
                return self._operator(node)
            case _:
                raise UntranslatableError

    def _power(self, base: Node, exponent: Node) -> sympy.Expr:
        below, above = exact(base), exact(exponent)
        if below is not None and above is not None:
            if above.denominator == 1 or abs(above) > 1000:
                raise UntranslatableError  # it has an exact value, but one beyond the bound
            if below < 0 and above.denominator % 2:
                return -((-self.expression(base)) ** self.expression(exponent)) * (-1) ** (above.numerator + 1)
        return self.expression(base) ** self.expression(exponent)

    def _call(self, name: str, arguments: tuple[Node, ...]) -> sympy.Expr:
        if name == "det" and isinstance(arguments[0], Matrix):
            expanded = determinant(arguments[0])
            if expanded is None:
                raise UntranslatableError
            return self.expression(expanded)
        if name in {"factorial", "factorial2", "binom"} and all(exact(argument) is not None for argument in arguments):
            raise UntranslatableError  # it has an exact value, but one beyond the bound
        values = [self.expression(argument) for argument in arguments]
        if name == "root":
            index = exact(arguments[1])
            if index is not None and index.denominator == 1 and index % 2:
                return sympy.real_root(values[0], values[1])
            return values[0] ** (1 / values[1])
        if name == "log":
            return sympy.log(values[0]) / sympy.log(values[1]) if len(values) == 2 else sympy.log(values[0])
        if name not in _FUNCTIONS:
            raise UntranslatableError
        return _FUNCTIONS[name](*values)

    def _operator(self, node: BigOperator) -> sympy.Expr:
        if is_unknown(node):
            raise UntranslatableError
        inner = _Translator(self._whole | {node.variable} if node.kind in {"sum", "prod"} else self._whole)
        variable = inner._symbol(node.variable)
        body = inner.expression(node.body)
        ends = [None if end is None else self.expression(end) for end in (node.lower, node.upper)]
        match node.kind, ends:
            case "lim", [where, None] if where is not None:
                direction = node.direction or ("+-" if where.is_finite else "+")
                return sympy.Limit(body, variable, where, direction if where.is_finite else "+")
            case "int", [None, None]:
                return sympy.Integral(body, variable)
            case kind, [lower, upper] if lower is not None and upper is not None:
                operator = {"int": sympy.Integral, "sum": sympy.Sum, "prod": sympy.Product}[kind]
                return operator(body, (variable, lower, upper))
            case _:
                raise UntranslatableError


_CONSTANTS = {"pi": sympy.pi, "e": sympy.E, "i": sympy.I, "oo": sympy.oo}
_FUNCTIONS: dict[str, Callable[..., sympy.Expr]] = {
    "sin": sympy.sin,
    "cos": sympy.cos,
    "tan": sympy.tan,
    "cot": sympy.cot,
    "sec": sympy.sec,
    "csc": sympy.csc,
    "arcsin": sympy.asin,
    "arccos": sympy.acos,
    "arctan": sympy.atan,
    "arccot": sympy.acot,
    "sinh": sympy.sinh,
    "cosh": sympy.cosh,
    "tanh": sympy.tanh,
    "arsinh": sympy.asinh,
    "arcosh": sympy.acosh,
    "artanh": sympy.atanh,
    "ln": sympy.log,
    "abs": sympy.Abs,
    "norm": sympy.Abs,
    "floor": sympy.floor,
    "ceil": sympy.ceiling,
    "gamma": sympy.gamma,
    "factorial": sympy.factorial,
    "factorial2": sympy.factorial2,
    "binom": sympy.binomial,
    "max": sympy.Max,
    "min": sympy.Min,
    "sgn": sympy.sign,
}
