"""Answers in words: how they are compared, the numbers they spell, and the letters of multiple choice."""

# ruff: noqa: SIM905 - a paragraph of words is read more easily than a list of strings

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

# Words that are read as products of their letters, where nothing says that they are text.
SHORT_WORDS = frozenset(
    """act add age ago aid aim air ale ant ape apt arc are arm art ash ask ate bad bag ban bar bat bay bed bee beg bet
    bid big bin bit bow box boy bud bug bun bus but buy cab can cap car cat cop cow cry cub cup cut dad dam day den dew
    did die dig dim dip dog dot dry due dug dye ear eat egg ego elf elk end era eve eye fan far fat fed fee few fig fin
    fit fix fly fog for fox fun fur gap gas gay gel get god got gum gun gut guy had ham has hat hay hen her hex hid him
    hip his hit hog hop hot how hub hug hut ice ink inn ion its ivy jam jar jaw jet job jog joy jug keg key kid kin kit
    lab lap law lay led leg let lid lie lip lit log lot low mad man map mat may men met mix mob mom mop mud mug nap
    net new nil nod nor not now nut oak oar odd off oil old one opt orb ore our out owe owl own pad pal pan par pat paw
    pay pea peg pen per pet pie pig pin pit pod pop pot pub put ram ran rat raw ray red rib rid rim rip rob rod rot row
    rub rug run rye sad sat saw say sea see set sew she shy sin sip sir sit six sky sly son sow spa spy sub sue sum sun
    tab tag tap tar tax tea ten the tie tin tip toe ton too top tow toy try tub tug two use van vet via vow war was wax
    way web wet who why wig win wit won yes yet you zip zoo no on so""".split()
)
_ARTICLES = frozenset({"the", "a", "an"})
_ONES = {
    word: value
    for value, word in enumerate(
        """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
        seventeen eighteen nineteen""".split()
    )
}
_TENS = {
    word: 10 * value
    for value, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2)
}
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}

_PARTS_OF_ONE = {"half": 2, "quarter": 4} | {
    word: value for value, word in enumerate("third fourth fifth sixth seventh eighth ninth tenth".split(), start=3)
}
_SAID = {"infinity": r"\infty", "does not exist": r"\text{DNE}"}
_ONLY_WORDS = re.compile(r"[A-Za-z][A-Za-z -]*")
_SIGN_IN_WORDS = re.compile(r"(?:minus|negative) (\d+(?:\.\d+)?|[A-Za-z].*)", re.IGNORECASE)
_DOLLARS = re.compile(r"(?:US ?\\\$|USD) ?(\d[\d.,]*)")
_LONGEST_IN_WORDS = 200

_UNSAYING = frozenset(
    """not no never neither nor wrong incorrect incorrectly false untrue invalid rejected excluded except unless
    mistaken mistake error guess guessed maybe perhaps possibly probably unlikely unsure if approximately about around
    nearly almost roughly less more fewer greater smaller larger over under below above least most twice double doubled
    triple tripled half halved squared cubed root reciprocal inverse opposite negative minus plus times
    isn't doesn't don't cannot can't""".split()
)

_WRAPPERS = re.compile(
    r"\\(?:text|mbox|textbf|textit|textrm|mathrm|mathbf|operatorname|left|right|,|;|:|!|\s|quad|qquad|boxed|displaystyle|textstyle)(?![A-Za-z])"
    r"|\\[()\[\]]"
)
_PART = re.compile(r"[^\W\d_]+|\.?\d+(?:[.,:/]\d+)*|\\[A-Za-z]+|[^\s\w]|_")
_TYPOGRAPHY = frozenset('$."“”~')
_BRACES = frozenset("{}")
_MATHEMATICS = re.compile(r"[\\^_]")
_HEDGE = re.compile(
    r"\([A-J]\)|\b[A-J][.):]|\b(?:or|either|maybe|possibly|perhaps|not|and)\b|^[-+*/=,;&|<>^_!]", re.IGNORECASE
)
_CHOICE = re.compile(r"\(?\s*([A-Z])\s*\)?\s*[.:]?|\(\s*[a-j]\s*\)")
# Only the letters of options label a value: `(n) 5` is a product.
_CHOICE_IN_PARENTHESES = re.compile(r"\(\s*([A-J])\s*\)([.:]?\s*)(.+)", re.DOTALL)
_CHOICE_WITH_MARK = re.compile(r"([A-J])(\s*[.):]\s*)(.+)", re.DOTALL)
_CHOICE_WITH_NAME = re.compile(
    r"(?:option|choice|answer|故?选项?|答案(?:是|为)?)\s*[:：]?\s*\(?([A-Z])\)?[.。]?", re.IGNORECASE
)
_LETTERS = re.compile(r"\(?[A-J]\)?(?:[\s,;&、，]*(?:and\s+)?\(?[A-J]\)?)*")
_SIZES = re.compile(r"\\(?:left|right)(?![A-Za-z])")


@dataclass(frozen=True, slots=True)
class Choice:
    """The letters chosen, as they were written, and what was written after one as its value."""

    letters: str
    joined: bool = False  # `ABCD` might be a word: its order counts
    marked: bool = False  # written as a choice, `(C)` or `C.`, and not just a letter, which might be a variable
    value: str = ""
    parted: bool = True  # `(B) h` is a label and its value, `(B)h` might be a product

    def same_letters(self, other: Choice) -> bool:
        """Whether both choose the same, in any order where both are lists."""
        if self.joined or other.joined:
            return self.letters == other.letters
        return set(self.letters) == set(other.letters)


def normalised(words: Sequence[str]) -> str:
    """Text as it is compared: lower case, no articles, no accents lost."""
    folded = [unicodedata.normalize("NFKC", word).casefold().replace("’", "'") for word in words]
    return " ".join(word for word in folded if word not in _ARTICLES) or " ".join(folded)


