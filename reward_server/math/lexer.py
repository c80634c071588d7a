r"""Cut an answer into tokens, with everything removed that changes how it looks but not what it means.

Guaranteed: time and memory are linear in the text, and no more than `LONGEST` characters and `MOST_TOKENS` tokens are
looked at. Spellings of one thing become one token: `\dfrac`, `\tfrac` and `\frac`; `−` and `-`; `½` and `\frac{1}{2}`;
`10{,}000`, `10\,000` and, outside of brackets, `10,000`. What is set as text is cut into words. Nothing is evaluated.
"""

# ruff: noqa: SIM905 - a paragraph of words is read more easily than a list of strings

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from reward_server.math.units import PLAIN_UNITS, PRODUCTS_TOO, is_number_scale

LONGEST = 20_000
MOST_TOKENS = 4_000
MOST_DIGITS = 4_000  # Python reads no more than 4,300 at once


class UnreadableError(Exception):
    """The text is no answer that we can read; says why."""


class BrokenError(UnreadableError):
    """It is cut off: a brace or a bracket without its other half, a command without its argument."""


class TooLargeError(UnreadableError):
    """It is beyond a bound that protects us."""


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is one of number, name, function, command, operator, word; `spaced` when white space stands before it."""

    kind: str
    text: str
    spaced: bool = False
    as_text: bool = False  # set as text, `\text{m}` or `\mathrm{m}`
    ambiguous: bool = False  # a number with commas that could be a list


FUNCTIONS = frozenset(
    """sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh coth sech csch arsinh arcosh
    artanh arcsinh arccosh arctanh asin acos atan log ln lg exp max min gcd lcm sgn sign abs floor ceil det
    deg""".split()
)
_GREEK = """alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi omicron rho
varrho sigma varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Sigma Upsilon Phi Psi Omega
ell hbar aleph Pi""".split()
_NAMES = {name: name for name in _GREEK} | {"varepsilon": "epsilon", "vartheta": "theta", "varphi": "phi"}

# Commands that only place, size or colour what they hold, or hold nothing at all.
_INVISIBLE = frozenset(
    """left right middle big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr displaystyle textstyle
    scriptstyle scriptscriptstyle limits nolimits mathstrut strut nonumber notag rm bf it sf tt cal mit
    large Large LARGE small normalsize centering hfill boldmath unboldmath break newline displaylimits hline
    leavevmode allowbreak""".split()
)
_SPACES = frozenset("quad qquad enspace thinspace medspace thickspace negthinspace enskip space".split())
_TEXT_COMMANDS = frozenset(
    """text mbox textbf textit textrm textsf texttt textnormal textup emph mathrm mathbf mathit mathsf mathtt
    operatorname bold hbox textsc mathnormal boldsymbol bm pmb mathop textmd""".split()
)
_MATH_LETTERS = frozenset("mathbf mathit boldsymbol bm pmb mathnormal mathop bold".split())
_TRANSPARENT = frozenset(
    "boxed fbox underline underbrace overbrace mathord mathbin mathrel ensuremath enclose mathstrut smash".split()
)
_COLOURS = frozenset("color textcolor colorbox".split())
_DROPPED_WITH_ARGUMENT = frozenset(
    "hspace vspace phantom hphantom vphantom label tag hskip kern fontsize cline".split()
)

_SAME_COMMAND = {
    "dfrac": "frac",
    "tfrac": "frac",
    "cfrac": "frac",
    "nicefrac": "frac",
    "sfrac": "frac",
    "dbinom": "binom",
    "tbinom": "binom",
    "leq": "<=",
    "le": "<=",
    "leqslant": "<=",
    "leqq": "<=",
    "lte": "<=",
    "geq": ">=",
    "ge": ">=",
    "geqslant": ">=",
    "geqq": ">=",
    "gte": ">=",
    "lt": "<",
    "gt": ">",
    "ne": "!=",
    "neq": "!=",
    "approx": "approx",
    "simeq": "approx",
    "doteq": "approx",
    "equiv": "equiv",
    "to": "to",
    "rightarrow": "to",
    "longrightarrow": "to",
    "cdot": "*",
    "times": "*",
    "ast": "*",
    "cdotp": "*",
    "div": "/",
    "pm": "pm",
    "mp": "mp",
    "cup": "cup",
    "bigcup": "cup",
    "cap": "cap",
    "bigcap": "cap",
    "setminus": "setminus",
    "smallsetminus": "setminus",
    "backslash": "setminus",
    "in": "in",
    "notin": "notin",
    "mid": "|",
    "vert": "|",
    "lvert": "|",
    "rvert": "|",
    "Vert": "norm",
    "lVert": "norm",
    "rVert": "norm",
    "|": "norm",
    "colon": ":",
    "lbrace": "{set",
    "rbrace": "}set",
    "lbrack": "[",
    "rbrack": "]",
    "lparen": "(",
    "rparen": ")",
    "langle": "langle",
    "rangle": "rangle",
    "lfloor": "lfloor",
    "rfloor": "rfloor",
    "lceil": "lceil",
    "rceil": "rceil",
    "ldots": "dots",
    "dots": "dots",
    "cdots": "dots",
    "dotsc": "dots",
    "dotsb": "dots",
    "land": "and",
    "wedge": "and",
    "lor": "or",
    "vee": "or",
    "degree": "degree",
    "circ": "circ",
    "prime": "'",
    "perp": "perp",
    "parallel": "parallel",
    "forall": "forall",
}
_OPERATORS = {name for name in _SAME_COMMAND.values() if name not in {"frac", "binom"}}

_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n", strict=True))
_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋ₙ", "0123456789+-n", strict=True))
_RAISED = re.compile(f"[{''.join(_SUPERSCRIPTS)}]+")
_LOWERED = re.compile(f"[{''.join(_SUBSCRIPTS)}]+")
_CHARACTERS = {
    "−": "-", "–": "-", "—": "-", "﹣": "-", "‐": "-", "‑": "-", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ",
    "∙": r"\cdot ", "•": r"\cdot ", "÷": r"\div ", "∕": "/", "⁄": "/", "≤": r"\le ", "⩽": r"\le ", "≥": r"\ge ",
    "⩾": r"\ge ", "≠": r"\ne ", "≈": r"\approx ", "≡": r"\equiv ", "±": r"\pm ", "∓": r"\mp ", "∞": r"\infty ",
    "√": r"\rootof ", "∛": r"\cuberootof ", "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ",
    "∉": r"\notin ", "∖": r"\setminus ",
    "∅": r"\emptyset ", "⌀": r"\emptyset ", "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}",
    "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}", "°": r"\degree ", "º": r"\degree ", "′": "'", "’": "'", "‘": "'",
    "″": "''", "…": r"\ldots ", "π": r"\pi ", "∑": r"\sum ", "∏": r"\prod ", "∫": r"\int ", "∠": r"\angle ",
    "△": r"\triangle ", "⟨": r"\langle ", "⟩": r"\rangle ", "〈": r"\langle ", "〉": r"\rangle ", "⌊": r"\lfloor ",
    "⌋": r"\rfloor ", "⌈": r"\lceil ", "⌉": r"\rceil ", "，": ",", "；": ";", "：": ":", "（": "(", "）": ")",
    "、": ",",
    "。": ".", "％": "%", "→": r"\to ", "∧": r"\land ", "∨": r"\lor ", "½": r"\frac{1}{2}", "⅓": r"\frac{1}{3}",
    "⅔": r"\frac{2}{3}", "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}", "⅕": r"\frac{1}{5}", "⅖": r"\frac{2}{5}",
    "⅗": r"\frac{3}{5}", "⅘": r"\frac{4}{5}", "⅙": r"\frac{1}{6}", "⅚": r"\frac{5}{6}", "⅛": r"\frac{1}{8}",
    "⅜": r"\frac{3}{8}", "⅝": r"\frac{5}{8}", "⅞": r"\frac{7}{8}", "⅐": r"\frac{1}{7}", "⅑": r"\frac{1}{9}",
    "⅒": r"\frac{1}{10}", "\u2061": "", "\u200b": "", "\ufeff": "", "\u2062": "", "\u00ad": "", "α": r"\alpha ",
    "β": r"\beta ", "γ": r"\gamma ", "δ": r"\delta ", "ε": r"\epsilon ", "θ": r"\theta ", "λ": r"\lambda ",
    "μ": r"\mu ", "ρ": r"\rho ", "σ": r"\sigma ", "τ": r"\tau ", "φ": r"\phi ", "ϕ": r"\phi ", "ψ": r"\psi ",
    "ω": r"\omega ", "Δ": r"\Delta ", "Ω": r"\Omega ", "Γ": r"\Gamma ", "Σ": r"\Sigma ", "Φ": r"\Phi ",
    "∆": r"\Delta ", "ℓ": r"\ell ", "η": r"\eta ", "ξ": r"\xi ", "ν": r"\nu ", "κ": r"\kappa ", "χ": r"\chi ",
    "ζ": r"\zeta ", "＄": r"\$",
}  # fmt: skip
_TRANSLATION = str.maketrans(_CHARACTERS)

_THOUSANDS_MARK = r"(?:\{,\}|\{\\,\}|,\\!\s?|\\!,|\\,|\\!\\,|\\;|\\:|\\ |\{\s\}|~)"
_NUMBER = re.compile(
    rf"\d{{1,3}}(?:{_THOUSANDS_MARK}\d{{3}})+(?!\d)(?:\.\d+)?"
    r"|[1-9]\d{0,2}(?:'\d{3})+(?![\d'])"
    r"|\d+\{,\}\d+"
    r"|(?:\d+(?:\.\d*)?|\.\d+)",
    re.ASCII,
)
_COMMA_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+(?![\d,]|\.\d*,)(?:\.\d+)?", re.ASCII)
_SPACED_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?: \d{3})+(?![ ]?\d|[./])", re.ASCII)
_EXPONENT = re.compile(r"[eE][+-]?\d{1,6}(?![\dA-Za-z]|\.\d)", re.ASCII)
_REPETEND = re.compile(r"\s*(?:\\overline|\\bar|\\dot|\\overline\s)\s*(?:\{(\d+)\}|(\d))", re.ASCII)
_DOTTED_REPETEND = re.compile(
    r"\s*\\dot\s*(?:\{(\d)\}|(\d))\s*(\d*)\s*\\dot\s*(?:\{(\d)\}|(\d))", re.ASCII
)  # the first and the last digit of what repeats
_REPETEND_IN_PARENTHESES = re.compile(r"\((\d+)\)(?=\s*(?:$|[,;)\]}]))", re.ASCII)
_DOTS = re.compile(r"\s*(?:\\[lc]?dots\b|\.\.\.)")
_NEGATED = re.compile(r"\\not\s*(=|\\in(?![A-Za-z]))")
_PAIRED_DOLLARS = re.compile(r"(?<!\\)\$\$((?:\\.|[^$\\])+)\$\$", re.DOTALL)
# The closing sign touches what it closes and stands before no digit: `$5, $6` are two amounts of money.
_PAIRED_DOLLAR = re.compile(r"(?<!\\)\$(?=\S)((?:\\.|[^$\\])+)(?<=\S)\$(?!\d)", re.DOTALL)
_SPACE = re.compile(r"(?:\s|~|\\[,;:!> \n]|\\quad\b|\\qquad\b|\$(?!\d)|\\[()](?!\w))+")
_LETTERS = re.compile(r"[A-Za-z]+")
_HYPHENATED = re.compile(r"[A-Za-z]{4,}(?:-[A-Za-z]{3,})+")
_IDEOGRAPHIC = r"\u3040-\u30ff\u3400-\u9fff"  # written without spaces: a word of these ends where other letters begin
_IDEOGRAPHS = re.compile(f"[{_IDEOGRAPHIC}]+")
_WORD = re.compile(rf"[^\W\d_{_IDEOGRAPHIC}](?:[^\W\d_{_IDEOGRAPHIC}]|['’-](?=[^\W\d_]))*")
# Where a unit may end and a function cannot: it would lack its argument.
_ENDS_A_QUANTITY = re.compile(r"[\s}$~]*(?:$|[,;.)\]/=]|\\right|(?:per|and|or)\b)")
_CIRCLED = frozenset("①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳")
_CIRCLED_LIST = re.compile(r"([①-⑳]+)(?=\s*(?:$|[,;)\]}$.]|\\[,;!) }]|\\quad|\\text|and\b|or\b|[和或与]))")
_ESCAPED_TWICE = re.compile(r"\\\\(?=[A-Za-z])")  # `\\\\frac`, where no line could break
_COMMAND = re.compile(r"\\([A-Za-z]+\*?|.)", re.DOTALL)
_TWO_CHARACTER_OPERATORS = {
    "<=": "<=",
    ">=": ">=",
    "!=": "!=",
    "==": "=",
    "**": "^",
    "=<": "<=",
    "=>": "to",
    "->": "to",
}
_FUNCTIONS_OR_UNITS = frozenset({"min", "sec"})
_GLUED_FUNCTIONS = frozenset({"sin", "cos", "tan", "ln", "log"})  # `sinx`; `cost` and `sink` are words
_WORDS_OR_PRODUCTS = frozenset({"an", "am", "pm"})
_PLAIN_WORDS = frozenset(
    """or and if for all no yes not odd even none any is are the an of in dne DNE only when where with but both neither
    either than less more true false AM PM am pm a.m. p.m. one two six ten""".split()
)


def tokenise(text: str) -> list[Token]:
    """The tokens of an answer.

    Raises:
        TooLargeError: more characters, tokens or digits than are looked at.
        UnreadableError: braces that do not match, or a character that means nothing.
    """
    if len(text) > LONGEST:
        raise TooLargeError(f"longer than {LONGEST} characters")
    if "\\\\" in text and "\\begin" not in text:
        text = _ESCAPED_TWICE.sub(r"\\", text)
    if "\\not" in text:
        text = _NEGATED.sub(lambda found: r"\notin " if found.group(1) == r"\in" else r"\ne ", text)
    if "$" in text:
        text = _PAIRED_DOLLAR.sub(r" \1 ", _PAIRED_DOLLARS.sub(r" \1 ", text))
    return _Lexer(_plain_characters(text)).tokens


def _plain_characters(text: str) -> str:
    if text.isascii():
        return text
    text = _RAISED.sub(lambda found: "^{" + "".join(_SUPERSCRIPTS[c] for c in found.group()) + "}", text)
    text = _LOWERED.sub(lambda found: "_{" + "".join(_SUBSCRIPTS[c] for c in found.group()) + "}", text)
    text = text.translate(_TRANSLATION)
    if text.isascii():
        return text
    return "".join(c if c.isascii() else _plain_character(c) for c in text)


def _plain_character(character: str) -> str:
    if character in _CIRCLED:
        return character
    digit = unicodedata.digit(character, None)
    if digit is not None and unicodedata.category(character) == "Nd":
        return str(digit)
    folded = unicodedata.normalize("NFKC", character)
    # Only what stays one character: a ligature or a circled number is no spelling of several.
    return folded if len(folded) == 1 else character


class _Lexer:
    def __init__(self, text: str) -> None:
        self.text = text
        self.end = len(text)
        self.position = 0
        self.tokens: list[Token] = []
        self._spaced = False
        self._brackets = 0  # round, square and set brackets, inside which a comma separates
        self._closers: list[str] = []  # for every TeX brace, what its end means: "}", or "" where it is not seen
        self._text_depths: list[int] = []  # the depth of braces at which text ends
        self._visible_lefts: list[bool] = []  # for every \left, whether a delimiter stands there
        self._run()

    @property
    def _as_text(self) -> bool:
        return bool(self._text_depths)

    def _run(self) -> None:
        while self.position < self.end:
            if len(self.tokens) > MOST_TOKENS:
                raise TooLargeError(f"more than {MOST_TOKENS} symbols")
            self._step()
        if self._closers:
            raise BrokenError("a brace is not closed")

    def _step(self) -> None:
        space = _SPACE.match(self.text, self.position)
        if space is not None:
            self.position = space.end()
            self._spaced = True
            return
        character = self.text[self.position]
        if character == "\\":
            self._command()
        elif character in _CIRCLED:
            self._circled()
        elif character.isdigit() or (character == "." and self._digit_follows()):
            self._number()
        elif character in "{}":
            self._brace(character)
        elif character.isalpha():
            self._letters()
        else:
            self._operator(character)

    def _digit_follows(self) -> bool:
        return self.position + 1 < self.end and self.text[self.position + 1] in "0123456789"

    def _add(self, kind: str, text: str, *, ambiguous: bool = False) -> None:
        self.tokens.append(Token(kind, text, self._spaced, self._as_text, ambiguous))
        self._spaced = False

    def _brace(self, character: str) -> None:
        self.position += 1
        if character == "{":
            self._closers.append("}")
            self._add("operator", "{")
            return
        if not self._closers:
            raise BrokenError("a brace is closed that was not opened")
        if self._text_depths and self._text_depths[-1] == len(self._closers):
            self._text_depths.pop()
            self._spaced = True
        closer = self._closers.pop()
        if closer:
            self._add("operator", closer)

    # Commands

    def _command(self) -> None:
        found = _COMMAND.match(self.text, self.position)
        if found is None:
            self.position += 1
            return
        name = found.group(1).rstrip("*") or "*"
        self.position = found.end()
        if name in _INVISIBLE:
            self._skip_null_delimiter(name)
        elif name in _SPACES:
            self._spaced = True
        elif name in _TEXT_COMMANDS:
            self._open_text(name)
        elif name in _TRANSPARENT:
            pass
        elif name in _COLOURS or name in _DROPPED_WITH_ARGUMENT:
            self._skip_argument()
        else:
            self._visible_command(name)

    def _visible_command(self, name: str) -> None:
        if name in FUNCTIONS:
            self._add("function", name)
        elif name in {"imath", "jmath"}:
            self._add("name", name[0])
        elif name in _NAMES:
            self._add("name", _NAMES[name])
        elif name in {"{", "}"}:
            self._brackets += 1 if name == "{" else -1
            self._add("operator", name + "set")
        elif name in {"lbrace", "rbrace"}:
            self._brackets += 1 if name == "lbrace" else -1
            self._add("operator", _SAME_COMMAND[name])
        elif name == "\\":
            self._skip_option()
            self._add("operator", "row")
        elif name in {"%", "$", "&", "#", "_"}:
            self._add("operator", {"&": "and", "_": "_"}.get(name, name))
        elif name in {"[", "]", "(", ")"}:
            self._spaced = True  # where mathematics begins and ends
        elif name == "gets":
            raise UnreadableError("an arrow to the left")
        else:
            name = _SAME_COMMAND.get(name, name)
            self._brackets += {"langle": 1, "[": 1, "(": 1, "rangle": -1, "]": -1, ")": -1}.get(name, 0)
            self._add("operator" if name in _OPERATORS else "command", name)

    def _skip_null_delimiter(self, name: str) -> None:
        r"""`\left.` and `\right.` are not seen; but `\left\{ … \right.` is a bracket that is left open on purpose."""
        if name not in {"left", "right"}:
            return
        is_null = self.text.startswith(".", self.position)
        self.position += is_null
        if name == "left":
            self._visible_lefts.append(not is_null)
        elif self._visible_lefts and self._visible_lefts.pop() and is_null:
            self._add("operator", "left open")

    def _skip_option(self) -> None:
        if self.text.startswith("[", self.position):
            end = self.text.find("]", self.position, self.position + 12)
            if end > 0 and self.text[self.position + 1 : end].rstrip("ptexmc").replace(".", "").isdigit():
                self.position = end + 1

    def _open_text(self, name: str) -> None:
        while self.position < self.end and self.text[self.position].isspace():
            self.position += 1
        if self.text.startswith("{", self.position):
            self.position += 1
            self._closers.append("")
            if name not in _MATH_LETTERS:
                self._text_depths.append(len(self._closers))

    def _skip_argument(self) -> None:
        while self.position < self.end and self.text[self.position].isspace():
            self.position += 1
        if not self.text.startswith("{", self.position):
            return
        end = self.text.find("}", self.position)
        if end < 0:
            raise BrokenError("a brace is not closed")
        self.position = end + 1

    # Numbers

    def _number(self) -> None:
        start, text = self.position, self.text
        ambiguous = False
        found = None
        if not self._brackets:
            found = _COMMA_THOUSANDS.match(text, start)
            # `1,2,345` is a list whose last item is no continuation of what stands before it.
            if found is not None and self.tokens and self.tokens[-1].text == ",":
                found = None
            ambiguous = found is not None
            found = found or _SPACED_THOUSANDS.match(text, start)
        found = found or _NUMBER.match(text, start)
        if found is None:  # a digit of another script that is no decimal digit
            raise UnreadableError("a character that is no digit")
        written = found.group()
        self.position = found.end()
        if written.endswith(".") and not self._repetend_follows():  # `42.` at the end of a sentence, or `1...`
            written, self.position = written[:-1], self.position - 1
            if self.position + 1 >= self.end or self.text[self.position + 1] in " }),;\\":
                self.position += 0 if self.text.startswith("...", self.position) else 1
        digits = self._plain_digits(written)
        if sum(map(len, digits.split("."))) > MOST_DIGITS:
            raise TooLargeError(f"a number of more than {MOST_DIGITS} digits")
        digits = self._with_repetend(digits) if "." in digits else digits
        exponent = _EXPONENT.match(text, self.position)
        if exponent is not None and "r" not in digits:
            digits += exponent.group().lower()
            self.position = exponent.end()
        self._add("number", digits, ambiguous=ambiguous)

    def _repetend_follows(self) -> bool:
        return bool(
            _REPETEND.match(self.text, self.position) or _REPETEND_IN_PARENTHESES.match(self.text, self.position)
        )

    def _plain_digits(self, written: str) -> str:
        if "{,}" in written and not re.fullmatch(r"\d{1,3}(\{,\}\d{3})+(\.\d+)?", written):
            return written.replace("{,}", ".") if written.count("{,}") == 1 else written.replace("{,}", "")
        return re.sub(r"[^\d.]", "", written)

    def _with_repetend(self, digits: str) -> str:
        """Mark the digits that repeat: `0.1r6` is 0.1666…"""
        dotted = _DOTTED_REPETEND.match(self.text, self.position)
        if dotted is not None:
            self.position = dotted.end()
            return f"{digits}r{''.join(filter(None, dotted.groups()))}"
        repetend = _REPETEND.match(self.text, self.position)
        if repetend is None:
            repetend = _REPETEND_IN_PARENTHESES.match(self.text, self.position)
        if repetend is not None:
            self.position = repetend.end()
            return f"{digits}r{repetend.group(1) or repetend.group(repetend.lastindex or 1)}"
        dots = _DOTS.match(self.text, self.position)
        whole, _, places = digits.partition(".")
        if dots is not None and len(places) >= 3 and len(set(places[-3:])) == 1:
            self.position = dots.end()
            return f"{whole}.{places.rstrip(places[-1])}r{places[-1]}"
        if dots is not None and len(places) >= 6:
            self.position = dots.end()
        return digits

    def _circled(self) -> None:
        """`①③` are the numbers of two statements, a list; next to anything else a circled number is a label."""
        if self.tokens and self.tokens[-1].kind in {"number", "name"}:
            raise UnreadableError("a circled number after a value")
        found = _CIRCLED_LIST.match(self.text, self.position)
        if found is None:
            raise UnreadableError("a circled number before what it labels")
        for index, character in enumerate(found.group(1)):
            if index:
                self._add("operator", ",")
            self._add("number", str(int(unicodedata.numeric(character))))
        self.position = found.end(1)

    # Letters

    def _letters(self) -> None:
        ideographs = _IDEOGRAPHS.match(self.text, self.position)
        if ideographs is not None:
            word = ideographs.group()
            # `5万元` are ten thousands and their unit.
            self.position = ideographs.end() if is_number_scale(word[0]) is None else self.position + 1
            self._add("word", word if is_number_scale(word[0]) is None else word[0])
            return
        if self._as_text or not self.text[self.position].isascii():
            found = _WORD.match(self.text, self.position)
            assert found is not None
            self.position = found.end()
            self._word(found.group())
            return
        hyphenated = _HYPHENATED.match(self.text, self.position)
        if hyphenated is not None:
            self.position = hyphenated.end()
            self._add("word", hyphenated.group())
            return
        found = _LETTERS.match(self.text, self.position)
        assert found is not None
        whole = _WORD.match(self.text, self.position)
        if whole is not None and not whole.group().isascii():  # `naïve`
            found = whole
        self.position = found.end()
        self._plain_letters(found.group())

    def _word(self, word: str) -> None:
        if len(word) == 1:
            self._add("name" if word.isascii() else "word", word)
        elif word in FUNCTIONS and not self._is_unit(word) and word not in {"deg", "sign"}:
            self._add("function", word)
        else:
            self._add("word", word)

    @property
    def _after_number(self) -> bool:
        return bool(self.tokens) and (self.tokens[-1].kind == "number" or self.tokens[-1].text in {"}", ")"})

    def _is_unit(self, word: str) -> bool:
        """`5 min` and `5 sec` of which nothing follows; `5\\min(a, b)` and `5 sec x` are functions."""
        if word not in _FUNCTIONS_OR_UNITS or not self._after_number:
            return False
        return _ENDS_A_QUANTITY.match(self.text, self.position) is not None

    def _is_infinity(self, letters: str) -> bool:
        """`oo` and `inf` at the end of an interval."""
        return letters in {"oo", "inf"} and self.text[self.position : self.position + 1] in {",", ")", "]"}

    def _is_product(self, letters: str) -> bool:
        """`an` in `an+b`: it touches an operator. `3pm` is a time of day."""
        if letters not in _WORDS_OR_PRODUCTS:
            return False
        before = self.text[self.position - len(letters) - 1 : self.position - len(letters)]
        after = self.text[self.position : self.position + 1]
        if letters != "an" and before.isdigit():
            return False
        return (bool(before) and before in "+-*/=^_") or (bool(after) and after in "+-*/=^_")

    def _plain_letters(self, letters: str) -> None:
        after_number = self._after_number
        if len(letters) == 1:
            self._add("name", letters)
        elif letters in FUNCTIONS and not self._is_unit(letters):
            self._add("function", letters)
        elif letters in {"pi", "sqrt", "infty", "infinity", "frac"} or self._is_infinity(letters):
            self._add("command", {"sqrt": "rootof", "frac": "frac", "pi": "pi"}.get(letters, "infty"))
        elif letters[:-1] in _GLUED_FUNCTIONS and letters[-1] in "xy":
            self._add("function", letters[:-1])
            self._add("name", letters[-1])
        elif self._is_product(letters):
            for letter in letters:
                self._add("name", letter)
        elif (
            letters in _PLAIN_WORDS
            or (letters.istitle() and letters.lower() in _PLAIN_WORDS)
            or is_number_scale(letters)
            or (after_number and letters in PLAIN_UNITS and (self._spaced or letters not in PRODUCTS_TOO))
            or letters in _FUNCTIONS_OR_UNITS
            or not letters.isascii()
            or (len(letters) >= 4 and not (letters.isupper() and len(letters) <= 6))  # ABCD is a figure
        ):
            self._add("word", letters)
        else:
            for letter in letters:
                self._add("name", letter)

    # The rest

    def _operator(self, character: str) -> None:
        pair = self.text[self.position : self.position + 2]
        if self.text.startswith("...", self.position):
            self.position += 3
            self._add("operator", "dots")
        elif self.text.startswith("+/-", self.position):
            self.position += 3
            self._add("operator", "pm")
        elif pair in _TWO_CHARACTER_OPERATORS:
            self.position += 2
            self._add("operator", _TWO_CHARACTER_OPERATORS[pair])
        elif character in "+-*/^_=<>()[]|,;:!&'%$€£¥₹¢":
            self.position += 1
            self._brackets += {"(": 1, "[": 1, ")": -1, "]": -1}.get(character, 0)
            self._add("operator", character)
        elif character == "?":
            raise UnreadableError("a question")
        elif character in '."“”':
            self.position += 1
            self._spaced = True
        else:
            raise UnreadableError("a character that means nothing here")
