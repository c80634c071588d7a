r"""Read the tokens of an answer into nodes: our own small LaTeX grammar, with bounds.

Guaranteed: no text is ever evaluated, depth and length are bounded, and what is not understood is refused rather than
half read: there is no token that is silently skipped. Where writers disagree the reading is fixed here: `2(3)` is a
product and `2\frac{1}{2}` a mixed number; `1/2x` is read from left to right; `x^10` is the tenth power; a function
without parentheses takes the factors that follow it, `\sin 2x`, up to the next function, sign or operator; a single
letter set as text after a number is a unit, otherwise a variable.
"""

# ruff: noqa: SIM905 - a paragraph of words is read more easily than a list of strings

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

from reward_server.math import unit_words, units, words
from reward_server.math.lexer import MOST_DIGITS, BrokenError, Token, TooLargeError, UnreadableError, tokenise
from reward_server.math.nodes import (
    EMPTY_SET,
    Add,
    Apply,
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
    Unit,
    Words,
    approximate_value,
    key,
)

DEEPEST = 40
_EXPONENT_BOUND = 5_000  # of 1e5000

_ALL_DIGITS = re.compile(r"[0-9A-Z]+")
_MOST_DIGITS = 6  # in tokens, of a number that is written with letters
_BASES_WITH_LETTERS = frozenset(map(str, range(11, 37)))
_ZERO_AFTER_COMMA = re.compile(r",0\d")  # of `1,000`, which is no list
_END = Token("end", "")
_SIGNS = frozenset({"operator", "command"})
_NESTING = {"(": 1, "[": 1, "{": 1, "{set": 1, "langle": 1, ")": -1, "]": -1, "}": -1, "}set": -1, "rangle": -1}
_NEVER_JOINING = frozenset({"number", "command", "function", "end"})
_ENDS = (_END,) * 12
_RELATIONS = frozenset("= < > <= >= != approx equiv in notin to perp parallel".split())
_BEFORE_A_VALUE = frozenset("+ - * / ^ _ ( [ { {set , ; : | norm pm mp and or & row".split()) | _RELATIONS
_LIST_WORDS = frozenset("and or und oder et ou y o e и или 和 或".split())
_ALTERNATIVES = frozenset("or oder ou o или 或".split())
_CONDITION_WORDS = frozenset("where for with when if mit où".split())
_PERCENT_WORDS = frozenset("percent pct percentage".split()) | unit_words.PERCENT_ABROAD
_SET_OPERATORS = {"cup": "|", "cap": "&", "setminus": "-", "U": "|", "-": "-"}
_SETS_OPEN = frozenset({"(", "[", "{set"})
_FIGURES = {
    "overline": "segment",
    "overrightarrow": "ray",
    "overleftrightarrow": "line",
    "angle": "angle",
    "measuredangle": "angle",
    "triangle": "triangle",
    "widehat": "arc",
    "overarc": "arc",
    "odot": "circle",
}
_ORDINALS = frozenset({"st", "nd", "rd", "th"})
_DECORATIONS = frozenset("vec hat bar tilde dot ddot widetilde mathcal mathscr mathfrak overline".split())
_SAME_DECORATION = {"overline": "bar", "widetilde": "tilde"}
_AFTER_A_FUNCTION_NAME = frozenset({"(", "'", "^", "_"})
_FUNCTION_LETTERS = frozenset("fgh")
_SPECIAL_FUNCTIONS = {"Gamma": "gamma"}
_DISTRIBUTIONS = frozenset("NU")  # `N(0, 1)` is no point
_FUNCTIONS_OF_NUMBERS = frozenset("fghFGH")
_MEASURES = frozenset("P E D Pr Var Cov SD Re Im rank tr dim arg ord card".split())
_MATRICES = frozenset("pmatrix bmatrix matrix Bmatrix vmatrix Vmatrix array smallmatrix".split())
_LAYOUTS = frozenset("aligned align gathered split gather equation".split())
_CURRENCIES = frozenset("$€£¥₹¢")
_NAMED_SETS = frozenset("RNZQC")
# Which part of a set of numbers is meant by what stands above or below its letter.
_PARTS_OF_SETS = {"+": "+", ">0": "+", "-": "-", "<0": "-", "*": "*", "!=0": "*", ">=0": ">=0", "<=0": "<=0"}
_POSITIVE_INTEGERS, _NATURAL_FROM_ZERO = "Z+", "Z>=0"
_SAME_SETS = {"N+": _POSITIVE_INTEGERS, "N*": _POSITIVE_INTEGERS, "N0": _NATURAL_FROM_ZERO, "N>=0": _NATURAL_FROM_ZERO}
_SAME_FUNCTION = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "sign": "sgn", "lg": "log10"}
_SAME_FUNCTION |= {"arcsinh": "arsinh", "arccosh": "arcosh", "arctanh": "artanh"}
_INVERSES = {name: f"arc{name}" for name in ("sin", "cos", "tan", "cot", "sec", "csc")}
_INVERSES |= {name: f"ar{name}" for name in ("sinh", "cosh", "tanh")}
_OF_SEVERAL = frozenset("max min gcd lcm".split())
_NAMED_CONSTANTS = {"pi": Const("pi"), "infty": Const("oo")}
_EMPTY = frozenset("emptyset varnothing".split())
_FACTOR_COMMANDS = frozenset(
    """frac sqrt rootof cuberootof binom pi infty overline vec hat bar tilde dot mathbb mathcal angle triangle begin
    partial nabla sum prod int lim""".split()
)


def parse(text: str) -> Node:
    """What an answer says.

    Raises:
        UnreadableError: the text is outside of this grammar; `TooLargeError` where it is beyond a bound.
    """
    tokens = tokenise(text)
    parts = _numbered_parts(tokens)
    if not parts:
        return _Parser(tokens).answer()
    return Group("tuple", tuple(_Parser(part).answer() for part in parts))


def _numbered_parts(tokens: list[Token]) -> list[list[Token]]:
    """The answers to the parts of a problem, `(1) 3; (2) 4`; none where they are not numbered from 1."""
    if len(tokens) < 8 or [token.text for token in tokens[:3]] != ["(", "1", ")"]:
        return []
    starts, depth = [0], 0
    for at, token in enumerate(tokens):
        is_next = [one.text for one in tokens[at : at + 3]] == ["(", str(len(starts) + 1), ")"]
        if is_next and depth == 0 and at > 3 and (tokens[at - 1].text in {",", ";"} or token.spaced):
            starts.append(at)
        if token.kind == "operator":
            depth += _NESTING.get(token.text, 0)
    if len(starts) < 2:
        return []
    parts = [tokens[start + 3 : end] for start, end in zip(starts, [*starts[1:], len(tokens)], strict=True)]
    for part in parts:
        while part and part[-1].text in {",", ";"}:
            part.pop()
    return parts if all(parts) else []


