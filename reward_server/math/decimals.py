"""Numbers written with a decimal point, and what they can stand for.

A decimal shows a value when every digit of it is right, rounded or cut off. How many digits it takes to stand for a
value is a setting, and not decided here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from reward_server.math.exact import UndefinedError, exact
from reward_server.math.nodes import Mul, Neg, Node, Num, Percent, Pow

_DIGITS_OF_A_DOUBLE = 16
_FARTHEST_SHIFT = 1000  # of the decimal point by a power of ten


@dataclass(frozen=True, slots=True)
class Decimal:
    """A number written with a decimal point."""

    value: Fraction
    places: int
    significant: int

    @classmethod
    def of(cls, node: Node) -> Decimal | None:
        """The decimal that a node is, with its sign, percent sign or power of ten."""
        match node:
            case Num(value, places, significant) if places is not None:
                return cls(value, places, significant)
            case Neg(operand):
                inner = cls.of(operand)
                return None if inner is None else replace(inner, value=-inner.value)
            case Percent(operand):
                inner = cls.of(operand)
                return None if inner is None else cls(inner.value / 100, inner.places + 2, inner.significant)
            case Mul((Num() as mantissa, Pow(Num(value=ten, places=None), exponent))) if ten == 10:
                inner, shift = cls.of(mantissa), _power_of_ten(exponent)
                if inner is None or shift is None:
                    return None
                return cls(inner.value * Fraction(10) ** shift, inner.places - shift, inner.significant)
            case _:
                return None

    @property
    def is_whole(self) -> bool:
        """Whether it shows an integer, `5.0`, and nothing behind the point."""
        return self.places >= 0 and self.value.denominator == 1

    def shows(self, value: Fraction) -> bool:
        """Whether these are the first digits of a value, rounded or cut off, or those of the double next to it."""
        if self.significant >= _DIGITS_OF_A_DOUBLE and abs(value) < 10**300 and self._is_double_next_to(value):
            return True
        step = Fraction(10) ** -self.places
        rounded = abs(value - self.value) <= step / 2
        cut = self.value * value > 0 and 0 <= abs(value) - abs(self.value) < step
        return rounded or cut

    def _is_double_next_to(self, value: Fraction) -> bool:
        """Whether these are, to the last digit, what a program prints for a value."""
        printed = repr(float(value))
        return self.value == Fraction(printed) and self.places == len(printed.partition(".")[2])


def _power_of_ten(exponent: Node) -> int | None:
    try:
        shift = exact(exponent)
    except UndefinedError:
        return None
    return int(shift) if shift is not None and shift.denominator == 1 and abs(shift) <= _FARTHEST_SHIFT else None
