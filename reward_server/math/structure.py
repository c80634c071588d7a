"""Compare two answers that have been read, part by part: what is a set, a list, a point, an interval, an equation.

Guaranteed: `True` only where the parts that correspond are equal as values, `False` where the structures or a certified
value differ, `None` where it takes more than this module has. What may stand for what:

- a name and its value: `x = 5` and `5`, `f(x) = x²` and `x²`, not `x = 5` and `y = 5`;
- a bare list is in any order, `1, 2`; it may lack the braces of a set, or, in the same order, the parentheses of a
  point;
- an interval, an inequality with its variable alone, and a set described by one: `(0, 2)`, `0 < x < 2`,
  `{x | 0 < x < 2}`;
- an equation and its multiples, but a solved one only another solved one: `2x = 4` is no answer to `x = 2`;
- a chain `6 · 7 = 42` and its value, where it is true.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeGuard

from reward_server.math import numeric, units, words
from reward_server.math.budget import BeyondBudgetError, is_limited, spend
from reward_server.math.constants import same_families
from reward_server.math.decimals import Decimal
from reward_server.math.exact import UndefinedError, exact
from reward_server.math.families import Progression, progressions, same_union
from reward_server.math.models import MathSettings
from reward_server.math.nodes import (
    EXPRESSIONS,
    INFINITY,
    Add,
    Apply,
    Approximate,
    Based,
    BigOperator,
    Builder,
    Call,
    Cases,
    Const,
    Degrees,
    Div,
    Ellipsis_,
    Figure,
    Group,
    Letters,
    Matrix,
    Mul,
    NamedSet,
    Neg,
    Node,
    Num,
    Percent,
    PlusMinus,
    Pow,
    Quantity,
    Ratio,
    Relation,
    Residue,
    SetOperation,
    Sym,
    Words,
    approximate_value,
    children,
    free_names,
    key,
    substitute,
    walk,
)
from reward_server.math.numeric import Effort, Outcome
from reward_server.math.rewriting import numerator, with_both_signs

_MOST_UNORDERED = 60
_LETTERS_OF_CONSTANTS = frozenset({"e", "i"})
_MOST_PIECES = 24
_OF_A_PAIR = 3  # units of work to find out how two parts are compared
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!=", "approx": "approx"}
_EMPTY_WORDS = frozenset({"no solution", "no solutions", "empty set"})
_NO_REAL_SOLUTION = frozenset({"no real solution", "no real solutions"})
_EMPTY_ABROAD = frozenset(
    {"无解", "空集", "解なし", "нет решений", "sin solución", "no tiene solución", "pas de solution", "aucune solution"}
    | {"keine lösung", "nessuna soluzione"}
)
_NAMED_IN_WORDS = {
    "all real numbers": "R",
    "all reals": "R",
    "any real number": "R",
    "all real": "R",
    "all integers": "Z",
    "all positive integers": "Z+",
    "all non-negative integers": "Z>=0",
    "all nonnegative integers": "Z>=0",
}
_SHIFTS = tuple((sign, shift) for shift in (0, 1, -1, 2, -2, 3, -3) for sign in (1, -1))
_INTEGERS = frozenset({"Z", "N", "Z+", "Z>=0"})
_COUNTED_FROM_ONE = frozenset({"Z+", "N"})
_INDICES = frozenset("nmk")
_VARIABLES = frozenset("x y z t s u v w r p q n m k i j theta alpha phi xi".split())  # noqa: SIM905

# What has a size or a sine, and is not solved for.
_KNOWNS = (Sym("z"), Sym("theta"), Sym("alpha"), Sym("beta"), Sym("gamma"), Sym("phi"))

Verdict = bool | None
# Decides a pair of expressions that evaluation left open; None when it cannot either.
Symbolic = Callable[[Node, Node], Verdict]


@dataclass(frozen=True, slots=True)
class _Piece:
    """An interval of real numbers, or a point as the closed interval from itself to itself."""

    lower: Node
    upper: Node
    lower_open: bool
    upper_open: bool


@dataclass(frozen=True, slots=True)
class _RealSet:
    pieces: tuple[_Piece, ...]


@dataclass(frozen=True, slots=True)
class _Ranged:
    """A variable and the set that it is in."""

    name: str
    range: _RealSet


@dataclass(frozen=True, slots=True)
class _Assigned:
    """A name and its value. The name is a variable, a function of variables, or a label in words."""

    name: Node
    value: _Meaning
    domain: Node | None = None  # where a function is defined, if that goes without saying


@dataclass(frozen=True, slots=True)
class _Equation:
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class _Family:
    """The values of an expression for all integers, or all natural numbers, in place of a variable."""

    value: Node
    parameter: str
    domain: str


@dataclass(frozen=True, slots=True)
class _Several:
    """What a group means once its items are read; `kind` as in `Group`."""

    kind: str
    items: tuple[_Meaning, ...]
    joiner: str = ","  # as in `Group`; or "said", of a set in words


@dataclass(frozen=True, slots=True)
class _Broken:
    """A statement that is false in itself, `42 = 41`; equal to nothing."""

    reason: str


_Meaning = Node | _RealSet | _Ranged | _Assigned | _Equation | _Family | _Several | _Broken


class Comparer:
    """Compares under one set of settings and with one limit of effort; remembers how it came to its verdict."""

    def __init__(self, settings: MathSettings, effort: Effort, symbolic: Symbolic | None = None) -> None:
        self._settings = settings
        self._effort = effort
        self._symbolic = symbolic
        self._inside = 0  # how many groups the parts are inside of that are compared
        self.method = "structure"
        self.reason: str | None = None

    def equal(self, reference: Node, answer: Node) -> Verdict:
        """Whether two answers mean the same."""
        if reference == answer or key(reference) == key(answer):
            self.method = "string"
            return True
        return self._equal(self._meaning(reference), self._meaning(answer))

    def understand(self, node: Node) -> None:
        """Find out what a node means, without comparing it: raises whatever comparing it with anything would."""
        key(node)
        self._meaning(node)

    # What a node means

    def _meaning(self, node: Node) -> _Meaning:
        match node:
            case Relation():
                return self._relation(node)
            case Builder(element, condition):
                return self._built(element, condition)
            case Group("list", items, joiner):
                return self._list(items, joiner)
            case Group(kind, items):
                return self._grouped(kind, items)
            case SetOperation() | NamedSet():
                return self._real_set(node) or node
            case Words(text) if text in _EMPTY_ABROAD:
                return self._meaning(Words("no solution"))
            case Words(text) if text in _EMPTY_WORDS:
                return _Several("set", (), "said")
            case Words(text) if text in _NO_REAL_SOLUTION:
                return Words("no real solution")
            case Words(text) if text in _NAMED_IN_WORDS:
                return self._meaning(NamedSet(_NAMED_IN_WORDS[text]))
            case Mul(factors) if any(isinstance(factor, Matrix) for factor in factors):
                return _multiplied(factors) or node
            case Neg(Matrix(rows)):
                return Matrix(tuple(tuple(map(Neg, row)) for row in rows))
            case _ if isinstance(node, (*EXPRESSIONS, PlusMinus, Quantity)):
                values = with_both_signs(node)
                return values[0] if len(values) == 1 else _Several("list", values)
            case _:
                return node

    def _grouped(self, kind: str, items: tuple[Node, ...]) -> _Meaning:
        if kind == "set" and len(items) == 1 and isinstance(items[0], Relation):
            inside = self._meaning(items[0])
            if isinstance(inside, _Ranged):
                return inside.range
        if kind in {"tuple", "angle"}:
            points = with_both_signs(Group(kind, items))
            if len(points) > 1:
                return _Several("list", tuple(map(self._meaning, points)))
        meanings = tuple(self._meaning(item) for item in items)
        return _Several(kind, self._spliced(meanings) if kind == "set" else meanings)

    def _spliced(self, meanings: Iterable[_Meaning]) -> tuple[_Meaning, ...]:
        """Items of a list or set, `1 ± √5` in its place as two."""
        spliced: list[_Meaning] = []
        for meaning in meanings:
            spliced += meaning.items if isinstance(meaning, _Several) and meaning.kind == "list" else [meaning]
        return tuple(spliced)

    def _list(self, items: tuple[Node, ...], joiner: str) -> _Meaning:
        family = self._family(items)
        if family is not None:
            return family
        meanings = [self._meaning(item) for item in items]
        if joiner == "or":
            meanings = _with_points_as_ranges(meanings)
        ranges = [meaning for meaning in meanings if isinstance(meaning, _Ranged)]
        if len(ranges) == len(meanings) and len({one.name for one in ranges}) == 1:
            combined = self._combined([one.range for one in ranges], joiner)
            return _Several("list", tuple(meanings), joiner) if combined is None else _Ranged(ranges[0].name, combined)
        first, others = meanings[0], meanings[1:]
        if isinstance(first, _Assigned):
            if len(items) == 2 and _goes_without_saying(first.name, items[1]):
                return replace(first, domain=items[1])
            if not any(isinstance(other, _Assigned | _Equation | _Ranged | Relation) for other in others):
                return _Assigned(first.name, _Several("list", self._spliced([first.value, *others])))
            assigned = [meaning for meaning in meanings if isinstance(meaning, _Assigned)]
            if len(assigned) == len(meanings) and all(one.name == first.name for one in assigned):
                return _Assigned(first.name, _Several("list", self._spliced(one.value for one in assigned)))
        return _Several("list", self._spliced(meanings), joiner)

    def _family(self, items: tuple[Node, ...]) -> _Meaning | None:
        match items:
            case (*values, Relation(("in",), (Sym(name), NamedSet(domain)))) if values and domain in _INTEGERS:
                pass
            case _:
                return None
        members: list[_Meaning] = []
        for value in values:
            meaning = self._meaning(value)
            if isinstance(meaning, _Assigned) and name in _arguments(meaning.name):
                return None  # `a_n = 2n, n \in \mathbb{N}` is a formula, and no family of values
            inside = meaning.value if isinstance(meaning, _Assigned) else meaning
            if isinstance(value, Group | SetOperation | Relation) and not isinstance(meaning, _Assigned):
                if name not in free_names(value):
                    return None
                members.append(_Family(value, name, domain))  # intervals, points
                continue
            parts = inside.items if isinstance(inside, _Several) and inside.kind == "list" else (inside,)
            for part in parts:
                if not isinstance(part, EXPRESSIONS) or name not in free_names(part):
                    return None
                members.append(_Family(part, name, domain))
        return members[0] if len(members) == 1 else _Several("list", tuple(members))

    # Relations

    def _relation(self, node: Relation) -> _Meaning:
        kinds = set(node.operators)
        if kinds <= {"=", "approx", "equiv"}:
            return self._equality(node)
        if node.operators == ("in",) and _is_letter_of_constant(node.operands[0]):
            node = Relation(node.operators, (Sym(node.operands[0].name), node.operands[1]))
        if node.operators == ("in",) and _is_point_of_names(node.operands[0]):
            where = self._meaning(node.operands[1])
            return _Assigned(node.operands[0], where) if isinstance(where, _Several) and where.kind == "set" else node
        if node.operators == ("in",) and isinstance(node.operands[0], Sym):
            where = self._meaning(node.operands[1])
            if isinstance(where, _Several):
                if where.kind == "set":
                    return _Assigned(node.operands[0], where)
                where = self._as_real_set(where) or where
            return _Ranged(node.operands[0].name, where) if isinstance(where, _RealSet) else node
        if kinds <= {"<", "<=", ">", ">=", "!="}:
            return self._range(node) or node
        return node

    def _equality(self, node: Relation) -> _Meaning:
        first, others = node.operands[0], node.operands[1:]
        if _is_name(first) and not any(_occurs(first, other) for other in others):
            if isinstance(first, Group):
                return self._assigned_together(first, others)
            if node.operators == ("approx",) and Decimal.of(_without_unit(others[0])) is None:
                return _Broken("an approximate value that is no decimal")
            value = self._chain(*_without_formulas(others, node.operators[1:]))
            if node.operators == ("approx",) and not isinstance(value, _Broken):
                value = approximate_value(value)
            return value if isinstance(value, _Broken) else _Assigned(first, self._meaning(value))
        last = node.operands[-1]
        if len(node.operands) == 2 and isinstance(last, Sym) and last.name not in free_names(first):
            return _Assigned(last, self._meaning(first))
        value = self._chain(node.operands, node.operators)
        if not isinstance(value, _Broken):
            return self._meaning(value)
        if isinstance(first, Const) and first.name in _LETTERS_OF_CONSTANTS and _is_numeric(others):
            return self._equality(Relation(node.operators, (Sym(first.name), *others)))  # no value, but a name
        if len(node.operands) == 2 and free_names(first) | free_names(last):
            return _Equation(first, last)
        return value

    def _assigned_together(self, name: Group, values: tuple[Node, ...]) -> _Meaning:
        value = values[0]
        if len(values) == 1 and isinstance(value, Group) and len(value.items) == len(name.items):
            return _Assigned(name, self._meaning(value))
        return _Broken("as many names as values are needed")

    def _chain(self, operands: Sequence[Node], operators: Sequence[str]) -> Node | _Broken:
        """The value of `a = b = c` where all are equal; of `a ≈ 1.23` the exact one."""
        if len(operands) == 1:
            return operands[0]
        value = operands[0]
        for operand, operator in zip(operands[1:], operators, strict=True):
            sides = self._meaning(value), self._meaning(operand)
            if operator == "approx" and isinstance(operand, Node) and self._rounds_to(value, operand):
                continue
            equal = self._equal(*sides) if all(isinstance(side, Node) for side in sides) else False
            if equal is None and is_limited():
                raise BeyondBudgetError  # a worker may find out whether it is true
            if equal is not True:
                return _Broken("a chain of equations that is not true")
            value = operand
        return value

    def _rounds_to(self, value: Node, approximation: Node) -> bool:
        decimal = Decimal.of(approximation)
        return decimal is not None and self._shows(decimal, value) is True

    def _range(self, node: Relation) -> _Meaning | None:
        node = _with_names_of_constants(node)
        places = [at for at, operand in enumerate(node.operands) if free_names(operand)]
        if len(node.operands) == 3 and isinstance(node.operands[1], Sym) and not _occurs_in_ends(node):
            places = [1]  # `a < x < b`
        if len(places) != 1 or len(node.operands) > 3:
            return None
        at = places[0]
        variable = node.operands[at]
        if not isinstance(variable, Sym) or not all(isinstance(one, EXPRESSIONS) for one in node.operands):
            return None
        lower, upper = _Piece(Neg(INFINITY), INFINITY, True, True), _Piece(Neg(INFINITY), INFINITY, True, True)
        for index, operator in enumerate(node.operators):
            if at not in {index, index + 1}:
                return None
            bound = node.operands[index + 1] if at == index else node.operands[index]
            seen = operator if at == index else _FLIPPED[operator]
            match seen:
                case ">" | ">=":
                    lower = replace(lower, lower=bound, lower_open=seen == ">")
                case "<" | "<=":
                    upper = replace(upper, upper=bound, upper_open=seen == "<")
                case _ if len(node.operators) == 1:
                    below = _Piece(Neg(INFINITY), bound, True, True)
                    above = _Piece(bound, INFINITY, True, True)
                    return _Ranged(variable.name, _RealSet((below, above)))
                case _:
                    return None
        if len(node.operators) == 2 and (lower.lower == Neg(INFINITY) or upper.upper == INFINITY):
            return None  # `1 < x > 0`
        piece = _Piece(lower.lower, upper.upper, lower.lower_open, upper.upper_open)
        return _Ranged(variable.name, _RealSet((piece,)))

    def _built(self, element: Node, condition: Node) -> _Meaning:
        listed = self._listed(element, condition)
        if listed is not None:
            return listed
        if isinstance(element, Relation) and element.operators == ("in",):
            if element.operands[1] != NamedSet("R"):
                return Builder(element, condition)
            element = element.operands[0]
        family = self._family((element, condition))
        if family is not None:
            return family
        if isinstance(condition, Group) and condition.kind == "list" and isinstance(element, Sym):
            family = self._family(condition.items) if element.name in free_names(condition.items[0]) else None
            if family is not None:
                return family
        if isinstance(element, Sym):
            meaning = self._meaning(condition)
            if isinstance(meaning, _Ranged) and meaning.name == element.name:
                return meaning.range
            if isinstance(meaning, _Assigned) and meaning.name == element:
                value = meaning.value
                return value if isinstance(value, _Several) else _Several("set", (value,))
        return Builder(element, condition)

    def _listed(self, element: Node, condition: Node) -> _Several | None:
        """The few integers of a range: `{x ∈ ℤ | -1 < x < 3}`."""
        conditions = condition.items if isinstance(condition, Group) and condition.kind == "list" else (condition,)
        match element, conditions:
            case (Relation(("in",), (Sym(name), NamedSet("Z"))), (bounds,)):
                pass
            case (Sym(name), (bounds, Relation(("in",), (Sym(other), NamedSet("Z"))))) if other == name:
                pass
            case _:
                return None
        meaning = self._meaning(bounds)
        if not isinstance(meaning, _Ranged) or meaning.name != name or len(meaning.range.pieces) != 1:
            return None
        return _whole_numbers(meaning.range.pieces[0])

    # Sets of real numbers

    def _real_set(self, node: Node) -> _RealSet | None:
        match node:
            case NamedSet("R"):
                return _RealSet((_Piece(Neg(INFINITY), INFINITY, True, True),))
            case NamedSet("R+"):
                return _RealSet((_Piece(Num(Fraction(0)), INFINITY, True, True),))
            case NamedSet("R-"):
                return _RealSet((_Piece(Neg(INFINITY), Num(Fraction(0)), True, True),))
            case NamedSet("R>=0"):
                return _RealSet((_Piece(Num(Fraction(0)), INFINITY, False, True),))
            case NamedSet("R<=0"):
                return _RealSet((_Piece(Neg(INFINITY), Num(Fraction(0)), True, False),))
            case NamedSet("R*"):
                return self._without(self._real_set(NamedSet("R")), Group("set", (Num(Fraction(0)),)))
            case Group("set", items) if all(isinstance(item, EXPRESSIONS) for item in items):
                return _RealSet(tuple(_Piece(item, item, False, False) for item in items))
            case Group(kind, (lower, upper)) if kind in {"tuple", "bracket", "left-open", "right-open"}:
                return _interval(kind, lower, upper)
            case SetOperation("|", operands):
                sets = [self._real_set(operand) for operand in operands]
                return self._united([one for one in sets if one is not None]) if None not in sets else None
            case SetOperation("-", (whole, removed)):
                return self._without(self._real_set(whole), removed)
            case _:
                return None

    def _as_real_set(self, several: _Several) -> _RealSet | None:
        match several:
            case _Several(kind, (lower, upper)) if kind in {"tuple", "bracket", "left-open", "right-open"}:
                if isinstance(lower, EXPRESSIONS) and isinstance(upper, EXPRESSIONS):
                    return _interval(kind, lower, upper)
            case _Several("list", items, joiner) if joiner != "and":
                sets = [self._as_real_set(item) for item in items if isinstance(item, _Several)]
                known = [one for one in sets if one is not None]
                # Pairs may be points as well: only one that reaches to infinity shows what they are.
                if len(known) == len(items) and any(_reaches_infinity(one) for one in known):
                    return self._united(known)
        return None

    def _without(self, whole: _RealSet | None, removed: Node) -> _RealSet | None:
        """A set of which single points or intervals are taken away."""
        points = removed.items if isinstance(removed, Group) and removed.kind == "set" else None
        if whole is None:
            return None
        if points is None:
            gone = self._real_set(removed)
            kept = None if gone is None else self._complement(gone)
            parts = self._united([whole])
            return None if kept is None or parts is None else self._shared(parts, kept)
        pieces = list(whole.pieces)
        for point in points:
            for index, piece in enumerate(pieces):
                inside = [self._less(piece.lower, point), self._less(point, piece.upper)]
                if inside == [True, True]:
                    pieces[index : index + 1] = [
                        replace(piece, upper=point, upper_open=True),
                        replace(piece, lower=point, lower_open=True),
                    ]
                    break
            else:
                return None
        return _RealSet(tuple(pieces))

    def _complement(self, one: _RealSet) -> _RealSet | None:
        united = self._united([one])
        if united is None:
            return None
        gaps: list[_Piece] = []
        gap = _Piece(Neg(INFINITY), INFINITY, True, True)
        for piece in united.pieces:
            gaps.append(replace(gap, upper=piece.lower, upper_open=not piece.lower_open))
            gap = replace(gap, lower=piece.upper, lower_open=not piece.upper_open)
        gaps.append(gap)
        return _RealSet(tuple(one for one in gaps if one.lower != one.upper or not (one.lower_open or one.upper_open)))

    def _combined(self, sets: Sequence[_RealSet], joiner: str) -> _RealSet | None:
        """The set that conditions on one variable describe together; None where that is not certain.

        `or` unites, `and` and a comma intersect. Only a comma between intervals that share nothing unites them too,
        as in `x < 1, x > 3`.
        """
        if sum(len(one.pieces) for one in sets) > _MOST_PIECES:
            return None
        if joiner == "or":
            return self._united(sets)
        shared: _RealSet | None = sets[0]
        for one in sets[1:]:
            shared = None if shared is None else self._shared(shared, one)
        if shared is None or shared.pieces:
            return shared
        if joiner != "," or any(len(one.pieces) != 1 for one in sets):
            return None
        united = self._united(sets)
        return united if united is not None and len(united.pieces) == len(sets) else None

    def _shared(self, left: _RealSet, right: _RealSet) -> _RealSet | None:
        """The intersection of two sets whose pieces are in order; None where an order of ends is not certain."""
        shared: list[_Piece] = []
        at = [0, 0]
        while at[0] < len(left.pieces) and at[1] < len(right.pieces):
            one, other = left.pieces[at[0]], right.pieces[at[1]]
            lowers, uppers = self._order(one.lower, other.lower), self._order(one.upper, other.upper)
            if lowers is None or uppers is None:
                return None
            lower, upper = other if lowers < 0 else one, one if uppers < 0 else other
            piece = _Piece(
                lower.lower,
                upper.upper,
                one.lower_open or other.lower_open if lowers == 0 else lower.lower_open,
                one.upper_open or other.upper_open if uppers == 0 else upper.upper_open,
            )
            width = self._order(piece.lower, piece.upper)
            if width is None:
                return None
            if width < 0 or (width == 0 and not piece.lower_open and not piece.upper_open):
                shared.append(piece)
            at[0 if uppers < 0 or (uppers == 0 and one.upper_open) else 1] += 1
        return _RealSet(tuple(shared))

    def _order(self, left: Node, right: Node) -> int | None:
        """-1, 0 or 1 as one constant is less than, equal to or greater than another; None where it is not known."""
        less = self._less(left, right)
        if less is not None:
            return -1 if less else 1
        return 0 if left == right or self._equal(left, right) is True else None

    def _united(self, sets: Sequence[_RealSet]) -> _RealSet | None:
        """The pieces in order, joined where they touch; None where their order is not certain."""
        pieces = [piece for one in sets for piece in one.pieces]
        if len(pieces) > _MOST_PIECES:
            return None
        ordered: list[_Piece] = []
        for piece in pieces:
            at = 0
            while at < len(ordered):
                before = self._less(ordered[at].lower, piece.lower)
                if before is None and self._equal(ordered[at].lower, piece.lower) is not True:
                    return None
                if before is False:
                    break
                at += 1
            ordered.insert(at, piece)
        joined = ordered[:1]
        for piece in ordered[1:]:
            last = joined[-1]
            if self._less(last.upper, piece.lower) is True:
                joined.append(piece)
            elif self._less(piece.lower, last.upper) is True:
                if self._less(last.upper, piece.upper) is True:
                    joined[-1] = replace(last, upper=piece.upper, upper_open=piece.upper_open)
            elif self._equal(last.upper, piece.lower) is True:
                if last.upper_open and piece.lower_open:
                    joined.append(piece)
                else:
                    joined[-1] = replace(last, upper=piece.upper, upper_open=piece.upper_open)
            else:
                return None
        return _RealSet(tuple(joined))

    def _less(self, left: Node, right: Node) -> bool | None:
        """Whether one constant is certainly less than another; None where they are equal or not known."""
        spend(_OF_A_PAIR)
        if left == right:
            return None
        if left == Neg(INFINITY) or right == INFINITY:
            return True
        if right == Neg(INFINITY) or left == INFINITY:
            return False
        try:
            known = exact(left), exact(right)
        except UndefinedError:
            return None
        if known[0] is not None and known[1] is not None:
            return None if known[0] == known[1] else known[0] < known[1]
        values = numeric.constant(left, self._effort), numeric.constant(right, self._effort)
        if values[0] is None or values[1] is None:
            return None
        if values[0].real < values[1].real:
            return True
        return False if values[0].real > values[1].real else None

    # Comparing what was meant

    def _equal(self, left: _Meaning, right: _Meaning) -> Verdict:
        spend(_OF_A_PAIR)
        for one, other in ((left, right), (right, left)):
            match one:
                case _Broken(reason):
                    self.reason = reason
                    return False
                case _Assigned() if not isinstance(other, _Assigned | _Equation):
                    return self._named_and_bare(one, other)
                case _Equation():
                    return self._equations(one, other)
                case _Ranged() if isinstance(other, _Assigned):
                    return False
                case _Ranged() if not isinstance(other, _Ranged):
                    return self._equal(one.range, other)
                case _RealSet() if other == Sym("R"):
                    return one == self._real_set(NamedSet("R"))  # blackboard bold is not always at hand
                case _RealSet() if isinstance(other, _Several):
                    as_set = self._as_real_set(other)
                    if as_set is None and other.kind == "set":
                        items = [item for item in other.items if isinstance(item, EXPRESSIONS)]
                        pieces = tuple(_Piece(item, item, False, False) for item in items)
                        as_set = self._united([_RealSet((piece,)) for piece in pieces])
                        if len(items) != len(other.items):
                            return False
                    return False if as_set is None else self._equal(one, as_set)
                case _Family(parameter=parameter) if isinstance(other, Residue):
                    steps = Mul((other.modulus, Sym(parameter)))
                    return self._equal(one, _Family(Add((other.value, steps)), parameter, "Z"))
                case _Family() if isinstance(other, _Assigned):
                    return self._equal(other, one)
                case _Family() if isinstance(other, _Several):
                    return self._same_unions([one], other.items) is True
                case _Family() if not isinstance(other, _Family):
                    return False
        match left, right:
            case (_Assigned(), _Assigned()):
                return self._both_named(left, right)
            case (_Ranged(), _Ranged()):
                return left.name == right.name and self._equal(left.range, right.range)
            case (_RealSet(), _RealSet()):
                return self._same_pieces(left, right)
            case (_Family(), _Family()):
                return self._families(left, right)
            case (_Several(), _Several()):
                return self._groups(left, right)
            case (_Several(), _):
                return self._group_and_single(left, right)
            case (_, _Several()):
                return self._group_and_single(right, left)
            case _:
                if isinstance(left, _RealSet) or isinstance(right, _RealSet):
                    return False
                assert isinstance(left, Node)
                assert isinstance(right, Node)
                return self._nodes(left, right)

    def _all(self, pairs: Iterable[tuple[_Meaning, _Meaning]]) -> Verdict:
        verdict: Verdict = True
        for left, right in pairs:
            one = self._equal(left, right)
            if one is False:
                return False
            if one is None:
                verdict = None
        return verdict

    def _any(self, candidates: Iterable[Callable[[], Verdict]]) -> Verdict:
        verdict: Verdict = False
        for candidate in candidates:
            one = candidate()
            if one is True:
                return True
            if one is None:
                verdict = None
        return verdict

    def _same_pieces(self, left: _RealSet, right: _RealSet) -> Verdict:
        if len(left.pieces) != len(right.pieces):
            return False
        for one, other in zip(left.pieces, right.pieces, strict=True):
            if (one.lower_open, one.upper_open) != (other.lower_open, other.upper_open):
                return False
        ends = [
            ends
            for one, other in zip(left.pieces, right.pieces, strict=True)
            for ends in ((one.lower, other.lower), (one.upper, other.upper))
        ]
        return self._all(ends)

    def _named_and_bare(self, named: _Assigned, bare: _Meaning) -> Verdict:
        if isinstance(bare, _Several) and _numbers_the_values_of(bare, named.name):
            values = tuple(item.value for item in bare.items if isinstance(item, _Assigned))
            return self._equal(named.value, _Several("list", values))
        if isinstance(bare, _Several) and bare.kind == "list" and any(isinstance(i, _Assigned) for i in bare.items):
            if isinstance(named.name, Group) and isinstance(named.value, _Several) and named.value.kind == "tuple":
                pairs = zip(named.name.items, named.value.items, strict=True)
                return self._equal(_Several("list", tuple(_Assigned(name, value) for name, value in pairs)), bare)
            return False
        if isinstance(bare, _Ranged) or _is_class(named.value) != _is_class(bare):
            return False
        if isinstance(named.name, Sym) and _kinds(named.value, bare) == {"list", "tuple"}:
            return False
        return self._equal(named.value, bare)

    def _both_named(self, left: _Assigned, right: _Assigned) -> Verdict:
        if left.domain is not None and right.domain is not None and key(left.domain) != key(right.domain):
            return False
        if _is_class(left.value) != _is_class(right.value):
            return False
        if isinstance(left.name, Apply) and isinstance(right.name, Apply):
            return self._functions(left, right)
        if key(left.name) == key(right.name):
            if isinstance(left.name, Sym) and _kinds(left.value, right.value) == {"list", "tuple"}:
                return False  # two values of one name, and a point
            return self._equal(left.value, right.value)
        if isinstance(left.name, Apply) and right.name == Sym("y"):
            return self._equal(left.value, right.value)
        if isinstance(right.name, Apply) and left.name == Sym("y"):
            return self._equal(left.value, right.value)
        if not (isinstance(left.value, EXPRESSIONS) and isinstance(right.value, EXPRESSIONS)):
            return False
        if not (free_names(left.value) and free_names(right.value)):
            return False
        return self._equations(_Equation(left.name, left.value), right)

    def _functions(self, left: _Assigned, right: _Assigned) -> Verdict:
        assert isinstance(left.name, Apply)
        assert isinstance(right.name, Apply)
        if left.name.name != right.name.name or len(left.name.arguments) != len(right.name.arguments):
            return False
        value = right.value
        renamed = [
            (one, other) for one, other in zip(left.name.arguments, right.name.arguments, strict=True) if one != other
        ]
        for one, other in renamed:
            if not (isinstance(one, Sym) and isinstance(other, Sym) and isinstance(value, Node)):
                same = self._equal(one, other)
                if same is not True:
                    return same
                continue
            if one.name in free_names(value) or not (_is_variable(one) and _is_variable(other)):
                return False
            value = substitute(value, other.name, one)
        return self._equal(left.value, value)

    def _equations(self, equation: _Equation, other: _Meaning) -> Verdict:
        if isinstance(other, _Assigned):
            solved = not (isinstance(other.value, Node) and isinstance(other.value, EXPRESSIONS))
            if solved or not free_names(other.value):  # type: ignore[arg-type]
                return False  # solved, and so no other spelling of an equation that is not
            assert isinstance(other.value, Node)
            other = _Equation(other.name, other.value)
        if not isinstance(other, _Equation):
            return False
        sides = [numerator(Add((one.left, Neg(one.right)))) for one in (equation, other)]
        self._used("numeric")
        outcome, _ = numeric.proportional(sides[0], sides[1], self._effort)
        if outcome is Outcome.UNKNOWN and free_names(sides[0]) != free_names(sides[1]):
            return False
        return {Outcome.AGREE: True, Outcome.DIFFER: False}.get(outcome)

    def _families(self, left: _Family, right: _Family) -> Verdict:
        if left.domain != right.domain:
            return False
        renamed = substitute(right.value, right.parameter, Sym(left.parameter))
        if right.parameter != left.parameter and left.parameter in free_names(right.value):
            return False
        same = self._equal(self._meaning(left.value), self._meaning(renamed))
        if same is True or left.domain != "Z":
            return same
        if isinstance(left.value, EXPRESSIONS) and isinstance(renamed, EXPRESSIONS):
            union = self._same_unions([left], [right])
            if union is not None:
                return union
        return self._any(self._shifted(left, renamed, index) for index in _SHIFTS)

    def _shifted(self, left: _Family, right: Node, index: tuple[int, int]) -> Callable[[], Verdict]:
        """Whether one is the other with its parameter shifted, or counted backwards."""
        sign, shift = index
        moved = Add((Mul((Num(Fraction(sign)), Sym(left.parameter))), Num(Fraction(shift))))
        renamed = substitute(right, left.parameter, moved)
        return lambda: self._equal(self._meaning(left.value), self._meaning(renamed))

    def _same_unions(self, left: Sequence[_Meaning], right: Sequence[_Meaning]) -> Verdict:
        """Whether families of values for all integers say the same together; None where that is not decided."""
        sides: list[list[Progression]] = []
        for side in (left, right):
            sides.append([])
            for one in side:
                if not isinstance(one, _Family) or one.domain != "Z" or not isinstance(one.value, EXPRESSIONS):
                    return None
                parts = progressions(one.value, one.parameter, self._nodes)
                if parts is None:
                    return None
                sides[-1] += parts
        return same_union(sides[0], sides[1], self._effort, self._nodes)

    # Groups

    def _groups(self, left: _Several, right: _Several) -> Verdict:
        kinds = {left.kind, right.kind}
        if (left.joiner == "or") != (right.joiner == "or") and any(map(_states, left.items + right.items)):
            return False  # of bare values it makes no difference: `2 or 3` are the solutions 2, 3
        if kinds == {"list"} and any(isinstance(item, Ellipsis_) for item in left.items + right.items):
            return self._in_order(left, right)
        if kinds == {"list"} and _is_system(left) != _is_system(right):
            return self._system_and_values(left, right)
        if kinds == {"set"}:
            return self._same_sets(left, right)
        if kinds == {"list"} and all(isinstance(item, _Family) for item in left.items + right.items):
            union = self._same_unions(left.items, right.items)
            if union is not None:
                return union
        if kinds == {"list", "set"} and _marks_inside(left) != _marks_inside(right):
            return False  # names and braces belong to what is inside of them
        if kinds <= {"list", "set"}:
            return self._in_any_order(left, right)
        if kinds <= {"tuple", "angle"} or len(kinds) == 1:
            return self._in_order(left, right)
        if kinds == {"list", "tuple"}:
            if _is_system(left) or _is_system(right):
                return self._system_and_values(left, right)
            return self._in_order(left, right)
        return False

    def _in_order(self, left: _Several, right: _Several) -> Verdict:
        if len(left.items) != len(right.items):
            return False
        with self._inside_a_group():
            return self._all(zip(left.items, right.items, strict=True))

    @contextmanager
    def _inside_a_group(self) -> Iterator[None]:
        """Where the braces of a set are no longer those around the whole answer."""
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    def _same_sets(self, left: _Several, right: _Several) -> Verdict:
        verdict: Verdict = True
        for these, those in ((left.items, right.items), (right.items, left.items)):
            for this in these:
                with self._inside_a_group():
                    found = self._any(self._comparison(this, that) for that in those)
                if found is False:
                    return False
                verdict = None if found is None else verdict
        return verdict

    def _comparison(self, left: _Meaning, right: _Meaning) -> Callable[[], Verdict]:
        return lambda: self._equal(left, right)

    def _in_any_order(self, left: _Several, right: _Several) -> Verdict:
        if len(left.items) != len(right.items):
            return False
        values = [self._exact_items(side.items) for side in (left, right)]
        if values[0] is not None and values[1] is not None:
            self._used("number")
            return values[0] == values[1]
        if len(left.items) > _MOST_UNORDERED:
            return None
        remaining = list(right.items)
        undecided = False
        for item in left.items:
            for index, candidate in enumerate(remaining):
                with self._inside_a_group():
                    verdict = self._equal(item, candidate)
                if verdict is True:
                    del remaining[index]
                    break
                undecided = undecided or verdict is None
            else:
                return None if undecided else False
        return True

    def _exact_items(self, items: Iterable[_Meaning]) -> list[Fraction] | None:
        values: list[Fraction] = []
        for item in items:
            if not (isinstance(item, Num) and item.places is None) and not (
                isinstance(item, Neg) and isinstance(item.operand, Num) and item.operand.places is None
            ):
                return None
            value = exact(item)
            assert value is not None
            values.append(value)
        return sorted(values)

    def _system_and_values(self, left: _Several, right: _Several) -> Verdict:
        """`x = 1, y = 2` and `(1, 2)`: by the order of the names."""
        system, values = (left, right) if _is_system(left) else (right, left)
        if _is_system(values) or any(isinstance(item, _Assigned | _Equation) for item in values.items):
            return False
        named = sorted((item for item in system.items if isinstance(item, _Assigned)), key=lambda one: key(one.name))
        return self._in_order(_Several("tuple", tuple(one.value for one in named)), values)

    def _group_and_single(self, group: _Several, single: _Meaning) -> Verdict:
        if isinstance(single, Matrix):
            column = all(len(row) == 1 for row in single.rows) and len(single.rows) == len(group.items)
            if not column or group.kind not in {"tuple", "angle"}:
                return False
            return self._all(zip(group.items, (self._meaning(row[0]) for row in single.rows), strict=True))
        if group.kind == "set" and not group.items and group.joiner != "said":
            return single == Words("no real solution")
        if group.kind == "set" and len(group.items) == 1 and isinstance(single, (*EXPRESSIONS, Quantity)):
            return self._equal(group.items[0], single) if self._inside == 0 else False
        return False

    # Single nodes

    def _nodes(self, left: Node, right: Node) -> Verdict:
        if left == right or key(left) == key(right):
            return True
        for one, other in ((left, right), (right, left)):
            match one:
                case Quantity():
                    return self._quantities(one, other)
                case Approximate(operand):
                    return self._approximates(operand, other)
                case Residue():
                    return self._residues(one, other)
                case Ratio():
                    return self._ratios(one, other)
                case Degrees() if not isinstance(other, Degrees | Approximate):
                    return self._degrees(one, other)
                case Based() if not isinstance(other, Based):
                    return False
                case Percent() if self._settings.percent_as_number and self._expressions(one.operand, other) is True:
                    return True
                case _:
                    pass
        match left, right:
            case (Matrix() as one, Matrix() as other) | (Cases() as one, Cases() as other):
                return self._rows(one, other)
            case (Degrees(one), Degrees(other)):
                return self._nodes(one, other)
            case (Relation(), Relation()):
                return self._relations(left, right)
            case (Builder(), Builder()):
                return self._all(
                    zip(map(self._meaning, children(left)), map(self._meaning, children(right)), strict=True)
                )
            case (SetOperation(), SetOperation()) if left.operator == right.operator:
                kind = "tuple" if left.operator == "-" else "list"
                sides = [_Several(kind, tuple(map(self._meaning, side.operands))) for side in (left, right)]
                return self._groups(sides[0], sides[1])
            case (Letters(letters), Words(text, written)) | (Words(text, written), Letters(letters)):
                return letters == written or (text in words.SHORT_WORDS and letters.casefold() == text)
            case (Letters(letters), other) | (other, Letters(letters)) if isinstance(other, EXPRESSIONS):
                return self._expressions(_product_of(letters), other)
            case (Words(text), Mul() as product) | (Mul() as product, Words(text)):
                return len(product.factors) <= 3 and _spelled(product).casefold() == text
            case _ if isinstance(left, EXPRESSIONS) and isinstance(right, EXPRESSIONS):
                return self._expressions(left, right)
            case _:
                return False

    def _quantities(self, quantity: Quantity, other: Node) -> Verdict:
        other = _with_spelled_unit(other)
        if not isinstance(other, Quantity):
            if self._settings.units == "required":
                self.reason = "only one side has a unit"
                return False
            if isinstance(other, Degrees):
                return quantity.unit.powers == (("radian", 1),) and self._expressions(quantity.value, other)
            return self._nodes(quantity.value, other)
        if quantity.unit.powers != other.unit.powers:
            self.reason = "the units differ"
            return False
        factors = quantity.unit.factor, other.unit.factor
        if factors[0] == factors[1]:
            return self._nodes(quantity.value, other.value)
        sides = [Mul((Num(factor), one.value)) for factor, one in zip(factors, (quantity, other), strict=True)]
        return self._expressions(sides[0], sides[1])

    def _approximates(self, near: Node, other: Node) -> Verdict:
        r"""A decimal after `\approx` stands for a value that it shows enough of, and for a decimal that is as near."""
        if isinstance(other, Approximate):
            return self._nodes(near, other.operand)
        if isinstance(near, Degrees):
            return self._approximates(near.operand, other.operand if isinstance(other, Degrees) else other)
        decimal = Decimal.of(near)
        if decimal is None or not isinstance(other, EXPRESSIONS):
            return False
        if Decimal.of(other) is not None:
            return self._expressions(near, other)
        return False if decimal.significant < self._settings.decimal_digits else self._as_decimals(near, other)

    def _degrees(self, degrees: Degrees, other: Node) -> Verdict:
        if not isinstance(other, EXPRESSIONS):
            return False
        bare = self._settings.units == "optional"
        return self._any(
            [
                lambda: self._expressions(degrees.operand, other) if bare else False,
                lambda: self._expressions(degrees, other),
            ]
        )

    def _residues(self, residue: Residue, other: Node) -> Verdict:
        if not isinstance(other, Residue):
            return self._nodes(residue.value, other)
        if self._nodes(residue.modulus, other.modulus) is not True:
            return False
        try:
            values = [exact(part) for part in (residue.value, other.value, residue.modulus)]
        except UndefinedError:
            return self._undefined()
        if values[0] is None or values[1] is None or not values[2]:
            return self._nodes(residue.value, other.value)
        return ((values[0] - values[1]) / values[2]).denominator == 1

    def _ratios(self, ratio: Ratio, other: Node) -> Verdict:
        if isinstance(other, Ratio):
            if ratio.clock or other.clock:
                halves = [one.clock is not None and one.clock[-1] == "m" for one in (ratio, other)]
                is_time = any(":0" in (one.clock or "") for one in (ratio, other))
                if halves[0] != halves[1]:
                    return _on_a_day(ratio) == _on_a_day(other) is not None
                if any(halves) or is_time or (ratio.clock and other.clock):
                    return ratio.clock == other.clock
            if len(ratio.items) != len(other.items):
                return False
            if any(isinstance(item, Ellipsis_) for item in ratio.items + other.items):
                return self._all(zip(ratio.items, other.items, strict=True))
            first = ratio.items[0], other.items[0]
            pairs = zip(ratio.items[1:], other.items[1:], strict=True)
            # A ratio of which one part is 0 is compared as it stands: products would say 0 = 0.
            try:
                zero = any(exact(item) == 0 for item in ratio.items + other.items if isinstance(item, EXPRESSIONS))
            except UndefinedError:
                return self._undefined()
            if zero:
                return self._all(zip(ratio.items, other.items, strict=True))
            return self._all((Mul((first[0], two)), Mul((first[1], one))) for one, two in pairs)
        if ratio.clock or len(ratio.items) != 2 or not isinstance(other, EXPRESSIONS):
            return False
        return self._expressions(Div(ratio.items[0], ratio.items[1]), other)

    def _rows(self, left: Matrix | Cases, right: Matrix | Cases) -> Verdict:
        if [len(row) for row in left.rows] != [len(row) for row in right.rows]:
            return False
        if isinstance(left, Cases):
            sides = [
                _Several("list", tuple(_Several("tuple", tuple(map(self._meaning, row))) for row in side.rows))
                for side in (left, right)
            ]
            return self._in_any_order(sides[0], sides[1])
        cells = zip(children(left), children(right), strict=True)
        return self._all((self._meaning(one), self._meaning(other)) for one, other in cells)

    def _relations(self, left: Relation, right: Relation) -> Verdict:
        if len(left.operators) != len(right.operators):
            return False
        turned = Relation(
            tuple(_FLIPPED.get(operator, operator) for operator in reversed(right.operators)), right.operands[::-1]
        )
        symmetric = set(right.operators) <= set(_FLIPPED) | {"perp", "parallel"}
        candidates = [right, turned] if symmetric else [right]
        verdict = self._any(
            self._pairwise(left, candidate) for candidate in candidates if candidate.operators == left.operators
        )
        if verdict is True or len(left.operators) != 1 or not set(left.operators) <= {"<", "<=", ">", ">=", "!="}:
            return verdict
        if not all(isinstance(one, EXPRESSIONS) for one in left.operands + right.operands):
            return verdict
        sides = [Add((one.operands[0], Neg(one.operands[1]))) for one in (left, right)]
        self._used("numeric")
        outcome, sign = numeric.proportional(sides[0], sides[1], self._effort)
        if outcome is not Outcome.AGREE:
            return False if outcome is Outcome.DIFFER else None
        expected = right.operators[0] if sign > 0 else _FLIPPED[right.operators[0]]
        return left.operators[0] == expected

    def _pairwise(self, left: Relation, right: Relation) -> Callable[[], Verdict]:
        def compare() -> Verdict:
            meanings = [map(self._meaning, side.operands) for side in (left, right)]
            return self._all(zip(meanings[0], meanings[1], strict=True))

        return compare

    # Values

    def _expressions(self, left: Node, right: Node) -> Verdict:
        if not isinstance(right, EXPRESSIONS) or not isinstance(left, EXPRESSIONS):
            return False
        infinities = [_infinity(side) for side in (left, right)]
        if any(infinities) and not _has_operator(left, right):
            return infinities[0] == infinities[1]
        if any(one == INFINITY for side in (left, right) for one in walk(side)) and not _has_operator(left, right):
            return False
        try:
            values = exact(left), exact(right)
        except UndefinedError:
            return self._undefined()
        if values[0] is not None and values[1] is not None:
            self._used("number")
            if values[0] == values[1]:
                return True
            return self._as_decimals(left, right) is True
        return self._inexact(left, right)

    def _inexact(self, left: Node, right: Node) -> Verdict:
        decimal = self._as_decimals(left, right)
        if decimal is not None:
            return decimal
        self._used("numeric")
        outcome = numeric.compare(left, right, self._effort)
        if outcome is Outcome.DIFFER and self._is_same_family(left, right):
            return True
        if outcome is Outcome.DOMAINS_DIFFER:
            self.reason = "one side is defined where the other is not"
            return self._settings.domain == "common"
        if outcome is Outcome.UNKNOWN and self._symbolic is not None and not self._beyond_evaluation(left, right):
            self._used("symbolic")
            return self._symbolic(left, right)
        return {Outcome.AGREE: True, Outcome.DIFFER: False}.get(outcome)

    def _is_same_family(self, left: Node, right: Node) -> bool:
        """Whether they differ only in what a constant of integration takes up."""
        pairs = same_families(left, right)
        return any(numeric.compare(one, other, self._effort) is Outcome.AGREE for one, other in pairs)

    def _beyond_evaluation(self, *sides: Node) -> bool:
        """Whether a constant is too large for interval arithmetic, and so for SymPy, which would try."""
        plain = [side for side in sides if not _has_operator(side) and _infinity(side) is None]
        constants = [side for side in plain if not free_names(side)]
        return any(numeric.constant(side, self._effort) is None for side in constants) or len(constants) == len(sides)

    def _as_decimals(self, left: Node, right: Node) -> Verdict:
        """Whether a decimal on one side shows the exact value on the other; None where that is not the question."""
        decimals = [Decimal.of(side) for side in (left, right)]
        if (decimals[0] is None) == (decimals[1] is None):
            return False if decimals[0] is not None else None
        decimal = decimals[0] or decimals[1]
        value = right if decimals[0] is not None else left
        assert decimal is not None
        if free_names(value) or decimal.is_whole or _is_whole(value):
            return None  # integers are compared exactly
        verdict = self._shows(decimal, value)
        if verdict is True and decimal.significant < self._settings.decimal_digits:
            self.reason = f"a decimal needs {self._settings.decimal_digits} significant digits to stand for this value"
            return None  # unless it is the very value
        return verdict

    def _shows(self, decimal: Decimal, value: Node) -> Verdict:
        """Whether every digit of a decimal is right, rounded or cut off."""
        ball = numeric.constant(value, self._effort)
        if ball is None or not ball.imag.contains(0):
            return None if ball is None else False
        known = exact(value)
        if known is not None:
            return decimal.shows(known)
        self._used("numeric")
        verdicts = {decimal.shows(end) for end in numeric.bounds(ball.real)}
        return verdicts.pop() if len(verdicts) == 1 else None

    def _undefined(self) -> Verdict:
        self.reason = "a division by zero"
        return False

    def _used(self, method: str) -> None:
        self.method = method


def _is_letter_of_constant(node: Node) -> TypeGuard[Const]:
    """`e` and `i`, which are names as well where they cannot be constants: an eccentricity, a current."""
    return isinstance(node, Const) and node.name in _LETTERS_OF_CONSTANTS


def _is_numeric(nodes: Iterable[Node]) -> bool:
    """Whether these are values without variables and without the letters of constants."""
    return not any(free_names(node) or any(map(_is_letter_of_constant, walk(node))) for node in nodes)


def _with_names_of_constants(chain: Relation) -> Relation:
    """`0 < e < 1` as a statement about a variable: of constants alone it would state nothing."""
    letters = [at for at, operand in enumerate(chain.operands) if _is_letter_of_constant(operand)]
    if len(letters) != 1 or not _is_numeric(chain.operands[: letters[0]] + chain.operands[letters[0] + 1 :]):
        return chain
    named = [Sym(operand.name) if _is_letter_of_constant(operand) else operand for operand in chain.operands]
    return Relation(chain.operators, tuple(named))


def _is_name(node: Node) -> bool:
    """What can stand before an equals sign as the name of what follows."""
    match node:
        case Words(text):
            return not words.unsays(text)
        case Sym() | Figure():
            return True
        case Apply(_, arguments):
            return all(isinstance(argument, Sym | Num) for argument in arguments)
        case Mul(factors):
            return _is_capital(node) and len(set(factors)) == len(factors)
        case Call(
            "abs" | "norm" | "sin" | "cos" | "tan" | "det", (operand,)
        ):  # `|z| = 5` and `\\sin A = 1`, but `|x| = 5` is to be solved
            return isinstance(operand, Figure) or _is_capital(operand) or operand in _KNOWNS or _is_function(operand)
        case Group("tuple", items):
            return all(isinstance(item, Sym) for item in items)
        case BigOperator(kind, body=Apply()) if kind in {"lim", "int"}:
            return True  # of a function that is known by name only
        case SetOperation(_, operands):
            return all(isinstance(operand, Sym) and operand.name[0].isupper() for operand in operands)
        case Ratio(items):
            return all(_is_capital(item) or isinstance(item, Sym) for item in items) and len(set(items)) == len(items)
        case Div(top, bottom):
            return _is_capital(top) and _is_capital(bottom)
        case _:
            return False


def _arguments(name: Node) -> set[str]:
    """The variables of `f(x)` and the index of `a_n`."""
    match name:
        case Apply(_, arguments):
            return {argument.name for argument in arguments if isinstance(argument, Sym)}
        case Sym(written):
            return {written.partition("_")[2]}
        case _:
            return set()


def _goes_without_saying(name: Node, domain: Node) -> bool:
    """Whether a formula says the same without this: `f(x)` for all real x, `a_n` for all n from one."""
    match domain:
        case Relation(("in",), (Sym(variable), NamedSet(numbers))):
            integers = _COUNTED_FROM_ONE if isinstance(name, Sym) else _COUNTED_FROM_ONE | {"Z", "Z>=0"}
            natural = integers if isinstance(name, Sym) or variable in _INDICES else {"R"}
            return variable in _arguments(name) and numbers in natural
        case Relation((">=",), (Sym(variable), Num(value))):
            return isinstance(name, Sym) and variable in _arguments(name) and value == 1
        case Sym(variable):  # `for all x`
            return isinstance(name, Apply) and variable in _arguments(name)
        case _:
            return False


def _multiplied(factors: tuple[Node, ...]) -> Matrix | None:
    """A matrix of which every cell is multiplied; None where there is more than one."""
    matrices = [factor for factor in factors if isinstance(factor, Matrix)]
    others = tuple(factor for factor in factors if isinstance(factor, EXPRESSIONS))
    if len(matrices) != 1 or len(others) + 1 != len(factors):
        return None
    return Matrix(tuple(tuple(Mul((*others, cell)) for cell in row) for row in matrices[0].rows))


def _is_point_of_names(node: Node) -> bool:
    return isinstance(node, Group) and node.kind == "tuple" and all(isinstance(item, Sym) for item in node.items)


def _is_whole(node: Node) -> bool:
    value = exact(node)
    return value is not None and value.denominator == 1


def _product_of(letters: str) -> Node:
    return Mul(tuple(Const(letter) if letter in {"e", "i"} else Sym(letter) for letter in letters))


def _with_spelled_unit(node: Node) -> Node:
    """`5cm` that was read as a product, as a quantity; any other node just as it is."""
    if not isinstance(node, Mul):
        return node
    factors = list(node.factors)
    power = 1
    if isinstance(factors[-1], Pow) and factors[-1].exponent in {Num(Fraction(2)), Num(Fraction(3))}:
        power = 2 if factors[-1].exponent == Num(Fraction(2)) else 3
        factors[-1] = factors[-1].base
    for length in (2, 3):
        spelled = "".join(one.name if isinstance(one, Sym) else "?" for one in factors[-length:])
        unit = units.unit_of([spelled]) if spelled in units.PRODUCTS_TOO else None
        if unit is not None and len(factors) > length:
            value = Mul(tuple(factors[:-length])) if len(factors) > length + 1 else factors[0]
            return Quantity(value, units.raised(unit, power))
    return node


def _without_unit(node: Node) -> Node:
    match node:
        case Quantity(value):
            return value
        case Degrees(operand):
            return operand
        case _:
            return node


def _is_variable(argument: Sym) -> bool:
    """A letter that may have any name; the event A of `P(A)` and the place a of `f(a)` may not."""
    return argument.name in _VARIABLES


def _is_function(node: Node) -> bool:
    return isinstance(node, Sym) and " " in node.name  # `vec a`


def _is_capital(node: Node) -> bool:
    """A quantity that is called by capital letters: the segment AB, the area S_1."""
    factors = node.factors if isinstance(node, Mul) else (node,)
    return all(isinstance(factor, Sym) and factor.name[0].isupper() for factor in factors)


def _occurs(name: Node, other: Node) -> bool:
    match name:
        case Sym(letter):
            return letter in free_names(other)
        case Apply():
            return key(name) in free_names(other)
        case _:
            return bool(free_names(name) & free_names(other))


def _spelled(product: Mul) -> str:
    """The word that was read as a product of its letters, `red`."""
    return "".join(factor.name if isinstance(factor, Sym | Const) else "?" for factor in product.factors)


def _without_formulas(operands: Sequence[Node], operators: Sequence[str]) -> tuple[Sequence[Node], Sequence[str]]:
    """Of `S = πr² = 9π` what follows the formula: with variables it is no value, and so no false one."""
    start = 0
    while start < len(operands) - 1 and free_names(operands[start]) and not free_names(operands[-1]):
        start += 1
    return operands[start:], operators[start:]


def _occurs_in_ends(chain: Relation) -> bool:
    first, middle, last = chain.operands
    return bool(free_names(middle) & (free_names(first) | free_names(last)))


def _is_system(several: _Several) -> bool:
    """Whether every item gives a value to another name."""
    names = [key(item.name) for item in several.items if isinstance(item, _Assigned)]
    return several.joiner != "or" and bool(names) and len(names) == len(several.items) == len(set(names))


def _with_points_as_ranges(meanings: list[_Meaning]) -> list[_Meaning]:
    """Of `x < 0 or x = 1` the value as the set that holds it."""
    names = {meaning.name for meaning in meanings if isinstance(meaning, _Ranged)}
    return [_as_range(meaning, names) for meaning in meanings]


def _as_range(meaning: _Meaning, names: set[str]) -> _Meaning:
    if isinstance(meaning, _Assigned) and isinstance(meaning.name, Sym) and meaning.name.name in names:
        value = meaning.value
        if isinstance(value, EXPRESSIONS):
            return _Ranged(meaning.name.name, _RealSet((_Piece(value, value, False, False),)))
    return meaning


def _numbers_the_values_of(several: _Several, name: Node) -> bool:
    """Whether `x_1 = 2, x_2 = -3` is said of x."""
    if several.kind != "list" or not isinstance(name, Sym) or not _is_system(several):
        return False
    names = {item.name.name for item in several.items if isinstance(item, _Assigned) and isinstance(item.name, Sym)}
    return names == {f"{name.name}_{index + 1}" for index in range(len(several.items))}


def _marks_inside(several: _Several) -> tuple[int, int]:
    """How many of the items have names and how many are sets themselves."""
    named = sum(isinstance(item, _Assigned) for item in several.items)
    return named, sum(isinstance(item, _Several) and item.kind == "set" for item in several.items)


def _kinds(*meanings: _Meaning) -> set[str]:
    return {meaning.kind if isinstance(meaning, _Several) else "" for meaning in meanings}


def _states(meaning: _Meaning) -> bool:
    """Whether this is a statement, words or the letter of a choice, and no bare value or point."""
    match meaning:
        case _Several(_, items):
            return any(map(_states, items))
        case Sym(name):
            return len(name) == 1 and name.isupper()
        case _:
            return not isinstance(meaning, Node) or isinstance(meaning, Relation | Words | Letters)


def _is_class(meaning: _Meaning) -> bool:
    """Whether this is all numbers that leave a remainder, and not the remainder."""
    if isinstance(meaning, _Several):
        return any(map(_is_class, meaning.items))
    return isinstance(meaning, Residue | _Family)


def _interval(kind: str, lower: Node, upper: Node) -> _RealSet:
    return _RealSet((_Piece(lower, upper, kind in {"tuple", "left-open"}, kind in {"tuple", "right-open"}),))


def _on_a_day(time: Ratio) -> str | None:
    """A time of day as one of 24 hours, where it says which half of the day it is in."""
    clock, _, half = (time.clock or "").partition(" ")
    hour, _, rest = clock.partition(":")
    if not hour:
        return None
    if not half:
        return clock if int(hour) > 12 else None
    return f"{int(hour) % 12 + (12 if half == 'pm' else 0)}:{rest}"


def _whole_numbers(piece: _Piece) -> _Several | None:
    lower, upper = exact(piece.lower), exact(piece.upper)
    if lower is None or upper is None:
        return None
    first = math.floor(lower) + 1 if piece.lower_open else math.ceil(lower)
    last = math.ceil(upper) - 1 if piece.upper_open else math.floor(upper)
    if last - first >= _MOST_UNORDERED:
        return None
    return _Several("set", tuple(_integer(value) for value in range(first, last + 1)))


def _integer(value: int) -> Node:
    return Neg(Num(Fraction(-value))) if value < 0 else Num(Fraction(value))


def _reaches_infinity(one: _RealSet) -> bool:
    return any(_infinity(end) for piece in one.pieces for end in (piece.lower, piece.upper))


def _infinity(node: Node) -> str | None:
    match node:
        case Const("oo"):
            return "+"
        case Neg(Const("oo")):
            return "-"
        case _:
            return None


def _has_operator(*nodes: Node) -> bool:
    return any(isinstance(one, BigOperator) for node in nodes for one in walk(node))
