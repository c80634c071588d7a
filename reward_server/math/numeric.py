"""Values of expressions as balls: certified to differ, or agreeing to far more digits than chance allows.

Guaranteed: `differ` is a proof, by interval arithmetic (Arb, through python-flint) at a point where both expressions
are defined. `agree` means that the two agree at every point looked at, to a precision that grows with the size of
everything that occurs in them, so that a term that is tiny next to the others is still seen: it is no proof but no
coincidence. Work is bounded by the size of the expression and the precision; towers of powers and huge factorials are
refused before they are computed.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from flint import acb, arb, ctx, fmpq, fmpz

from reward_server.math import integrals
from reward_server.math.budget import spend
from reward_server.math.exact import UndefinedError, determinant, exact
from reward_server.math.nodes import (
    INFINITY,
    Add,
    Apply,
    Based,
    BigOperator,
    Call,
    Const,
    Degrees,
    Div,
    Matrix,
    Mul,
    Neg,
    Node,
    Num,
    Percent,
    Pow,
    Sym,
    children,
    free_names,
    is_unknown,
    key,
    walk,
)

_FIRST_PRECISION = 128
_FEWEST_POINTS = 3  # at which both sides are defined
_WEIGHED = (Num, Pow, Call, Div, Add)  # whose size asks for precision
_LEAVING_REALS = (Pow, Call)
_SHARES = (fmpq(1, 97), fmpq(2, 7), fmpq(3, 5), fmpq(88, 89))  # of an interval
_HEAVIEST_INTEGRAL = 1_500  # bits
_COUNTED_TOGETHER = 50  # nodes
_OF_A_COMPARISON = 40  # units of work to choose the points
_USUAL_POINTS = 8  # after these, more are looked at only where both sides were seldom defined
_MOST_EXPONENT_BITS = 64  # of the logarithm of anything that is computed


@dataclass(frozen=True, slots=True)
class Effort:
    """How much work an evaluation may be."""

    nodes: int = 300  # of both expressions
    names: int = 10  # variables
    work: int = 2_000  # nodes evaluated for one value, with every term of a sum
    precision: int = 4_096  # bits
    terms: int = 400  # of one sum
    integrals: bool = False  # whether definite integrals are evaluated


IN_PROCESS = Effort()
IN_WORKER = Effort(nodes=20_000, names=1_000, work=200_000, precision=200_000, terms=50_000, integrals=True)


class CannotEvaluateError(Exception):
    """The expression holds something that has no number, or is too large to be computed."""


class TooMuchWorkError(CannotEvaluateError):
    """It would take more than the effort allows, at this point and at any other."""


class Outcome(Enum):
    """What evaluation has to say on whether two expressions are equal."""

    AGREE = "agree"
    DIFFER = "differ"
    DOMAINS_DIFFER = "domains differ"  # equal wherever both are real, but one is real in more places
    UNKNOWN = "unknown"


@contextmanager
def _precision(bits: int) -> Iterator[None]:
    kept, ctx.prec = ctx.prec, bits
    try:
        yield
    finally:
        ctx.prec = kept


def compare(left: Node, right: Node, effort: Effort) -> Outcome:
    """Whether two expressions are equal as functions of their variables."""
    size = _size(left) + _size(right)
    spend(_OF_A_COMPARISON + 4 * size)
    if size > effort.nodes or len(free_names(left) | free_names(right)) > effort.names:
        return Outcome.UNKNOWN
    if any(not _has_values(side, effort) for side in (left, right)):
        return Outcome.UNKNOWN
    readings = (None, 10) if any(map(_has_bare_log, (left, right))) else (None,)
    try:
        outcomes = [_Comparison(left, right, effort, base).outcome() for base in readings]
    except TooMuchWorkError:
        return Outcome.UNKNOWN
    # `\log` is read with the base that makes both sides equal, the same one on both.
    return Outcome.AGREE if Outcome.AGREE in outcomes else outcomes[0]


def proportional(left: Node, right: Node, effort: Effort) -> tuple[Outcome, int]:
    """Whether one expression is a constant real multiple of the other, and the sign of the multiple."""
    names, size = free_names(left), _size(left) + _size(right)
    spend(_OF_A_COMPARISON + 4 * size)
    if names != free_names(right) or not names or size > effort.nodes:
        return Outcome.UNKNOWN, 0
    points = _points((left, right), sorted(names), whole=whole_names((left, right)))
    ratios: list[acb] = []
    precision = _FIRST_PRECISION
    for index, point in enumerate(points):
        if index >= _USUAL_POINTS and len(ratios) >= _FEWEST_POINTS:
            break
        evaluator = Evaluator(point, precision, effort)
        try:
            sides = evaluator.value(left), evaluator.value(right)
        except (CannotEvaluateError, UndefinedError):
            continue
        if any(side.contains(0) or not side.is_finite() for side in sides):
            continue
        if not ratios:
            precision = 192 + 2 * evaluator.magnitude
            if precision > effort.precision:
                return Outcome.UNKNOWN, 0
            evaluator = Evaluator(point, precision, effort)
            sides = evaluator.value(left), evaluator.value(right)
        with _precision(precision):
            ratios.append(sides[0] / sides[1])
        if not ratios[0].overlaps(ratios[-1]):
            return Outcome.DIFFER, 0
    if len(ratios) < _FEWEST_POINTS or any(ratio.rel_accuracy_bits() < precision // 2 for ratio in ratios):
        return Outcome.UNKNOWN, 0
    if not ratios[0].imag.contains(0):
        return Outcome.DIFFER, 0
    return Outcome.AGREE, 1 if ratios[0].real > 0 else -1


def constant(node: Node, effort: Effort) -> acb | None:
    """A ball around the value of an expression without variables, None where it has none."""
    size = _size(node)
    spend(10 + size)
    if free_names(node) or size > effort.nodes:
        return None
    evaluator = Evaluator({}, 256, effort)
    try:
        value = evaluator.value(node)
    except (CannotEvaluateError, UndefinedError):
        return None
    return value if value.is_finite() else None


def bounds(ball: arb) -> tuple[Fraction, Fraction]:
    """The two ends of a ball."""
    middle, radius = (_fraction(part) for part in (ball.mid(), ball.rad()))
    return middle - radius, middle + radius


def _fraction(end: arb) -> Fraction:
    mantissa, exponent = end.man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def _size(node: Node) -> int:
    return sum(1 for _ in walk(node))


def _has_values(node: Node, effort: Effort) -> bool:
    return all(one != INFINITY and (not isinstance(one, BigOperator) or _is_finite(one, effort)) for one in walk(node))


def _is_finite(node: BigOperator, effort: Effort) -> bool:
    """Whether an operator asks for a number of values, or for an integral that needs no antiderivative."""
    if node.kind == "int":
        return effort.integrals and node.lower is not None and node.upper is not None
    return node.kind != "lim"


def _has_bare_log(node: Node) -> bool:
    return any(isinstance(one, Call) and one.name == "log" and len(one.arguments) == 1 for one in walk(node))


class _Comparison:
    def __init__(self, left: Node, right: Node, effort: Effort, log_base: int | None) -> None:
        self._left, self._right = left, right
        self._effort = effort
        self._log_base = log_base
        self._complex = any(one == Const("i") for side in (left, right) for one in walk(side))

    def outcome(self) -> Outcome:
        names = sorted(free_names(self._left) | free_names(self._right))
        whole = whole_names((self._left, self._right))
        agreed: list[Mapping[str, fmpq]] = []
        domains_differ = False
        turns = _turning_points((self._left, self._right), names, whole, self._effort) if names else []
        if turns is None:
            return Outcome.UNKNOWN
        if any(self._at(point, _FIRST_PRECISION) is Outcome.DIFFER for point in turns):
            return Outcome.DIFFER
        points = _points((self._left, self._right), names, whole=whole) if names else [{}]
        for index, point in enumerate(points):
            if index >= _USUAL_POINTS and len(agreed) >= _FEWEST_POINTS:
                break
            verdict = self._at(point, _FIRST_PRECISION)
            if verdict is Outcome.DIFFER:
                return verdict
            domains_differ = domains_differ or verdict is Outcome.DOMAINS_DIFFER
            if verdict is Outcome.AGREE:
                agreed.append(point)
        if domains_differ and not agreed:
            return Outcome.DIFFER
        if len(agreed) < (_FEWEST_POINTS if names else 1):
            return Outcome.UNKNOWN
        for point in agreed[:2]:
            verdict = self._closely(point)
            if verdict is not Outcome.AGREE:
                return verdict
        return Outcome.DOMAINS_DIFFER if domains_differ else Outcome.AGREE

    def _at(self, point: Mapping[str, fmpq], precision: int) -> Outcome:
        sides = [self._side(side, point, precision) for side in (self._left, self._right)]
        left, right = sides
        if left is None or right is None:
            return Outcome.UNKNOWN  # a hole, such as that of (x² - 9) / (x - 3), is no difference
        agree = left[0].overlaps(right[0])
        # Where both are not real neither is defined for a reader who knows real numbers only.
        if not self._complex and point and not (left[1] and right[1]):
            if left[1] or right[1]:
                return Outcome.DOMAINS_DIFFER
            return Outcome.AGREE if agree else Outcome.UNKNOWN
        return Outcome.AGREE if agree else Outcome.DIFFER

    def _side(self, side: Node, point: Mapping[str, fmpq], precision: int) -> tuple[acb, bool] | None:
        """The value at a point and whether it is real in all its parts; None where it is undefined, and says nothing.

        As a difference of two logarithms of negative numbers a value is real again, but not to a reader.
        """
        evaluator = Evaluator(point, precision, self._effort, self._log_base)
        try:
            value = evaluator.value(side)
        except TooMuchWorkError:
            raise
        except (CannotEvaluateError, UndefinedError):
            return None
        return (value, evaluator.is_real) if value.is_finite() else None

    def _closely(self, point: Mapping[str, fmpq]) -> Outcome:
        """Compare again with a precision that every part of the expressions matters to."""
        scouts = [Evaluator(point, _FIRST_PRECISION, self._effort, self._log_base) for _ in range(2)]
        try:
            for scout, side in zip(scouts, (self._left, self._right), strict=True):
                scout.value(side)
        except (CannotEvaluateError, UndefinedError):
            return Outcome.UNKNOWN
        needed = 192 + 2 * sum(scout.magnitude for scout in scouts)
        if needed > self._effort.precision:
            return Outcome.UNKNOWN
        for precision in (needed, 2 * needed):
            left = self._side(self._left, point, precision)
            right = self._side(self._right, point, precision)
            if left is None or right is None:
                return Outcome.UNKNOWN
            if not left[0].overlaps(right[0]):
                return Outcome.DIFFER
            with _precision(precision):
                difference = _upper_exponent(left[0] - right[0])
            if difference < _exponent(left[0]) - needed / 2:
                return Outcome.AGREE
        return Outcome.UNKNOWN


def _exponent(value: acb) -> float:
    """The binary order of magnitude, 0 for what may be 0."""
    return 0.0 if value.contains(0) else _upper_exponent(value)


def _upper_exponent(ball: acb) -> float:
    upper = ball.abs_upper()
    return -math.inf if upper == 0 else float(upper.log() / arb(2).log())


# Where to look


_ALL_NEGATIVE = frozenset({2, 6, 8, 12, 14})  # points by their number
_SOME_NEGATIVE = frozenset({3, 4, 10, 11})
_COUNTING_NAMES = frozenset({"n", "m"})
_BY_CASES = frozenset({"abs", "norm", "max", "min", "floor", "ceil", "mod", "sgn", "gcd", "lcm"})
_FARTHEST = 100  # decimal digits of a constant beyond which no point is looked at
_LATEST_START = 200  # of a sum
_MOST_CONSTANTS = 6
_MOST_TURNS = 90
_STEPS = frozenset({"floor", "ceil", "mod", "sgn"})


def whole_names(sides: Sequence[Node]) -> frozenset[str]:
    """Variables that can only stand for integers, because of where they occur."""
    whole: set[str] = set()
    for node in itertools.chain.from_iterable(map(walk, sides)):
        match node:
            case Call("factorial" | "factorial2" | "gcd" | "lcm", arguments):
                whole.update(*(free_names(argument) for argument in arguments))
            case Call("mod", arguments):
                whole.update(*(free_names(argument) for argument in arguments))
            case BigOperator("sum" | "prod", lower=lower, upper=upper):
                whole.update(*(free_names(end) for end in (lower, upper) if end is not None))
            case Pow(Neg(Num()), exponent):
                whole.update(free_names(exponent))
            case Pow(_, exponent):
                whole.update(free_names(exponent) & _COUNTING_NAMES)
            case Call("floor" | "ceil", [argument]):
                whole.update(free_names(argument) & _COUNTING_NAMES)
            case _:
                pass
    return frozenset(whole)


def _points(sides: Sequence[Node], names: Sequence[str], *, whole: Iterable[str]) -> list[Mapping[str, fmpq]]:
    """Points that are the same whenever the same is asked, and cannot be known without asking it.

    Of several sizes and signs; some beyond the largest number that occurs, where a branch could turn.
    """
    whole = frozenset(whole)
    first = _first_index(sides)
    written = [abs(node.value) for side in sides for node in walk(side) if isinstance(node, Num)]
    largest = min(max(written, default=Fraction(1)), Fraction(10**9)) + 1
    seed = hashlib.sha256("\0".join(sorted(map(key, sides))).encode()).digest()
    stream = itertools.chain.from_iterable(
        hashlib.sha256(seed + counter.to_bytes(4, "big")).digest() for counter in itertools.count()
    )

    def unit() -> Fraction:
        return Fraction(1 + next(stream) + 256 * next(stream) + 65536 * next(stream), 2**24 + 3)

    one, far = Fraction(1), 2 * largest
    scales = [one, 3 * one, one, 3 * one, 12 * one, far, far, one / 2]
    scales += [far, far, far, far, 3 * far, 3 * far, 6 * one, 6 * one, one / 9, one / 9]
    steps = any(isinstance(node, Call) and node.name in _STEPS for side in sides for node in walk(side))
    points: list[Mapping[str, fmpq]] = [dict.fromkeys(names, fmpq(value)) for value in (3, -2) if steps]
    for index, scale in enumerate(scales):
        point: dict[str, fmpq] = {}
        for position, name in enumerate(names):
            if name in whole:
                point[name] = fmpq(first + 2 + next(stream) % 5 + index // 2)
                continue
            negative = index in _ALL_NEGATIVE or (index in _SOME_NEGATIVE and position % 2 == index % 2)
            value = scale * (unit() + (scale >= far)) * (-1 if negative else 1)
            point[name] = fmpq(value.numerator, value.denominator)
        points.append(point)
    return points


def _first_index(sides: Sequence[Node]) -> int:
    """Where the sums start that end at a variable, so that none of them is taken for empty."""
    starts = [
        exact(node.lower)
        for node in itertools.chain.from_iterable(map(walk, sides))
        if isinstance(node, BigOperator) and node.lower is not None and node.upper is not None
        if free_names(node.upper) and not free_names(node.lower)
    ]
    return max((int(start) for start in starts if start is not None and 1 < start <= _LATEST_START), default=0)


def _turning_points(
    sides: Sequence[Node], names: Sequence[str], whole: Iterable[str], effort: Effort
) -> list[Mapping[str, fmpq]] | None:
    """Points on both sides of where a branch of an expression could turn; None where those are out of reach.

    A function by cases turns near the constants in it, or where a power or a logarithm reaches them, and a function of
    integers at their multiples.
    """
    whole = frozenset(whole)
    by_cases = any(
        isinstance(node, Call) and node.name in _BY_CASES and free_names(node) for side in sides for node in walk(side)
    )
    if not by_cases:
        return [dict.fromkeys(names, fmpq(value)) for value in (0, 1)] if whole.issuperset(names) else []
    constants: set[Fraction] = set()
    for one in itertools.chain.from_iterable(map(_constants, sides)):
        ball = constant(one, effort)
        if ball is None or ball.abs_upper() > arb(10) ** _FARTHEST:
            return None
        near = ball.real.mid().abs_upper()
        constants.add(Fraction(int(near.ceil().unique_fmpz() or 0)) if near > 2**20 else _fraction(near.mid()))
    scales = sorted(constants - {Fraction(0)}, reverse=True)[:_MOST_CONSTANTS]
    turns: list[Mapping[str, fmpq]] = []
    for value in (*_integers(scales), *_reals(scales)):
        integer = value.denominator == 1
        point = {
            name: fmpq(value.numerator, value.denominator)
            for name in names
            if name not in whole or (integer and value >= 0)
        }
        if len(point) == len(names):
            turns.append(point)
        for position, name in enumerate(names if len(names) > 1 else ()):
            if name in point:
                others = {
                    other: fmpq(3 + place) if other in whole else fmpq(3 + place, 7)
                    for place, other in enumerate(names)
                }
                turns.append({**others, name: point[name] + (0 if name in whole else fmpq(position, 97))})
    return turns[:_MOST_TURNS]


def _integers(scales: Sequence[Fraction]) -> list[Fraction]:
    whole = [int(scale) for scale in scales if scale >= 1]
    near = [value + step for value in whole for step in (0, 1, -1, value, value + 1, 2 * value)]
    far = [0, 1, 2, 7, 30, 100, 1000, math.prod(whole) if len(whole) > 1 else 50]
    return [Fraction(value) for value in dict.fromkeys((*far, *near)) if value >= 0]


def _reals(scales: Sequence[Fraction]) -> list[Fraction]:
    sizes = [scale * part for scale in scales for part in (Fraction(13, 10), Fraction(7, 10))]
    sizes += [Fraction(10) ** power + Fraction(1, 3) for power in (1, 2, 4, 8, 16, 32, 64)]
    return [sign * size for size in sizes for sign in (1, -1)]


def _constants(node: Node) -> Iterator[Node]:
    """The largest parts of an expression that have no variables."""
    if not free_names(node):
        yield node
        return
    for child in children(node):
        yield from _constants(child)


# Values


class Evaluator:
    """Evaluates expressions at one point with one precision, and sums up how large their parts are."""

    def __init__(self, values: Mapping[str, fmpq], precision: int, effort: Effort, log_base: int | None = None) -> None:
        self.values = values
        self.magnitude = 0  # bits by which the parts are larger or smaller than 1
        self.is_real = True  # as far as is known: whether all parts are
        self._precision = precision
        self._effort = effort
        self._log_base = log_base
        self._work = 0
        self._cost = 1 + precision / 128  # of one node

    def value(self, node: Node) -> acb:
        """The value of a node.

        Raises:
            CannotEvaluateError: there is no such number, or it is too large.
            UndefinedError: it divides by zero.
        """
        with _precision(self._precision):
            found = self._value(node)
        spend(self._work % _COUNTED_TOGETHER * self._cost)
        return found

    def _value(self, node: Node) -> acb:
        self._work += 1
        if self._work % _COUNTED_TOGETHER == 0:
            spend(_COUNTED_TOGETHER * self._cost)
            if self._work > self._effort.work:
                raise TooMuchWorkError
        value = self._of(node)
        if isinstance(node, _WEIGHED):
            self._weigh(value)
            if self.is_real and isinstance(node, _LEAVING_REALS) and not value.imag.contains(0):
                self.is_real = False
        return value

    def _weigh(self, value: acb) -> None:
        if value.is_finite() and not value.contains(0):
            size = value.abs_upper().log()
            if size.is_finite():
                self.magnitude += min(abs(int(float(size) * 3 / 2)), 10**15)

    def _of(self, node: Node) -> acb:
        match node:
            case Num(value):
                return acb(arb(fmpq(value.numerator, value.denominator)))
            case Sym(name):
                return self._named(name)
            case Apply():
                return self._named(key(node))
            case Const(name):
                return _constant(name)
            case Neg(operand):
                return -self._value(operand)
            case Add(terms):
                return sum((self._value(term) for term in terms), acb(0))
            case Mul(factors):
                product = acb(1)
                for factor in factors:
                    product *= self._value(factor)
                return product
            case Div(top, bottom):
                return self._quotient(self._value(top), self._value(bottom))
            case Pow(base, exponent):
                return self._power(base, exponent)
            case Percent(operand):
                return self._value(operand) / 100
            case Degrees(operand):
                return self._value(operand) * acb.pi() / 180
            case Based(digits, base):
                return acb(fmpz(int(digits, base)))
            case Call(name, arguments):
                return self._call(name, arguments)
            case BigOperator("sum" | "prod"):
                return self._series(node)
            case BigOperator("int"):
                return self._integral(node)
            case _:
                raise CannotEvaluateError(type(node).__name__)

    def _named(self, name: str) -> acb:
        try:
            return acb(arb(self.values[name]))
        except KeyError:
            raise CannotEvaluateError(name) from None

    def _quotient(self, top: acb, bottom: acb) -> acb:
        if bottom.is_zero():
            raise UndefinedError
        return top / bottom

    def _power(self, base: Node, exponent: Node) -> acb:
        if base == Const("e"):
            value = self._value(exponent)
            self._refuse_huge(value)
            return value.exp()
        below, above = self._value(base), exact(exponent)
        if above is not None:
            return self._rational_power(below, above)
        raised = self._value(exponent)
        if raised.imag.is_zero() and (whole := raised.real.unique_fmpz()) is not None and raised.real.is_exact():
            return self._rational_power(below, Fraction(int(whole)))
        if below.is_zero():
            return acb(0) if raised.real > 0 else self._undefined()
        self._refuse_huge(raised * below.log())
        return below.pow(raised)

    def _undefined(self) -> acb:
        raise UndefinedError

    def _rational_power(self, base: acb, exponent: Fraction) -> acb:
        if base.is_zero():
            return acb(0) if exponent > 0 else self._undefined()
        if exponent.denominator == 1:
            self._refuse_huge(acb(fmpz(exponent.numerator)) * base.log())
            return base ** fmpz(exponent.numerator)
        if _is_negative(base) and exponent.denominator % 2:
            # The real root of a negative number, as in school, not the principal one.
            size = self._rational_power(-base, exponent)
            return -size if exponent.numerator % 2 else size
        raised = acb(arb(fmpq(exponent.numerator, exponent.denominator)))
        self._refuse_huge(raised * base.log())
        if exponent.denominator == 2:
            return base.sqrt() ** fmpz(exponent.numerator)
        return base.pow(raised)

    def _refuse_huge(self, logarithm: acb) -> None:
        if not logarithm.is_finite() or logarithm.abs_upper() > arb(2) ** _MOST_EXPONENT_BITS:
            raise CannotEvaluateError("a power that is too large")

    def _call(self, name: str, arguments: tuple[Node, ...]) -> acb:
        if name == "det" and isinstance(arguments[0], Matrix):
            expanded = determinant(arguments[0])
            if expanded is None:
                raise CannotEvaluateError("a determinant that is too large")
            return self._value(expanded)
        if name in {"floor", "ceil", "mod", "gcd", "lcm", "sgn"}:
            return self._step(name, arguments)
        values = [self._value(argument) for argument in arguments]
        match name, values:
            case "root", [x, n]:
                degree = exact(arguments[1])
                if degree is None or degree == 0:
                    return x.pow(1 / n)
                return self._rational_power(x, 1 / degree)
            case "abs" | "norm", [x]:
                return acb(abs(x))
            case "log", [x, base]:
                return self._logarithm(x) / self._logarithm(base)
            case "log", [x] if self._log_base is not None:
                return self._logarithm(x) / acb(fmpz(self._log_base)).log()
            case "ln" | "log", [x]:
                return self._logarithm(x)
            case "max" | "min", [first, *others]:
                for other in others:
                    first = first.real_max(other) if name == "max" else first.real_min(other)
                return first
            case "factorial", [x]:
                self._refuse_large_factorial(x)
                return (x + 1).gamma()
            case "binom", [n, k]:
                return self._binomial(n, k, exact(arguments[1]))
            case _ if name in _ANALYTIC and len(values) == 1:
                return acb(_ANALYTIC[name](values[0]))
            case _:
                raise CannotEvaluateError(name)

    def _logarithm(self, x: acb) -> acb:
        return self._undefined() if x.is_zero() else x.log()

    def _refuse_large_factorial(self, x: acb) -> None:
        if x.abs_upper() > arb(10) ** 12:
            raise CannotEvaluateError("a factorial that is too large")

    def _binomial(self, n: acb, k: acb, chosen: Fraction | None) -> acb:
        if chosen is not None and chosen.denominator == 1 and 0 <= chosen <= 60:
            product = acb(1)
            for step in range(chosen.numerator):
                product = product * (n - step) / (step + 1)
            return product
        for part in (n, k, n - k):
            self._refuse_large_factorial(part)
        return (n + 1).gamma() / ((k + 1).gamma() * (n - k + 1).gamma())

    def _step(self, name: str, arguments: tuple[Node, ...]) -> acb:
        """Functions that jump: of exact values where they have them, otherwise of what is surely not at a jump."""
        values = [self._value(argument) for argument in arguments]
        if not all(value.imag.contains(0) for value in values):
            raise CannotEvaluateError(name)
        if name in {"floor", "ceil"}:
            rounded = values[0].real.floor() if name == "floor" else values[0].real.ceil()
            return acb(self._only_integer(rounded))
        if name == "sgn":
            return acb(values[0].real.sgn())
        whole = [self._only_integer(value.real) for value in values]
        if name == "mod":
            if whole[1] == 0:
                raise UndefinedError
            return acb(fmpz(int(whole[0]) % int(whole[1])))
        return acb(fmpz((math.gcd if name == "gcd" else math.lcm)(*map(int, whole))))

    def _integral(self, node: BigOperator) -> acb:
        if node.lower is None or node.upper is None or is_unknown(node):
            raise CannotEvaluateError("an integral without bounds, or of what is known by name only")
        lower, upper = self._value(node.lower), self._value(node.upper)
        self._weigh_integrand(node, lower, upper)
        if self.magnitude > _HEAVIEST_INTEGRAL:
            raise CannotEvaluateError("an integral whose parts are of too different sizes")
        found = integrals.definite(node, lower, upper, self.values)
        if found is None:
            raise CannotEvaluateError("an integral")
        self._weigh(found)
        return found

    def _weigh_integrand(self, node: BigOperator, lower: acb, upper: acb) -> None:
        """Weigh the parts of an integrand at some points of the interval, so that what is tiny in it is seen."""
        kept = self.values
        for share in _SHARES:
            inside = (lower + (upper - lower) * share).real.mid()
            if not inside.is_finite():
                raise CannotEvaluateError("an integral to infinity")
            mantissa, exponent = inside.man_exp()
            at = fmpq(int(mantissa)) * fmpq(2) ** int(exponent)
            self.values = {**kept, node.variable: at}
            self._value(node.body)
        self.values = kept

    def _only_integer(self, ball: arb) -> fmpz:
        whole = ball.unique_fmpz()
        if whole is None or not ball.is_exact():
            raise CannotEvaluateError("no certain integer")
        return whole

    def _series(self, node: BigOperator) -> acb:
        bounds = []
        for end in (node.lower, node.upper):
            if end is None:
                raise CannotEvaluateError("a sum without bounds")
            bounds.append(int(self._only_integer(self._value(end).real)))
        if bounds[1] < bounds[0] - 1:
            raise CannotEvaluateError("a sum that ends before it starts")
        if bounds[1] - bounds[0] >= self._effort.terms:
            raise CannotEvaluateError("a sum of too many terms")
        if is_unknown(node):
            raise CannotEvaluateError("a sequence that is known by name only")
        total = acb(0 if node.kind == "sum" else 1)
        kept = self.values
        for index in range(bounds[0], bounds[1] + 1):
            self.values = {**kept, node.variable: fmpq(index)}
            term = self._value(node.body)
            total = total + term if node.kind == "sum" else total * term
        self.values = kept
        return total


def _is_negative(value: acb) -> bool:
    return bool(value.imag.is_zero() and value.real < 0)


def _constant(name: str) -> acb:
    match name:
        case "pi":
            return acb.pi()
        case "e":
            return acb(1).exp()
        case "i":
            return acb(0, 1)
        case _:
            raise CannotEvaluateError(name)


_ANALYTIC = {
    "sin": acb.sin,
    "cos": acb.cos,
    "tan": acb.tan,
    "cot": acb.cot,
    "sec": acb.sec,
    "csc": acb.csc,
    "arcsin": acb.asin,
    "arccos": acb.acos,
    "arctan": acb.atan,
    "arccot": lambda x: acb.pi() / 2 - x.atan(),
    "arcsec": lambda x: (1 / x).acos(),
    "arccsc": lambda x: (1 / x).asin(),
    "sinh": acb.sinh,
    "cosh": acb.cosh,
    "tanh": acb.tanh,
    "coth": acb.coth,
    "sech": acb.sech,
    "csch": acb.csch,
    "gamma": acb.gamma,
    "zeta": acb.zeta,
    "arsinh": acb.asinh,
    "arcosh": acb.acosh,
    "artanh": acb.atanh,
}