def parse_as_list(text: str) -> Node | None:
    """The other reading of `100,200,300`, as a list of three numbers; None where there is no other."""
    if _ZERO_AFTER_COMMA.search(text) or not any(token.ambiguous for token in tokenise(text)):
        return None
    return _Parser(tokenise(text.replace(",", " , "))).answer()


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = [*_without_alignment(tokens), *_ENDS]  # so that looking ahead needs no bounds
        self._at = 0
        self._depth = 0
        self._bars = 0  # how many | are open
        self._square = 0  # how many [ are open
        self._separator_bars = 0  # inside of {x | …}, where a bar ends the element
        self._integrals = 0
        self._differential = ""  # of the integral that is open, where it stands in a fraction
        self._bound: list[str] = []  # variables of the sums and limits that are open
        self._conditions: list[Node] = []  # relations in parentheses after a value

    def answer(self) -> Node:
        node = self._statement()
        if self._next is not _END:
            raise UnreadableError(f"unexpected {self._next.text!r}")
        return node

    # Moving through the tokens

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _peek(self, ahead: int) -> Token:
        return self._tokens[self._at + ahead]

    def _take(self) -> Token:
        token = self._tokens[self._at]
        if token is not _END:
            self._at += 1
        return token

    def _is(self, *texts: str) -> bool:
        token = self._tokens[self._at]
        return token.text in texts and token.kind in _SIGNS

    def _accept(self, *texts: str) -> bool:
        token = self._tokens[self._at]
        if token.text in texts and token.kind in _SIGNS:
            self._at += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            if self._next is _END:
                raise BrokenError(f"ends before {text!r}")
            raise UnreadableError(f"expected {text!r}")

    @contextmanager
    def _inside_brackets(self, *, square: bool = False) -> Iterator[None]:
        kept = self._bars, self._square, self._separator_bars, self._integrals
        self._bars, self._square, self._separator_bars, self._integrals = 0, int(square), 0, 0
        yield
        self._bars, self._square, self._separator_bars, self._integrals = kept

    # Lists, relations and sets

    def _statement(self) -> Node:
        items: list[Node] = []
        joiner, before = ",", ","
        while True:
            while self._accept(",", ";"):
                pass
            word = self._joining_word()
            if word is not None and word not in _CONDITION_WORDS:
                raise UnreadableError("nothing before a joining word")
            items.append(self._item())
            items += self._conditions
            self._conditions = []
            separated = self._accept(",", ";")
            while self._accept(",", ";"):
                pass
            word = self._joining_word()
            if word is not None:
                self._at += 1
                before, joiner = joiner, "or" if word in _ALTERNATIVES else "and"
                if "or" in {before, joiner} and before not in {",", joiner}:
                    raise UnreadableError("and next to or")
            elif not separated or self._ends_here():
                break
        return items[0] if len(items) == 1 else Group("list", tuple(items), joiner)

    def _joining_word(self) -> str | None:
        token = self._next
        if token.kind in _NEVER_JOINING:
            return None
        if token.kind == "word" and token.text.lower() in _LIST_WORDS:
            return token.text.lower()
        if token.kind == "name" and token.as_text and token.text in _LIST_WORDS and token.spaced:
            return token.text
        if token.kind == "operator" and token.text in {"and", "or", "forall"}:
            return "for" if token.text == "forall" else token.text
        if token.kind == "word" and token.text.lower() in _CONDITION_WORDS and self._at > 0:
            return token.text.lower()
        return None

    def _ends_here(self) -> bool:
        return self._next is _END or self._is(")", "]", "}", "}set", "rangle", "row", "&", "end")

    def _item(self) -> Node:
        if self._next.kind == "word" and self._next.text.lower() in _CONDITION_WORDS:
            self._at += 1
        if self._next.text == "all" and self._at and self._tokens[self._at - 1].text in {"for", "For"}:
            self._at += 1
        approximate = self._is("approx")
        if self._accept("=", "approx") and approximate and not self._is_decimal():
            raise UnreadableError("an approximate value that is no decimal")
        start = self._at
        operands = [self._name_of_value() or self._named_point() or self._set_expression()]
        if isinstance(operands[0], Relation):
            return operands[0]
        operators: list[str] = []
        while self._next.kind == "operator" and self._next.text in _RELATIONS:
            operators.append(self._take().text)
            start = self._at
            operands.append(self._set_expression(self._plain_set() if operators[-1] == "in" else None))
        if not operators or (operators == ["="] and isinstance(operands[0], Sym | Words | Apply)):
            operands[-1] = self._as_letters(start) or operands[-1]
        if approximate and not operators:
            operands[-1] = approximate_value(operands[-1])
        if self._accept("pmod"):
            operands[-1] = Residue(operands[-1], self._argument())
        elif self._is("(") and self._peek(1).text in {"mod", "bmod"}:
            self._at += 2
            operands[-1] = Residue(operands[-1], self._additive())
            self._expect(")")
        return Relation(tuple(operators), tuple(operands)) if operators else operands[0]

    def _name_of_value(self) -> Node | None:
        """What can only be the name of what follows an equals sign."""
        if self._next.kind in {"number", "operator"}:
            return None
        return self._head() or self._measure() or self._extremum()

    def _as_letters(self, start: int) -> Node | None:
        """An operand of letters alone, where they can be read otherwise than as a product."""
        letters = self._tokens[start : self._at]
        if not 1 < len(letters) < 7 or any(one.kind != "name" or len(one.text) != 1 for one in letters):
            return None
        text = "".join(one.text for one in letters)
        in_order = (text.isupper() and len(text) > 2) or text.casefold() in words.SHORT_WORDS
        return Letters(text) if in_order else None

    def _is_decimal(self) -> bool:
        token = self._peek(1) if self._is("-", "+") else self._next
        return token.kind == "number" and "." in token.text

    def _head(self) -> Node | None:
        r"""`f(x)`, `P(x, y)` or `f^{-1}(x)` where an equals sign follows: the name of what is defined."""
        start = self._at
        if self._next.kind != "name" or self._peek(1).text not in _AFTER_A_FUNCTION_NAME:
            return None
        name = self._take().text + self._order_of_derivative() + self._marks()
        if [self._peek(ahead).text for ahead in range(5)] == ["^", "{", "-", "1", "}"]:
            self._at += 5
            name += "^{-1}"
        if self._accept("("):
            arguments: list[Node] = []
            while self._next.kind in {"name", "number"}:
                token = self._take()
                arguments.append(Sym(token.text + self._marks()) if token.kind == "name" else self._number(token))
                if not self._accept(","):
                    break
            if arguments and self._accept(")") and self._is("=", "approx", "equiv"):
                return Apply(name, tuple(arguments))
        self._at = start
        return None

    def _order_of_derivative(self) -> str:
        """`(4)` of `f^{(4)}(0)`."""
        written = [self._peek(ahead).text for ahead in range(5)]
        if written[:3] != ["^", "{", "("] or written[4] != ")" or self._peek(5).text != "}":
            return ""
        self._at += 6
        return f"^({written[3]})"

    def _measure(self) -> Node | None:
        r"""`P(A \mid B)`, `\mathbb{E}[X]`, `f(-1)` where an equals sign follows: a name, and no product."""
        first = self._next
        if first.kind == "name" and first.text not in _MEASURES and first.text not in _FUNCTIONS_OF_NUMBERS:
            return None
        start = self._at
        blackboard = self._accept("mathbb") and self._accept("{")
        name = self._take().text + self._order_of_derivative()
        known = name in _MEASURES or self._tokens[start].text == "Pr"
        if (blackboard and not self._accept("}")) or not (known or name[:1] in _FUNCTIONS_OF_NUMBERS):
            self._at = start
            return None
        inside = self._bracketed_tokens()
        written = "".join(token.text for token in inside)
        of_numbers = not any(token.kind in {"name", "word"} and token.text not in _FUNCTION_LETTERS for token in inside)
        self._accept("_") and self._subscript()
        if inside and (known or of_numbers) and self._is("=", "approx"):
            return Sym(f"{name}({written})")
        self._at = start
        return None

    def _bracketed_tokens(self) -> list[Token]:
        """What stands between the brackets that open here, which are skipped; nothing where they do not close."""
        if not self._is("(", "["):
            return []
        start, depth = self._at + 1, 0
        while (token := self._take()) is not _END:
            depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(token.text, 0)
            if depth == 0:
                return self._tokens[start : self._at - 1]
        return []

    def _extremum(self) -> Node | None:
        r"""`\max = 5` and `f(x)_{\max} = 5`."""
        start, name = self._at, ""
        if self._next.kind == "name" and self._next.text in _FUNCTION_LETTERS:
            name = self._take().text + "".join(token.text for token in self._bracketed_tokens())
            if not self._accept("_"):
                self._at = start
                return None
            name += self._subscript()
        elif self._next.kind == "function" and self._next.text in {"max", "min"}:
            name = self._take().text
        if name and self._is("=", "approx"):
            return Sym(name)
        self._at = start
        return None

    def _named_point(self) -> Node | None:
        """`A(1, 2)`: a point and what it is called, where nothing else follows."""
        start = self._at
        if self._depth or self._next.kind != "name" or not self._next.text.isupper():
            return None
        if self._next.text in _DISTRIBUTIONS:
            return None
        name = self._take().text + self._marks()
        opens = self._at
        several = not self._next.spaced and self._is("(") and any(t.text == "," for t in self._bracketed_tokens())
        follows = self._is(",", ";") or self._ends_here()
        self._at = opens + 1
        if several and follows and self._tokens[opens].kind == "operator":
            point = self._bracketed("(")
            if isinstance(point, Group) and point.kind == "tuple":
                return Relation(("=",), (Sym(name), point))
            raise UnreadableError("a name before what is no point")
        self._at = start
        return None

    def _set_expression(self, left: Node | None = None) -> Node:
        left = left or self._ratio()
        depth = self._depth
        while self._is_set_operator(left):
            operator = _SET_OPERATORS[self._take().text]
            right = self._ratio()
            if isinstance(left, SetOperation) and left.operator == operator and operator != "-":
                left = SetOperation(operator, (*left.operands, right))
            else:
                self._go_deeper()
                left = SetOperation(operator, (left, right))
        self._depth = depth
        return left

    def _is_set_operator(self, left: Node) -> bool:
        """Also `U` and `-` where only the operators of sets that look like them can stand: `(0,1)U(2,3)`."""
        if self._next is _END:
            return False
        if self._is("cup", "cap", "setminus"):
            return True
        if self._next.text == "-" and self._peek(1).text == "{set":
            return isinstance(left, NamedSet | Group | SetOperation)
        return self._is_plain_union(left)

    def _is_plain_union(self, left: Node) -> bool:
        return self._next.text == "U" and self._peek(1).text in _SETS_OPEN and isinstance(left, Group | SetOperation)

    def _ratio(self) -> Node:
        clock = self._clock()
        if clock is not None:
            return clock
        items = [self._additive()]
        while not self._separator_bars and self._accept(":"):
            items.append(Ellipsis_() if self._accept("dots") else self._additive())
        return items[0] if len(items) == 1 else Ratio(tuple(items))

    def _clock(self) -> Ratio | None:
        """`12:30` or `12:30:00`, which may be a ratio as well."""
        ahead = 0
        while ahead < 6 and self._peek(ahead).kind == "number" and self._peek(ahead + 1).text == ":":
            ahead += 2
        if not ahead:
            return self._full_hour()
        parts = [self._peek(at) for at in range(0, ahead + 1, 2)]
        if ahead not in {2, 4} or not all(part.kind == "number" and part.text.isdigit() for part in parts):
            return None
        if len(parts[0].text) > 2 or any(len(part.text) != 2 for part in parts[1:]):
            return None
        start = self._at
        self._at += ahead + 1
        half = self._half_of_day()
        if not half and self._next is not _END and not self._is(",", ";", ")", "]", "}", "}set"):
            self._at = start
            return None
        spelled = ":".join([str(int(parts[0].text)), *(part.text for part in parts[1:])]) + half
        return Ratio(tuple(self._number(part) for part in parts), spelled)

    def _full_hour(self) -> Ratio | None:
        """`3 pm`, which has no minutes."""
        token = self._next
        if token.kind != "number" or not token.text.isdecimal() or not 1 <= int(token.text[:3]) <= 12:
            return None
        if not (self._peek(1).as_text or self._peek(1).kind == "word"):
            return None
        start = self._at
        self._at += 1
        half = self._half_of_day()
        if half and (self._next is _END or self._is(",", ";")):
            return Ratio((self._number(token), Num(Fraction(0))), f"{int(token.text)}:00{half}")
        self._at = start
        return None

    def _half_of_day(self) -> str:
        if self._next.kind == "word" and self._next.text.lower() in {"am", "pm"}:
            return " " + self._take().text.lower()
        letters = [self._peek(0).text.lower(), self._peek(1).text.lower()]
        if letters in (["a", "m"], ["p", "m"]):
            self._at += 2
            return " " + "".join(letters)
        return ""

    # Sums and products

    def _additive(self) -> Node:
        currency = self._currency()
        negative = False
        if currency is None and self._is("-") and self._peek(1).text in _CURRENCIES:
            self._at += 1
            currency, negative = self._currency(), True
        node = self._sum()
        if negative:
            node = Neg(node)
        if currency is not None:
            if self._next.kind == "word" and (scale := units.is_number_scale(self._next.text)):
                self._at += 1
                node = Mul((node, Num(Fraction(scale))))
            self._skip_repeated_currency(currency)
            return Quantity(node, self._further_units(currency))
        return self._with_unit(node)

    def _currency(self) -> Unit | None:
        if self._next.kind == "operator" and self._next.text in _CURRENCIES:
            return units.unit_of([self._take().text])
        return None

    def _skip_repeated_currency(self, currency: Unit) -> None:
        """`$5 dollars` says it twice."""
        if self._next.kind == "word" and units.unit_of([self._next.text]) == currency:
            self._at += 1

    def _sum(self) -> Node:
        terms = [self._signed_term()]
        while self._next.kind == "operator" and self._next.text in {"+", "-", "pm", "mp"}:
            if self._next.text == "-" and self._is_set_operator(terms[-1]):
                break
            terms.append(self._signed_term())
        return terms[0] if len(terms) == 1 else Add(tuple(terms))

    def _signed_term(self) -> Node:
        sign = self._take().text if self._is("+", "-", "pm", "mp") else "+"
        if self._is("+", "-", "pm", "mp"):
            self._go_deeper()
            inner = self._signed_term()
            self._depth -= 1
        elif self._is("dots"):
            self._at += 1
            inner = Ellipsis_()
        else:
            inner = self._term()
        match sign:
            case "-":
                return Neg(inner)
            case "pm":
                return PlusMinus(inner, 1)
            case "mp":
                return PlusMinus(inner, -1)
            case _:
                return inner

    def _term(self) -> Node:
        left = self._power()
        depth = self._depth
        while True:
            if isinstance(left, Div | Call):
                self._go_deeper()  # `1/2/3/4` nests as deep as it is long
            if self._accept("*"):
                left = _times(left, self._signed_power())
            elif self._is("/") and self._is_unit_word(self._at + 1):
                self._depth = depth
                return left  # `$5/\text{hour}`
            elif self._accept("/"):
                left = Div(left, self._signed_power())
            elif self._accept("bmod", "mod"):
                left = Call("mod", (left, self._power()))
            elif self._accept("choose"):
                left = Call("binom", (left, self._power()))
            elif self._next.kind == "word" and (scale := units.is_number_scale(self._next.text)):
                self._at += 1
                left = _times(left, Num(Fraction(scale)))
            elif self._next.text == "U" and self._is_plain_union(left):
                self._depth = depth
                return left
            elif self._starts_factor():
                right = self._power()
                if isinstance(right, Relation):  # `k\pi (k \in \mathbb{Z})`
                    self._conditions.append(right)
                    self._depth = depth
                    return left
                if isinstance(right, Group | Words):
                    raise UnreadableError("a factor that is no expression")
                left = _times(left, right)
            else:
                self._depth = depth
                return left

    def _signed_power(self) -> Node:
        if self._accept("-"):
            return Neg(self._power())
        self._accept("+")
        return self._power()

    def _starts_factor(self) -> bool:
        token = self._next
        if token.kind == "name":
            if self._integrals and token.text == "d" and self._peek(1).kind == "name":
                return False
            follows_unit_place = (token.as_text or token.text == "mu") and self._is_unit_word(self._at)
            return not follows_unit_place and self._joining_word() is None
        if token.kind == "function":
            return True
        if token.text in {"(", "frac"} and self._at > 0 and self._is_unit_in_brackets():
            return False
        if token.kind == "number":
            return self._tokens[self._at - 1].text in {")", "}", "!"} and not self._follows_label()
        if token.kind == "command":
            return token.text in _FACTOR_COMMANDS
        if token.kind != "operator":
            return False
        if token.text == "[":
            return not self._square
        if token.text == "(" and self._peek(1).text in {"mod", "bmod"}:
            return False
        return token.text in {"(", "{", "lfloor", "lceil"} or (
            token.text == "|" and not self._bars and not self._separator_bars
        )

    def _follows_label(self) -> bool:
        """After `(2)`: it may number what follows, and two numbers side by side are no product."""
        return self._at > 2 and [self._tokens[self._at - 3].text, self._tokens[self._at - 2].kind] == ["(", "number"]

    # Units

    def _with_unit(self, node: Node) -> Node:
        if self._next.kind == "operator" and self._next.text in _CURRENCIES:
            unit = self._currency()
            assert unit is not None
            return Quantity(node, unit)
        if self._next.kind == "word" and self._next.text.lower() in _PERCENT_WORDS:
            self._at += 1
            return Percent(node)
        if self._next.text == "per" and self._peek(1).text == "cent" and self._peek(2) is _END:
            self._at += 2
            return Percent(node)
        if not self._starts_unit():
            return node
        unit = self._unit()
        if unit.powers == (("degree", 1),) and unit.factor == 1:
            return Degrees(node)
        return Quantity(node, unit)

    def _starts_unit(self) -> bool:
        token = self._next
        if token is _END or (token.kind == "operator" and token.text != "("):
            return False
        if self._at == 0 or self._joining_word() is not None:
            return False
        return self._is_unit_word(self._at) or self._is_unit_in_brackets()

    def _is_unit_word(self, at: int) -> bool:
        token = self._tokens[at]
        if token.kind == "word":
            return True
        if token.text == "mu" and token.kind == "name":  # `\mu\text{m}`
            token = self._tokens[at + 1]
            return token.as_text and token.text in units.LETTER_UNITS
        has_index = self._tokens[at + 1].text == "_"  # `2\mathrm{C}_5^2`
        return token.kind == "name" and token.as_text and token.text in units.LETTER_UNITS and not has_index

    def _is_unit_in_brackets(self) -> bool:
        r"""`(\text{cm})` and `\frac{\text{km}}{\text{h}}` after a value."""
        if self._is("frac") and self._peek(1).text == "{":
            return self._is_unit_word(self._at + 2) and units.unit_of([self._peek(2).text]) is not None
        after = self._peek(1)
        closes = self._peek(2).text in {")", "^"}
        return self._is("(") and after.kind == "word" and closes and units.unit_of([after.text]) is not None

    def _unit(self) -> Unit:
        return self._further_units(self._unit_factor())

    def _further_units(self, unit: Unit) -> Unit:
        while True:
            if self._says_per():
                self._at += 1
                unit = units.product(unit, units.raised(self._unit_factor(), -1))
            elif self._is("*") or self._starts_unit():
                self._accept("*")
                unit = units.product(unit, self._unit_factor())
            else:
                return unit

    def _says_per(self) -> bool:
        if self._is("/"):
            return self._is_unit_word(self._at + 1)
        return self._next.kind == "word" and self._next.text.lower() in unit_words.PER

    def _unit_factor(self) -> Unit:
        if self._is("frac") and self._peek(1).text == "{":
            self._at += 1
            top, bottom = self._unit_between("{", "}"), self._unit_between("{", "}")
            return units.product(top, units.raised(bottom, -1))
        if self._is("("):
            return self._unit_between("(", ")")
        named: list[str] = []
        while self._next.kind == "word" and self._joining_word() is None and not self._says_per():
            named.append(self._take().text)
        if not named and self._next.kind == "name" and self._next.text in units.LETTER_UNITS:
            named.append(self._take().text)
        if not named and self._next.text == "mu":
            self._at += 1
            named.append("μ" + self._take().text)
        unit = units.unit_of(named)
        if unit is None:
            raise UnreadableError("words that are no unit")
        if self._accept("^"):
            exponent = self._argument()
            if not isinstance(exponent, Num) or exponent.value not in {1, 2, 3}:
                if not (isinstance(exponent, Neg) and isinstance(exponent.operand, Num) and exponent.operand.value < 4):
                    raise UnreadableError("a power of a unit")
                return units.raised(unit, -int(exponent.operand.value))
            unit = units.raised(unit, int(exponent.value))
        return unit

    def _unit_between(self, opening: str, closing: str) -> Unit:
        self._expect(opening)
        unit = self._unit()
        self._expect(closing)
        return unit

    # Powers and what is smaller

    def _power(self) -> Node:
        node = self._primary()
        depth = self._depth
        while True:
            self._go_deeper()
            if self._accept("!"):
                node = Call("factorial2" if self._accept("!") else "factorial", (node,))
            elif self._accept("%"):
                node = Percent(node)
            elif self._accept("degree"):
                node = self._degrees(node)
            elif self._is("^") and not self._is_direction():
                self._at += 1
                node = self._raised(node)
            elif self._is("_") and isinstance(node, Num) and node.places is None:
                self._at += 1
                node = _based(node, self._argument())
            else:
                self._depth = depth
                return node

    def _is_direction(self) -> bool:
        """`0^+` under a limit."""
        after = self._peek(1).text
        if after == "{":
            return self._peek(2).text in {"+", "-"} and self._peek(3).text == "}"
        return after in {"+", "-"} and self._peek(2).text == "}"

    def _raised(self, node: Node) -> Node:
        if self._accept("circ", "degree"):
            return self._degrees(node)
        if self._is("{") and self._peek(1).text in {"circ", "degree"} and self._peek(2).text == "}":
            self._at += 3
            return self._degrees(node)
        exponent = self._argument()
        if self._is("^"):
            self._at += 1
            self._go_deeper()
            exponent = self._raised(exponent)
            self._depth -= 1
        return NamedSet(f"{node.name}^{key(exponent)}") if isinstance(node, NamedSet) else Pow(node, exponent)

    def _degrees(self, node: Node) -> Node:
        if self._next.kind == "name" and self._next.text in {"C", "F"}:
            unit = units.unit_of(["°" + self._take().text])
            assert unit is not None
            return Quantity(node, unit)
        if self._accept("'"):
            raise UnreadableError("minutes of arc")
        return Degrees(node)

    def _go_deeper(self) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise TooLargeError(f"nested more than {DEEPEST} deep")

    def _primary(self) -> Node:
        self._go_deeper()
        token = self._take()
        if self._next.kind == "name" and (based := self._with_letters_as_digits(token)) is not None:
            self._depth -= 1
            return based
        match token.kind:
            case "number":
                node = self._after_number(token)
            case "name":
                node = self._name(token)
            case "function":
                node = self._function(token.text)
            case "word":
                node = self._words(token)
            case "operator":
                node = self._bracketed(token.text)
            case "command":
                node = self._command(token.text)
            case _:
                raise BrokenError("ends too early")
        self._depth -= 1
        return node

    def _with_letters_as_digits(self, first: Token) -> Node | None:
        """`ABC_{16}`: digits of a base beyond ten, two or more of them, side by side."""
        digits, ahead = first.text, 0
        while (token := self._peek(ahead)).kind in {"name", "number"} and not token.spaced and ahead < _MOST_DIGITS:
            digits += token.text
            ahead += 1
        braced = self._peek(ahead + 1).text == "{"
        base = self._peek(ahead + 1 + braced)
        if self._peek(ahead).text != "_" or base.kind != "number" or base.text not in _BASES_WITH_LETTERS:
            return None
        if not _ALL_DIGITS.fullmatch(digits) or any(int(digit, 36) >= int(base.text) for digit in digits):
            return None
        after = ahead + 2 + 2 * braced
        if self._peek(after).text == "^" or (braced and self._peek(after - 1).text != "}"):
            return None  # `2C_{16}^3` counts combinations
        self._at += after
        return Based(digits, int(base.text))

    def _number(self, token: Token) -> Num:
        digits, _, repetend = token.text.partition("r")
        mantissa, _, exponent = digits.partition("e")
        whole, point, places = mantissa.partition(".")
        value = Fraction(int(whole or "0"))
        if places:
            value += Fraction(int(places), 10 ** len(places))
        if repetend:
            value += Fraction(int(repetend), (10 ** len(repetend) - 1) * 10 ** len(places))
        shift = int(exponent or "0")
        if abs(shift) > _EXPONENT_BOUND:
            raise TooLargeError("an exponent beyond the bound")
        value *= Fraction(10) ** shift
        if not point or repetend:
            return Num(value) if not repetend else Num(value, repeating=True)
        significant = len((whole + places).lstrip("0"))
        return Num(value, places=len(places) - shift, significant=significant)

    def _after_number(self, token: Token) -> Node:
        number = self._number(token)
        if number.places is not None or number.value.denominator != 1 or number.repeating:
            return number
        self._skip_ordinal()
        if self._is("frac"):
            start = self._at
            self._at += 1
            fraction = Div(self._digit_argument(), self._digit_argument())
            if _is_proper(fraction) and not self._is("^", "_"):
                return Add((number, fraction))
            self._at = start
        elif (
            self._next.kind == "number"
            and self._next.spaced
            and self._peek(1).text == "/"
            and self._peek(2).kind == "number"
        ):
            top, bottom = self._number(self._take()), self._number(self._peek(1))
            self._at += 2
            if not _is_proper(Div(top, bottom)):
                raise UnreadableError("two numbers side by side")
            return Add((number, Div(top, bottom)))
        return number

    def _skip_ordinal(self) -> None:
        r"""`3\text{rd}` and `21^{\text{st}}`."""
        raised = self._is("^") and self._peek(1).text == "{" and self._peek(3).text == "}"
        ending = self._peek(2) if raised else self._next
        if ending.kind == "word" and ending.text in _ORDINALS and not ending.spaced:
            self._at += 4 if raised else 1

    def _marks(self) -> str:
        """The subscript and primes of a name, as part of it."""
        marks = ""
        while True:
            if self._accept("'"):
                marks += "'"
            elif self._is("^") and self._peek(1).text == "'":
                self._at += 2
                marks += "'"
            elif self._is("^") and self._is_star():
                marks += "*"
            elif self._accept("_"):
                marks += "_" + self._subscript()
            else:
                return marks

    def _is_star(self) -> bool:
        """`x^*` and `x^{*}`, which names another thing than `x`; reads it, where it is there."""
        ahead = [self._peek(at).text for at in (1, 2, 3)]
        length = 2 if ahead[0] == "*" else 4 if ahead == ["{", "*", "}"] else 0
        self._at += length
        return bool(length)

    def _subscript(self) -> str:
        if not self._accept("{"):
            if self._next is _END:
                raise BrokenError("ends too early")
            return self._take().text
        written, depth = "", 1
        while True:
            token = self._take()
            if token is _END:
                raise BrokenError("ends too early")
            depth += {"{": 1, "}": -1}.get(token.text, 0)
            if depth == 0:
                return written
            written += token.text

    def _name(self, token: Token) -> Node:
        name = token.text
        if name in {"a", "A"} and self._next.kind == "word" and self._is_article(token):
            return self._words(token)
        marks = self._marks()
        if not marks and name in {"i", "e"} and name not in self._bound:
            return Const(name)
        if (
            name == "zeta"
            and not marks
            and [self._peek(at).text for at in (0, 2)] == ["(", ")"]
            and (self._peek(1).kind == "number")
        ):
            return Call("zeta", (self._function_argument(),))
        if name in _SPECIAL_FUNCTIONS and not marks and self._is("("):
            return Call(_SPECIAL_FUNCTIONS[name], (self._function_argument(),))
        if name in _FUNCTION_LETTERS and self._is("(") and not self._next.spaced:
            self._at += 1
            inside = self._bracketed("(")
            return Apply(name + marks, inside.items if isinstance(inside, Group) else (inside,))
        return self._combinations(name + marks) or Sym(name + marks)

    def _combinations(self, name: str) -> Node | None:
        r"""`C_{10}^3` and `A_5^2`, the numbers of choices and of arrangements, where both are numbers that fit."""
        letter, _, total = name.partition("_")
        if letter not in {"C", "A"} or not total.isdecimal() or not self._is("^"):
            return None
        braced = self._peek(1).text == "{"
        chosen = self._peek(1 + braced)
        if chosen.kind != "number" or not chosen.text.isdecimal() or (braced and self._peek(3).text != "}"):
            return None
        if len(total) > 4 or int(chosen.text) > int(total):
            return None
        self._at += 4 if braced else 2
        numbers = Num(Fraction(int(total))), Num(Fraction(int(chosen.text)))
        choices = Call("binom", numbers)
        return choices if letter == "C" else Mul((choices, Call("factorial", numbers[1:])))

    def _is_article(self, token: Token) -> bool:
        r"""`a` before a word that is set like it; in `a\text{ cm}` it is a variable."""
        starts = self._at < 2 or self._tokens[self._at - 2].kind != "number"
        return starts and self._next.spaced and token.as_text == self._next.as_text and self._joining_word() is None

    def _words(self, token: Token) -> Node:
        spelled = [token.text]
        while self._next.kind == "word" and self._joining_word() is None:
            spelled.append(self._take().text)
        value = words.number(spelled)
        if value is not None:
            return Num(Fraction(value))
        if not (self._ends_here() or self._is(",", ";", "=") or self._joining_word() is not None):
            raise UnreadableError("words before mathematics")
        return Words(words.normalised(spelled), " ".join(spelled))

    # Functions

    def _function(self, name: str) -> Node:
        name = _SAME_FUNCTION.get(name, name)
        base = self._log_base() if name == "log" else None
        power = None
        if self._accept("^"):
            power = self._argument()
            if name in _INVERSES and power == Neg(Num(Fraction(1))):
                name, power = _INVERSES[name], None
        if name in _OF_SEVERAL:
            inside = self._bracketed(self._take().text)
            node: Node = Call(name, inside.items if isinstance(inside, Group) else (inside,))
        else:
            node = _applied(name, base, self._function_argument())
        return node if power is None else Pow(node, power)

    def _log_base(self) -> Node | None:
        if not self._accept("_"):
            return None
        token = self._next
        # `\log_28` is the logarithm of 8; `\log_10(5)` has the base 10.
        if token.kind == "number" and len(token.text) > 1 and not (self._peek(1).spaced or self._peek(1).text in "({"):
            self._tokens[self._at : self._at + 1] = [
                Token("number", token.text[0]),
                Token("number", token.text[1:]),
            ]
        return self._argument()

    def _function_argument(self) -> Node:
        if self._next is _END:
            raise UnreadableError("a function of nothing")
        if self._is("(", "[", "{"):
            inside = self._bracketed(self._take().text)
            if isinstance(inside, Group | Relation):
                raise UnreadableError("a function of several values")
            return inside
        argument = self._signed_power()
        while self._starts_factor() and self._next.kind in {"name", "command"} and not self._is("sum", "prod", "lim"):
            argument = _times(argument, self._power())
        return argument

    # Brackets

    def _bracketed(self, opening: str) -> Node:
        match opening:
            case "(" | "[" | "]":
                return self._round_or_square(opening)
            case "{":
                with self._inside_brackets():
                    inside = self._statement()
                self._expect("}")
                return inside
            case "{set":
                return self._set()
            case "|" | "norm":
                return self._between_bars(opening)
            case "langle":
                with self._inside_brackets():
                    inside = self._statement()
                self._expect("rangle")
                return Group("angle", inside.items if isinstance(inside, Group) else (inside,))
            case "lfloor" | "lceil":
                return self._rounded(opening[1:])
            case "dots":
                return Ellipsis_()
            case _:
                raise UnreadableError(f"unexpected {opening!r}")

    def _round_or_square(self, opening: str) -> Node:
        opened = self._at
        with self._inside_brackets(square=opening != "("):
            inside = self._statement()
        closing = self._take()
        if closing.kind != "operator" or closing.text not in {")", "]", "["}:
            raise (BrokenError if closing is _END else UnreadableError)("a bracket is not closed")
        several = isinstance(inside, Group) and inside.kind == "list" and inside.joiner == ","
        open_left, open_right = opening != "[", closing.text != "]"
        if not several:
            if (opening, closing.text) not in {("(", ")"), ("[", "]")}:
                raise UnreadableError("brackets that do not match")
            return inside
        assert isinstance(inside, Group)
        match open_left, open_right:
            case True, True:
                kind = "tuple"
            case False, False:
                kind = "bracket" if len(inside.items) == 2 or self._parts_with_semicolon(opened) else "tuple"
            case True, False:
                kind = "left-open"
            case _:
                kind = "right-open"
        if kind not in {"tuple", "bracket"} and len(inside.items) != 2:
            raise UnreadableError("brackets that do not match")
        return Group(kind, inside.items)

    def _parts_with_semicolon(self, opened: int) -> bool:
        """`[1; 2, 3]`, a continued fraction."""
        return any(token.text == ";" for token in self._tokens[opened : self._at])

    def _set(self) -> Node:
        if self._accept("}set"):
            return EMPTY_SET
        layout = self._is("begin") or (self._is("{") and self._peek(1).text == "begin")
        with self._inside_brackets():
            self._separator_bars = 1
            element = self._statement()
            self._separator_bars = 0
            if self._accept("|", ":"):
                condition = self._statement()
                self._expect("}set")
                return Builder(element, condition)
        if layout and not self._is("}set"):
            self._accept("left open")
            return _braced_on_the_left(element)
        self._expect("}set")
        return Group("set", element.items if isinstance(element, Group) and element.kind == "list" else (element,))

    def _between_bars(self, opening: str) -> Node:
        stands_between = self._at > 1 and self._tokens[self._at - 2].text not in _BEFORE_A_VALUE
        self._bars += 1
        kept, self._separator_bars = self._separator_bars, 0
        inside = self._sum()
        if stands_between and self._next is _END:
            raise UnreadableError("a bar that relates two values")  # `p | q`
        self._expect(opening)
        self._bars -= 1
        self._separator_bars = kept
        return Call("abs" if opening == "|" else "norm", (inside,))

    def _argument(self) -> Node:
        """What a command or a sign takes: a group, or the next symbol with its sign."""
        if self._accept("{"):
            return self._bracketed("{")
        if self._accept("-"):
            self._go_deeper()
            negated = Neg(self._argument())
            self._depth -= 1
            return negated
        token = self._next
        if token.kind == "number":
            return self._number(self._take())
        if token.kind in {"name", "function", "command"} or token.text == "(":
            return self._primary()
        raise self._without_argument()

    def _without_argument(self) -> UnreadableError:
        """Cut off only where nothing follows: `x^` and not `x^*`."""
        return (BrokenError if self._next is _END else UnreadableError)("an argument is missing")

    def _digit_argument(self) -> Node:
        r"""As TeX reads it: of `\frac12` the first digit."""
        token = self._next
        if token.kind == "number" and len(token.text) > 1:
            if not token.text.isdigit():
                raise UnreadableError("an argument that is not in braces")
            self._tokens[self._at : self._at + 1] = [Token("number", digit) for digit in token.text]
        return self._argument()

    # Commands

    def _command(self, name: str) -> Node:
        if name in _NAMED_CONSTANTS:
            return _NAMED_CONSTANTS[name]
        if name in _EMPTY:
            return EMPTY_SET
        if name in {"sum", "prod"}:
            return self._series(name)
        match name:
            case "frac":
                return self._fraction()
            case "binom":
                return Call("binom", (self._digit_argument(), self._digit_argument()))
            case "sqrt":
                return self._root()
            case "rootof" | "cuberootof":
                return Call("root", (self._argument(), Num(Fraction(2 if name == "rootof" else 3))))
            case "mathbb":
                return self._named_set()
            case "int":
                return self._integral()
            case "lim":
                return self._limit()
            case "begin":
                return self._environment()
            case "partial" | "nabla":
                return Sym(name)
        if name in _DECORATIONS or name in _FIGURES:
            return self._decorated(name)
        raise UnreadableError(f"the command {name!r} is not known")

    def _fraction(self) -> Node:
        start = self._at
        if self._integrals and [self._peek(at).text for at in (0, 1, 3)] == ["{", "d", "}"]:
            self._differential = self._peek(2).text  # `\frac{dx}{1+x^2}` under an integral
            self._at += 4
            return Div(Num(Fraction(1)), self._digit_argument())
        top = self._digit_argument()
        middle = self._at
        bottom = self._digit_argument()
        if self._tokens[start + (self._tokens[start].text == "{")].text not in {"d", "partial"}:
            return Div(top, bottom)
        written = [[token.text for token in part if token.text not in "{}"] for part in (
            self._tokens[start:middle], self._tokens[middle : self._at])]  # fmt: skip
        if all(part and part[0] in {"d", "partial"} for part in written):
            return Sym("".join(written[0]) + "/" + "".join(written[1]))
        return Div(top, bottom)

    def _root(self) -> Node:
        degree: Node = Num(Fraction(2))
        if self._accept("["):
            with self._inside_brackets(square=True):
                degree = self._sum()
            self._expect("]")
        return Call("root", (self._argument(), degree))

    def _named_set(self) -> Node:
        argument = self._argument()
        if isinstance(argument, Sym) and argument.name in _NAMED_SETS:
            return NamedSet(self._part_of_set(argument.name))
        raise UnreadableError("a set that is not known")

    def _part_of_set(self, name: str) -> str:
        r"""The name of a set with what is marked on it: `\mathbb{R}^{+}`, `\mathbb{Z}_{>0}`, `\mathbb{N}_0`."""
        while self._is("^", "_"):
            braced = self._peek(1).text == "{"
            length = 1 if not braced else next((at for at in (1, 2) if self._peek(2 + at).text == "}"), 0)
            mark = "".join(self._peek(1 + braced + at).text for at in range(length))
            part = "0" if name == "N" and mark == "0" and self._is("_") else _PARTS_OF_SETS.get(mark)
            if part is None:
                break
            self._at += 1 + length + 2 * braced
            name = name + part if name.isalpha() or name + part == name * 2 else name
        return _SAME_SETS.get(name, name)

    def _plain_set(self) -> Node | None:
        r"""`k \in Z`: after the sign, one of these letters alone is the set of numbers that it is used for."""
        if self._next.kind != "name" or self._next.text not in _NAMED_SETS:
            return None
        start = self._at
        name = self._part_of_set(self._take().text)
        if self._ends_here() or self._is(",", ";", "-", "cup", "cap", "setminus") or self._joining_word() is not None:
            return NamedSet(name)
        self._at = start
        return None

    def _rounded(self, name: str) -> Node:
        with self._inside_brackets():
            inside = self._sum()
        self._expect("r" + name)
        return Call(name, (inside,))

    def _decorated(self, name: str) -> Node:
        letters = ""
        if self._accept("{"):
            while self._next.kind in {"name", "number"}:
                letters += self._take().text + self._marks()
            self._expect("}")
        else:
            while self._next.kind == "name":
                letters += self._take().text + self._marks()
        if not letters:
            raise UnreadableError(f"{name} of what is no name")
        if name in _FIGURES and (name != "overline" or (len(letters) == 2 and letters.isalpha() and letters.isupper())):
            return Figure(_FIGURES[name], _canonical_figure(_FIGURES[name], letters))
        return Sym(f"{_SAME_DECORATION.get(name, name)} {letters}")

    def _series(self, kind: str) -> Node:
        self._expect("_")
        self._expect("{")
        variable = self._variable()
        self._expect("=")
        lower = self._sum()
        self._expect("}")
        self._expect("^")
        upper = self._argument()
        self._bound.append(variable)
        body = self._term()
        self._bound.pop()
        return BigOperator(kind, variable, lower, upper, body)

    def _variable(self) -> str:
        token = self._take()
        if token.kind != "name":
            raise UnreadableError("a variable is missing")
        return token.text + self._marks()

    def _integral(self) -> Node:
        lower = upper = None
        if self._accept("_"):
            lower = self._argument()
            self._expect("^")
            upper = self._argument()
        self._integrals += 1
        body = self._sum()
        self._integrals -= 1
        variable, self._differential = self._differential, ""
        if not variable:
            if self._take().text != "d":
                raise UnreadableError("an integral without its differential")
            variable = self._variable()
        return BigOperator("int", variable, lower, upper, body)

    def _limit(self) -> Node:
        self._expect("_")
        self._expect("{")
        variable = self._variable()
        self._expect("to")
        where = self._sum()
        direction = ""
        if self._accept("^"):
            braced = self._accept("{")
            direction = self._take().text
            if braced:
                self._expect("}")
        self._expect("}")
        self._bound.append(variable)
        body = self._term()
        self._bound.pop()
        return BigOperator("lim", variable, where, None, body, direction)

    # Environments

    def _environment(self) -> Node:
        name = self._environment_name()
        if name == "array":
            self._skip_column_specification()
        rows = self._rows(every_cell=name in _MATRICES)
        if self._environment_name() != name:
            raise UnreadableError("environments that do not match")
        if name == "cases":
            return _system(rows) or Cases(rows)
        if name in _LAYOUTS:
            cells = tuple(cell for row in rows for cell in row)
            return cells[0] if len(cells) == 1 else Group("list", cells)
        if name not in _MATRICES:
            raise UnreadableError(f"the environment {name!r} is not known")
        if len(rows) == 1 and len(rows[0]) == 1:
            return rows[0][0]
        if len({len(row) for row in rows}) != 1:
            raise UnreadableError("rows of different lengths")
        return Call("det", (Matrix(rows),)) if name == "vmatrix" else Matrix(rows)

    def _environment_name(self) -> str:
        self._expect("{")
        name = ""
        while self._next.kind in {"word", "name"}:
            name += self._take().text
        self._accept("*")
        self._expect("}")
        return name

    def _skip_column_specification(self) -> None:
        self._expect("{")
        depth = 1
        while depth:
            token = self._take()
            if token is _END:
                raise BrokenError("an environment is not closed")
            depth += {"{": 1, "}": -1}.get(token.text, 0)

    def _rows(self, *, every_cell: bool) -> tuple[tuple[Node, ...], ...]:
        rows: list[tuple[Node, ...]] = []
        row: list[Node] = []
        marks = 0

        def end_row() -> None:
            nonlocal row, marks
            if every_cell and (row or marks) and len(row) != marks + 1:
                raise UnreadableError("an empty cell")
            if row:
                rows.append(tuple(row))
            row, marks = [], 0

        with self._inside_brackets():
            while not self._accept("end"):
                if self._accept("row"):
                    end_row()
                elif self._accept("&"):
                    marks += 1
                else:
                    if self._next is _END:
                        raise BrokenError("an environment is not closed")
                    row.append(self._statement())
        end_row()
        if not rows:
            raise UnreadableError("an empty environment")
        return tuple(rows)


