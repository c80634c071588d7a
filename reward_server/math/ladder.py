"""The rungs of the comparison, cheap first; each decides or passes on, and the verdict names the one that decided.

- `string`: the same text, or the same once typography is taken away.
- `choice`: the letters of multiple choice.
- `number`: exact rational arithmetic.
- `structure`: the parts of tuples, sets, intervals, equations and the like correspond, or cannot.
- `numeric`: values certified to differ by interval arithmetic, or agreeing far beyond chance.
- `symbolic`: SymPy, only in a worker.
- `text`: what could not be read as mathematics, compared as text.

`compare` runs in the server's process and is bounded to a few milliseconds, all rungs and all parts of the answers
together; it returns None for what takes more. A worker asks `compare_at_length`, which has the same rungs with more
effort, and always ends in a verdict.

What goes wrong because of the answer is a verdict about it, `incorrect` with a reason, also where we did not foresee
it. What goes wrong without the answer as well is raised, and no verdict.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

from reward_server.math import words
from reward_server.math.budget import BeyondBudgetError, limited
from reward_server.math.exact import UndefinedError, exact
from reward_server.math.lexer import LONGEST, BrokenError, TooLargeError, UnreadableError
from reward_server.math.models import MathSettings, MathVerdict, Verification
from reward_server.math.nodes import (
    EXPRESSIONS,
    BigOperator,
    Call,
    Group,
    Letters,
    Node,
    Relation,
    Sym,
    Words,
    children,
    key,
    walk,
)
from reward_server.math.numeric import IN_PROCESS, IN_WORKER, Effort
from reward_server.math.parser import parse, parse_as_list
from reward_server.math.structure import Comparer, Symbolic

_PLAIN_NUMBER = re.compile(r"[+-]?(?:\d+|[1-9]\d{0,2}(?:(?:,|\{,\})\d{3})+)(?:\.\d+)?", re.ASCII)
# What never changes a meaning: the size of brackets and fractions, and white space that does not part two words.
_TYPOGRAPHY = re.compile(r"\\(?:left|right)(?![A-Za-z.])|(?<=\\)[dt](?=frac)|(?<!\w)\s+|\s+(?!\w)")
_PLAIN_FRACTION = re.compile(
    r"([+-]?)(?:(\d{1,50})\s*)?\\[dt]?frac\s*(?:\{(\d{1,50})\}\s*\{(\d{1,50})\}|(\d)(\d))",
    re.ASCII,
)
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+", re.ASCII)
# What needs something else to say anything.
_EMPTY_COMMANDS = re.compile(r"\\(?:[dt]?frac|binom|sqrt|left|right|text[a-z]*|math[a-z]+|boxed|mbox)(?![A-Za-z])")
_SAYS_SOMETHING = re.compile(r"[^\W_]")
_LONGEST_NUMBER = 4_000
_LONGEST_SHOWN = 300
_LONGEST_IN_PROCESS = 400
_WORK_IN_PROCESS = 2_000  # units of the budget: some milliseconds


@dataclass(frozen=True, slots=True)
class Read:
    """An answer as it was read: a node, or why there is none."""

    text: str
    node: Node | None
    problem: str | None = None
    too_large: bool = False
    broken: bool = False
    undefined: bool = False  # it divides by zero, and has no value that an answer could have


def reference_problem(reference: str) -> str | None:
    """Why a reference cannot be compared with anything, or None where it can."""
    if not reference.strip():
        return "the reference is empty"
    if _PLAIN_NUMBER.fullmatch(reference.strip()):
        return None
    found = _read_reference(reference)
    if found.undefined:
        return "the reference divides by zero"
    if found.node is not None or found.too_large:
        return None
    if found.broken or not _SAYS_SOMETHING.search(_EMPTY_COMMANDS.sub("", reference)):
        return f"the reference cannot be read: {found.problem}"
    return None


def compare(reference: str, answer: str, settings: MathSettings) -> Verification | None:
    """Decide, or return None where a worker has to."""
    left, right = reference.strip(), answer.strip()
    quick = _quick(left, right)
    if quick is not None:
        return quick
    if len(left) + len(right) > _LONGEST_IN_PROCESS:
        return None if len(right) <= LONGEST else _too_long()
    try:
        with limited(_WORK_IN_PROCESS):
            return _judged(lambda: _compare(left, right, settings, IN_PROCESS, None))
    except BeyondBudgetError:
        return None


def compare_at_length(reference: str, answer: str, settings: MathSettings, symbolic: Symbolic) -> Verification:
    """Decide, with the effort and the libraries of a worker."""
    left, right = reference.strip(), answer.strip()
    found = _judged(lambda: _compare(left, right, settings, IN_WORKER, symbolic))
    assert found is not None
    return found


def _judged(
    compare: Callable[[], Verification | None],
) -> Verification | None:
    """What a comparison says. An answer without a value equals nothing; any other failure is ours, and no verdict."""
    try:
        return compare()
    except UndefinedError:
        return _verdict(False, "number", "a division by zero")


def _quick(left: str, right: str) -> Verification | None:
    as_written = {"reference": left, "answer": right}
    if left == right:
        return Verification(MathVerdict.CORRECT, "string", None, as_written)
    short = len(left) + len(right) <= _LONGEST_IN_PROCESS
    if short and _TYPOGRAPHY.sub("", left) == _TYPOGRAPHY.sub("", right):
        return Verification(MathVerdict.CORRECT, "string", None, as_written)
    if max(len(left), len(right)) > _LONGEST_NUMBER:
        return None
    numbers = _plain_number(left), _plain_number(right)
    if numbers[0] is None or numbers[1] is None:
        return None
    if numbers[0] != numbers[1] and ("." in left) != ("." in right):
        return None  # a decimal may stand for a fraction that it only approximates
    if numbers[0] != numbers[1] and all("," in text.replace("{,}", "") for text in (left, right)):
        return None  # each of them may be a list
    as_compared = {"reference": str(numbers[0]), "answer": str(numbers[1])}
    return replace(_verdict(numbers[0] == numbers[1], "number"), normalised=as_compared)


def _plain_number(text: str) -> Fraction | None:
    """The value of a number written in one of the commonest ways, which need no reader."""
    if _PLAIN_NUMBER.fullmatch(text):
        return Fraction(text.replace("{,}", "").replace(",", ""))
    fraction = _PLAIN_FRACTION.fullmatch(text)
    if fraction is None:
        return None
    sign, whole, *digits = fraction.groups()
    top, bottom = (int(digit) for digit in digits if digit)
    if bottom == 0 or (whole and not 0 < top < bottom):
        return None
    value = Fraction(top, bottom) + int(whole or 0)
    return -value if sign == "-" else value


def _verdict(correct: bool, method: str, reason: str | None = None) -> Verification:
    return Verification(MathVerdict.CORRECT if correct else MathVerdict.INCORRECT, method, reason)


def _too_long() -> Verification:
    return _verdict(False, "limit", f"the answer is longer than {LONGEST} characters")


def _compare(
    left: str, right: str, settings: MathSettings, effort: Effort, symbolic: Symbolic | None
) -> Verification | None:
    chosen = _compare_choices(left, right, settings)
    if chosen is not None:
        return chosen
    reference, answer = _read_reference(left), _read(right)
    normalised = {"reference": _shown(reference), "answer": _shown(answer)}
    if reference.node is None or answer.node is None:
        return _compare_as_text(reference, answer, settings, normalised)
    comparer = Comparer(settings, effort, symbolic)
    verdict = comparer.equal(reference.node, answer.node)
    if verdict is not True and isinstance(reference.node, Words) != isinstance(answer.node, Words):
        verdict = _same_phrase(reference.text, answer.text) or verdict  # `red car`, read as a product of letters
    if verdict is not True:
        other = _compare_other_readings(reference, answer, settings, effort)
        verdict = True if other else verdict
    if verdict is not False and settings.restated == "refused" and _restates(answer.node, reference.node):
        verdict, comparer.reason = False, "it is left to be worked out"
    if verdict is None and symbolic is not None:
        verdict, comparer.reason = False, "no equality could be shown"
    if verdict is None:
        return None
    if verdict and settings.case == "exact" and _written(reference.node) != _written(answer.node):
        verdict, comparer.reason = False, "the case of a word differs"
    reason = None if verdict else comparer.reason
    return Verification(_verdict(verdict, "").verdict, comparer.method, reason, normalised)


def _restates(answer: Node, reference: Node) -> bool:
    """Whether the answer only says again what was to be computed; a chain that ends in the value does more."""
    is_chain = isinstance(answer, Relation) and answer.operators[-1] in {"=", "approx"}
    last = answer.operands[-1] if isinstance(answer, Relation) and is_chain else answer
    return any(map(_is_open, walk(last))) and not any(map(_is_open, walk(reference)))


def _is_open(node: Node) -> bool:
    return isinstance(node, BigOperator) or (isinstance(node, Call) and node.name == "mod")


def _written(node: Node) -> list[str]:
    return sorted(one.written for one in walk(node) if isinstance(one, Words))


def _compare_choices(left: str, right: str, settings: MathSettings) -> Verification | None:
    reference, answer = words.choice(left), words.choice(right)
    if reference is None or answer is None or not (reference.parted and answer.parted):
        return None
    if not reference.same_letters(answer):
        return _verdict(False, "choice", "another choice")
    if answer.value and not _is_value_of(reference, answer.value, settings):
        return _verdict(False, "choice", "the text of another choice")
    return _verdict(True, "choice")


def _is_value_of(reference: words.Choice, value: str, settings: MathSettings) -> bool:
    """Whether an answer may add this to its letter: the value of the reference, or any where the reference has none.

    Prose is no value then, `(A) but really B`, for nobody can tell what it takes back; nor is another letter.
    """
    if reference.value:
        found = _compare(reference.value, value, settings, IN_PROCESS, None)
        return found is not None and found.verdict is MathVerdict.CORRECT
    node = _read(value).node
    if node is None or words.choice(value) is not None:
        return False
    items = node.items if isinstance(node, Group) else ()
    prose = any(isinstance(one, Words | Letters) for one in walk(node))
    return not prose and not any(isinstance(one, Sym) for one in items)


def _compare_other_readings(reference: Read, answer: Read, settings: MathSettings, effort: Effort) -> bool:
    """`100,200,300` may also be three numbers; `(C) 12` may also be what it labels."""
    assert reference.node is not None
    assert answer.node is not None
    lists = [_as_list(side.text) for side in (reference, answer)]
    for one, other in ((reference.node, lists[1]), (lists[0], answer.node), (lists[0], lists[1])):
        if one is not None and other is not None and Comparer(settings, effort).equal(one, other) is True:
            return True
    if settings.decimal_comma and any(_DECIMAL_COMMA.fullmatch(side.text) for side in (reference, answer)):
        sides = [side.text.replace(",", "{,}") for side in (reference, answer)]
        commas = [_read(text).node for text in sides]
        if commas[0] is not None and commas[1] is not None:
            return Comparer(settings, effort).equal(commas[0], commas[1]) is True
    return _labelled_value_matches(reference, answer, settings)


def _labelled_value_matches(reference: Read, answer: Read, settings: MathSettings) -> bool:
    labelled = [words.choice(side.text) for side in (reference, answer)]
    for index, (one, other) in enumerate(zip(labelled, (answer.text, reference.text), strict=True)):
        if one is not None and one.value and one.parted:
            sides = (one.value, other) if index == 0 else (other, one.value)
            found = _compare(*sides, settings, IN_PROCESS, None)
            if found is not None and found.verdict is MathVerdict.CORRECT:
                return True
    return False


def _as_list(text: str) -> Node | None:
    try:
        return parse_as_list(text) if "," in text else None
    except UnreadableError:
        return None


def _compare_as_text(reference: Read, answer: Read, settings: MathSettings, normalised: dict[str, str]) -> Verification:
    if _labelled_value_matches(reference, answer, settings):
        return Verification(MathVerdict.CORRECT, "choice", None, normalised)
    if _same_text(reference, answer, settings):
        return Verification(MathVerdict.CORRECT, "text", None, normalised)
    unread = answer if answer.node is None else reference
    method = "limit" if unread.too_large else "text"
    return Verification(MathVerdict.INCORRECT, method, f"not read as mathematics: {unread.problem}", normalised)


def _same_text(reference: Read, answer: Read, settings: MathSettings) -> bool:
    """Whether two texts are the same but for typography; what is read as mathematics is compared as such instead."""
    if any(side.node is not None and not isinstance(side.node, Words) for side in (reference, answer)):
        return False
    keys = words.text_key(reference.text), words.text_key(answer.text)
    if not keys[0] or keys[0] != keys[1]:
        return False
    return settings.case == "fold" or _same_case(reference.text, answer.text)


def _same_phrase(left: str, right: str) -> bool:
    keys = words.text_key(left), words.text_key(right)
    return keys[0] == keys[1] and " " in keys[0]


def _same_case(left: str, right: str) -> bool:
    return sorted(filter(str.isupper, left)) == sorted(filter(str.isupper, right))


def _read(text: str) -> Read:
    try:
        return Read(text, parse(words.in_symbols(text)))
    except TooLargeError as error:
        return Read(text, None, str(error), too_large=True)
    except BrokenError as error:
        return Read(text, None, str(error), broken=True)
    except UnreadableError as error:
        return Read(text, None, str(error))


def _read_reference(text: str) -> Read:
    return _read_and_kept(text) if len(text) <= _LONGEST_IN_PROCESS else _read(text)


@lru_cache(maxsize=4096)
def _read_and_kept(text: str) -> Read:
    found = _read(text)
    if found.node is None:
        return found
    try:
        with limited(_WORK_IN_PROCESS):
            return replace(found, undefined=_is_undefined(found.node))
    except BeyondBudgetError:
        return found


def _is_undefined(node: Node) -> bool:
    if not isinstance(node, EXPRESSIONS):
        return any(map(_is_undefined, children(node)))
    try:
        exact(node)
    except UndefinedError:
        return True
    return False


def _shown(read: Read) -> str:
    shown = read.text if read.node is None else key(read.node)
    return shown if len(shown) <= _LONGEST_SHOWN else shown[:_LONGEST_SHOWN] + "…"
