"""What an answer is once it has been read: expressions, and the structures that hold them.

Every node is immutable and hashable. `key` is one spelling for all orders in which sums, products and sets can be
written; two nodes with one key denote the same thing, two nodes with different keys may still do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Num:
    """A number as it was written. `places` counts the digits after its decimal point, None for an integer."""

    value: Fraction
    places: int | None = None
    significant: int = 0  # digits shown from the first that is not zero
    repeating: bool = False


@dataclass(frozen=True, slots=True)
class Sym:
    """A variable, with its subscript and primes in the name; also what is known only by name, such as `dy/dx`."""

    name: str


@dataclass(frozen=True, slots=True)
class Const:
    """`pi`, `e`, `i` or `oo`."""

    name: str


@dataclass(frozen=True, slots=True)
class Add:
    """A sum."""

    terms: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Mul:
    """A product."""

    factors: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Div:
    """A quotient, however it was written."""

    top: Node
    bottom: Node


@dataclass(frozen=True, slots=True)
class Pow:
    """A power."""

    base: Node
    exponent: Node


@dataclass(frozen=True, slots=True)
class Neg:
    """The opposite."""

    operand: Node


@dataclass(frozen=True, slots=True)
class PlusMinus:
    r"""`operand` with both signs: `\pm`, or with `sign` -1 `\mp`."""

    operand: Node
    sign: int


@dataclass(frozen=True, slots=True)
class Call:
    """A function whose meaning we know."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Apply:
    """A function known only by its name, `f(x)`."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class BigOperator:
    """A sum, product, integral or limit; `variable` is bound in `body`."""

    kind: str  # sum | prod | int | lim
    variable: str
    lower: Node | None  # of a limit: where to
    upper: Node | None
    body: Node
    direction: str = ""  # of a one-sided limit


@dataclass(frozen=True, slots=True)
class Percent:
    """A number followed by a percent sign."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Degrees:
    """An angle in degrees."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Based:
    """Digits with the base that they are written in."""

    digits: str
    base: int


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: powers of base units, and what one of it is worth in them. `degrees` are a unit of their own kind."""

    powers: tuple[tuple[str, int], ...]
    factor: Fraction


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value with a unit or a counted thing."""

    value: Node
    unit: Unit


@dataclass(frozen=True, slots=True)
class Residue:
    r"""A value that is meant modulo something: `3 \pmod 7`."""

    value: Node
    modulus: Node


@dataclass(frozen=True, slots=True)
class Ratio:
    """`a:b:c`; `clock` when it can be read as a time of day."""

    items: tuple[Node, ...]
    clock: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Several answers together. `kind` says whether their order counts and what they stand for.

    `list`: bare, separated by commas or words. `set`: in braces. `tuple`: in parentheses. `bracket`: in square
    brackets. `left-open`, `right-open`: an interval with one end of each kind. `angle`: in angle brackets.
    """

    kind: str
    items: tuple[Node, ...]
    joiner: str = ","  # of a list: "or", "and", ","


@dataclass(frozen=True, slots=True)
class SetOperation:
    """Union `|`, intersection `&` or difference `-` of sets."""

    operator: str
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class NamedSet:
    r"""`\mathbb{R}` and its like."""

    name: str


@dataclass(frozen=True, slots=True)
class Builder:
    r"""`\{x \mid x > 2\}`."""

    element: Node
    condition: Node