def unsays(label: str) -> bool:
    """Whether a label in front of a value takes it back, or makes it the value of something else."""
    return not _UNSAYING.isdisjoint(label.split())


def number(words: Sequence[str]) -> int | None:
    """The number that words spell in English, `twenty-one thousand`; None for any other text."""
    parts = [part for word in words for part in word.lower().split("-") if part != "and"]
    if not parts:
        return None
    if parts[0] in {"negative", "minus"} and len(parts) > 1:
        value = number(parts[1:])
        return -value if value is not None else None
    return _spelled(parts)


def _spelled(parts: Sequence[str]) -> int | None:
    total, current, last_scale = 0, 0, 10**15
    previous = ""
    for part in parts:
        if part in _ONES and (not previous or previous in _TENS or previous in _SCALES or previous == "hundred"):
            if previous in _TENS and not 0 < _ONES[part] < 10:
                return None
            current += _ONES[part]
        elif part in _TENS and (not previous or previous in _SCALES or previous == "hundred"):
            current += _TENS[part]
        elif part == "hundred" and 0 < current < 10:
            current *= 100
        elif part in _SCALES and 0 < current < 1000 and _SCALES[part] < last_scale:
            last_scale = _SCALES[part]
            total, current = total + current * last_scale, 0
        else:
            return None
        previous = part
    return total + current


def in_symbols(text: str) -> str:
    """An answer that only says a number, `two thirds` or `minus 42`, in symbols; any other just as it is."""
    if len(text) > _LONGEST_IN_WORDS or "^" in text or "_" in text:
        return text
    plain = " ".join(_WRAPPERS.sub(" ", text).replace("{", " ").replace("}", " ").split())
    if (signed := _SIGN_IN_WORDS.fullmatch(plain)) is not None:
        found = signed.group(1) if signed.group(1)[0].isdecimal() else _said(signed.group(1))
        return text if found is None else f"-{found}"
    if (amount := _DOLLARS.fullmatch(plain)) is not None:
        return rf"\${amount.group(1)}"
    return _said(plain) or text


def _said(plain: str) -> str | None:
    if _ONLY_WORDS.fullmatch(plain) is None:
        return None
    folded = plain.casefold()
    if folded in _SAID:
        return _SAID[folded]
    *before, last = folded.replace("-", " ").split()
    counted = 1 if before in (["a"], ["an"]) else _whole(before)
    part = last if counted == 1 else last.removesuffix("s")
    if counted and (counted == 1 or last.endswith("s")) and (part in _PARTS_OF_ONE or last == "halves"):
        return rf"\frac{{{counted}}}{{{_PARTS_OF_ONE.get(part, 2)}}}"
    whole = _whole([*before, last])
    return None if whole is None else str(whole)


def _whole(spelled: list[str]) -> int | None:
    """`one hundred and five`, but not `twenty and one`, which are two numbers; negative ones are not for here."""
    before = [spelled[index - 1] if index else "" for index, word in enumerate(spelled) if word == "and"]
    if spelled[-1:] == ["and"] or any(word != "hundred" and word not in _SCALES for word in before):
        return None
    value = number(spelled)
    return value if value is not None and value >= 0 else None


def text_key(text: str) -> str:
    """What is left of any text when what is only typography is taken away; single letters keep their case."""
    plain = _WRAPPERS.sub(" ", text)
    # Around words braces are typography, but not where they hold an exponent or an argument.
    unseen = _TYPOGRAPHY if _MATHEMATICS.search(plain) else _TYPOGRAPHY | _BRACES
    parts = [part for part in _PART.findall(plain) if part not in unseen]
    if len(parts) > 1 and parts[-1] in "!?" and len(parts[-2]) > 1 and parts[-2].isalpha():
        parts.pop()
    kept: list[str] = []
    for index, part in enumerate(parts):
        between = 0 < index < len(parts) - 1 and parts[index - 1].isalpha() and parts[index + 1].isalpha()
        joins_words = part == "-" and between
        if not joins_words:
            kept.append(_part_key(part))
    return " ".join(kept)


def _part_key(part: str) -> str:
    if part[0] == ".":
        return "0" + part
    if part == r"\mid":
        return "|"
    return part if len(part) == 1 or part[0] == "\\" else part.casefold()


def choice(text: str) -> Choice | None:
    """The choice that an answer makes: `C`, `(C)`, `C. 12`, `\\textbf{(C)} 12`, `B, D`; None for what is none."""
    unsized = _WRAPPERS.sub(" ", _SIZES.sub("", text))
    plain = " ".join(unsized.replace("{", " ").replace("}", " ").replace("$", " ").split())
    if not plain or len(plain) > 400:
        return None
    if _CHOICE.fullmatch(plain) is not None:
        letter = next(filter(str.isalpha, plain)).upper()
        return Choice(letter, marked=len(plain) > 1)
    if (found := _CHOICE_WITH_NAME.fullmatch(plain)) is not None:
        return Choice(found.group(1).upper(), marked=True)
    if _LETTERS.fullmatch(plain):
        letters = "".join(filter(str.isupper, plain))
        return Choice(letters, joined=letters == plain) if len(set(letters)) == len(letters) else None
    found = _CHOICE_IN_PARENTHESES.fullmatch(plain) or _CHOICE_WITH_MARK.fullmatch(plain)
    if found is None or _HEDGE.search(found.group(3)):
        return None  # `(C) or (D)` chooses nothing, and `(C) + 1` is no choice at all
    letter, mark, value = found.groups()
    return Choice(letter, marked=True, value=value, parted=bool(mark) or value[0].isdecimal())