def _without_alignment(tokens: list[Token]) -> list[Token]:
    r"""The tokens without each `&` next to a relation, which places it: no cell starts or ends with one."""
    if not any(token.text == "&" for token in tokens):
        return tokens

    def relates(token: Token) -> bool:
        return token.kind == "operator" and token.text in _RELATIONS

    around = zip(tokens, [_END, *tokens], [*tokens[1:], _END], strict=False)
    return [token for token, before, after in around if token.text != "&" or not (relates(before) or relates(after))]


def _system(rows: tuple[tuple[Node, ...], ...]) -> Group | None:
    """What holds together: rows that are one statement each."""
    if all(len(row) == 1 and isinstance(row[0], Relation) for row in rows):
        return Group("list", tuple(row[0] for row in rows))
    return None


def _braced_on_the_left(layout: Node) -> Node:
    """What a brace without its other half holds: a system, or a function by cases."""
    match layout:
        case Matrix(rows):
            return _system(rows) or Cases(rows)
        case Cases() | Group("list"):
            return layout
        case _:
            raise BrokenError("a brace is not closed")


def _times(left: Node, right: Node) -> Node:
    factors = left.factors if isinstance(left, Mul) else (left,)
    return Mul((*factors, right))


def _is_proper(fraction: Div) -> bool:
    top, bottom = fraction.top, fraction.bottom
    plain = all(isinstance(part, Num) and part.places is None and part.value > 0 for part in (top, bottom))
    return plain and isinstance(top, Num) and isinstance(bottom, Num) and top.value < bottom.value


def _based(number: Num, base: Node) -> Node:
    if number.repeating or number.value.denominator != 1 or number.value >= 10**MOST_DIGITS:
        raise UnreadableError("a base of what is no integer")
    digits = str(number.value)
    if isinstance(base, Num) and base.value.denominator == 1 and 2 <= base.value <= 36:
        if all(int(digit) < base.value for digit in digits):
            return Based(digits, int(base.value))
        raise UnreadableError("a digit that its base does not have")
    raise UnreadableError("a base that is no number")


def _applied(name: str, base: Node | None, argument: Node) -> Node:
    if name == "exp":
        return Pow(Const("e"), argument)
    if name == "log10":
        return Call("log", (argument, Num(Fraction(10))))
    if name == "log" and base is not None:
        return Call("log", (argument, base))
    return Call(name, (argument,))


def _canonical_figure(kind: str, letters: str) -> str:
    """A segment is named from either end, an angle from either side, a triangle from any corner."""
    if kind in {"segment", "line", "angle", "arc"}:
        return min(letters, letters[::-1])
    return "".join(sorted(letters)) if kind == "triangle" else letters