@dataclass(frozen=True, slots=True)
class Relation:
    """A chain of comparisons: `operands` with one of `operators` between each two."""

    operators: tuple[str, ...]
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of cells, all of one length."""

    rows: tuple[tuple[Node, ...], ...]


@dataclass(frozen=True, slots=True)
class Cases:
    """A function by cases: rows of a value and its condition."""

    rows: tuple[tuple[Node, ...], ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """Letters under a geometric sign: a segment, an angle, a triangle."""

    kind: str
    letters: str


@dataclass(frozen=True, slots=True)
class Words:
    """Text, as it is compared, lower case, without articles and punctuation; and as it was written."""

    text: str
    written: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Letters:
    """Letters side by side that need not be a product: `HHT` is a sequence, `ABC` a figure, `cat` a word."""

    text: str


@dataclass(frozen=True, slots=True)
class Approximate:
    r"""What stands after `\approx`: a value that is near, and not this one."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Ellipsis_:  # noqa: N801 - `Ellipsis` is a builtin
    """`…` in a list."""


Node = (
    Num
    | Sym
    | Const
    | Add
    | Mul
    | Div
    | Pow
    | Neg
    | PlusMinus
    | Call
    | Apply
    | BigOperator
    | Percent
    | Degrees
    | Based
    | Quantity
    | Residue
    | Ratio
    | Group
    | SetOperation
    | NamedSet
    | Builder
    | Relation
    | Matrix
    | Cases
    | Figure
    | Words
    | Letters
    | Approximate
    | Ellipsis_
)

EXPRESSIONS = (Num, Sym, Const, Add, Mul, Div, Pow, Neg, Call, Apply, BigOperator, Percent, Degrees, Based)
EMPTY_SET = Group("set", ())
INFINITY = Const("oo")


def approximate_value(node: Node) -> Node:
    """What is only known to be near a value: the value of a quantity, and not its unit."""
    if isinstance(node, Quantity):
        return Quantity(approximate_value(node.value), node.unit)
    return Approximate(node) if isinstance(node, EXPRESSIONS) else node


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly under a node."""
    match node:
        case Add(nodes) | Mul(nodes) | Call(_, nodes) | Apply(_, nodes) | Relation(_, nodes):
            return nodes
        case Ratio(nodes) | Group(_, nodes) | SetOperation(_, nodes):
            return nodes
        case Div(left, right) | Pow(left, right) | Residue(left, right) | Builder(left, right):
            return (left, right)
        case Neg(one) | Percent(one) | Degrees(one) | Quantity(one) | PlusMinus(one) | Approximate(one):
            return (one,)
        case BigOperator(lower=lower, upper=upper, body=body):
            return tuple(part for part in (lower, upper, body) if part is not None)
        case Matrix(rows) | Cases(rows):
            return tuple(cell for row in rows for cell in row)
        case _:
            return ()


def walk(node: Node) -> Iterator[Node]:
    """A node and everything under it."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        yield one
        waiting.extend(children(one))


def free_names(node: Node) -> frozenset[str]:
    """The names of the variables that a value depends on; a function known only by name counts as one."""
    match node:
        case Sym(name):
            return frozenset((name,))
        case Apply():
            return frozenset((key(node),))
        case BigOperator(_, variable, lower, upper, body):
            bounds = [free_names(part) for part in (lower, upper) if part is not None]
            return frozenset().union(*bounds, free_names(body) - {variable})
        case _:
            return frozenset().union(*(free_names(child) for child in children(node)))


def substitute(node: Node, name: str, value: Node) -> Node:
    """The node with a variable replaced wherever it is free."""
    if name not in free_names(node) and not isinstance(node, Apply):
        return node

    def inside(child: Node) -> Node:
        return substitute(child, name, value)

    match node:
        case Sym():
            return value
        case Add(nodes):
            return Add(tuple(map(inside, nodes)))
        case Mul(nodes):
            return Mul(tuple(map(inside, nodes)))
        case Div(top, bottom):
            return Div(inside(top), inside(bottom))
        case Pow(base, exponent):
            return Pow(inside(base), inside(exponent))
        case Neg(operand):
            return Neg(inside(operand))
        case PlusMinus(operand, sign):
            return PlusMinus(inside(operand), sign)
        case Percent(operand):
            return Percent(inside(operand))
        case Degrees(operand):
            return Degrees(inside(operand))
        case Call(function, nodes):
            return Call(function, tuple(map(inside, nodes)))
        case Apply(function, nodes):
            return Apply(function, tuple(map(inside, nodes)))
        case BigOperator(kind, variable, lower, upper, body, direction):
            ends = [None if end is None else inside(end) for end in (lower, upper)]
            return BigOperator(kind, variable, ends[0], ends[1], body if variable == name else inside(body), direction)
        case Relation(operators, nodes):
            return Relation(operators, tuple(map(inside, nodes)))
        case Group(kind, nodes, joiner):
            return Group(kind, tuple(map(inside, nodes)), joiner)
        case SetOperation(operator, nodes):
            return SetOperation(operator, tuple(map(inside, nodes)))
        case Cases(rows):
            return Cases(tuple(tuple(map(inside, row)) for row in rows))
        case _:
            return node


def key(node: Node) -> str:
    """One spelling for a node whatever the order of what commutes in it."""
    match node:
        case Num(value):
            return f"{value.numerator:x}/{value.denominator:x}"  # hexadecimal: decimal takes quadratic time
        case Sym(name) | Const(name) | NamedSet(name):
            return f"{type(node).__name__}:{name}"
        case Add(nodes):
            return "(" + " + ".join(sorted(map(key, nodes))) + ")"
        case Mul(nodes):
            return "(" + " * ".join(sorted(map(key, nodes))) + ")"
        case Group("set", nodes):
            return "{" + ", ".join(sorted(set(map(key, nodes)))) + "}"
        case Group("list", nodes, joiner) if not any(isinstance(item, Ellipsis_) for item in nodes):
            return ("any(" if joiner == "or" else "list(") + ", ".join(sorted(map(key, nodes))) + ")"
        case Figure(kind, letters):
            return f"{kind} {letters}"
        case Letters(text):
            return f"Letters:{text}"
        case Words(text):
            return f"'{text}'"
        case Based(digits, base):
            return f"{digits}_{base}"
        case _:
            return _labelled_key(node)


def _is_renamable(operator: BigOperator) -> bool:
    """Whether the name of the bound variable means nothing: not in an antiderivative, nor where `a_k` holds it."""
    return operator.lower is not None and not any(_is_indexed(one, operator.variable) for one in walk(operator.body))


def _is_indexed(node: Node, variable: str) -> bool:
    return isinstance(node, Sym | Apply) and variable in node.name.partition("_")[2]


def is_unknown(operator: BigOperator) -> bool:
    """Whether it runs over a sequence or a function that is known by name only, `a_k` or `f(k)`."""
    return any(
        _is_indexed(one, operator.variable) or (isinstance(one, Apply) and Sym(operator.variable) in set(walk(one)))
        for one in walk(operator.body)
    )


def _labelled_key(node: Node) -> str:
    label = type(node).__name__
    match node:
        case Call(name) | Apply(name):
            label = f"{label}:{name}"
        case BigOperator(kind, variable, lower, upper, body, direction):
            label = f"{kind}:{direction}:{lower is None}{upper is None}"
            if not _is_renamable(node):
                label += f":{variable}"
            else:
                height = sum(isinstance(one, BigOperator) for one in walk(body))
                node = replace(node, body=substitute(body, variable, Sym(f"#{height}")))
        case Quantity(unit=unit):
            label = f"Quantity:{unit.powers}:{unit.factor}"
        case Group(kind):
            label = f"Group:{kind}"
        case SetOperation(operator):
            label = f"SetOperation:{operator}"
        case Relation(operators):
            label = f"Relation:{operators}"
        case Matrix(rows) | Cases(rows):
            label = f"{label}:{len(rows)}"
        case PlusMinus(sign=sign):
            label = f"PlusMinus:{sign}"
        case Ratio(clock=clock):
            label = f"Ratio:{clock}"
        case _:
            pass
    return f"{label}[" + ", ".join(map(key, children(node))) + "]"
