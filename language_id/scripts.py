"""Which script a piece of text is written in, and how much language there is in it.

Amounts are counted in *units*: one for a letter of an alphabet, more for a character that stands for a syllable or a
word, so that thirty units carry about as much language in one script as in another. Letters that stand alone are no
language but variables, except where a script writes without spaces.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache


class Script(StrEnum):
    """A script, or a group of scripts that one language mixes."""

    LATIN = "latin"
    CYRILLIC = "cyrillic"
    CJK = "cjk"  # Han and kana: Japanese mixes them, and Han alone may be either language
    HANGUL = "hangul"
    GREEK = "greek"
    HEBREW = "hebrew"
    ARABIC = "arabic"
    DEVANAGARI = "devanagari"
    OTHER = "other"  # every other script with letters: Thai, Tamil, Georgian…


_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff々〇"
_KANA = "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f"
_LETTERS = {
    Script.LATIN: "A-Za-zªºÀ-ÖØ-öø-\u024f\u1e00-\u1eff",
    Script.CYRILLIC: "\u0400-\u052f\u1c80-\u1c8f",
    Script.CJK: _HAN + _KANA,
    Script.HANGUL: "\uac00-\ud7af\u1100-\u11ff\u3131-\u318e",
    Script.GREEK: "\u0370-\u03ff\u1f00-\u1fff",
    Script.HEBREW: "\u0590-\u05ff",
    Script.ARABIC: "\u0620-\u065f\u066e-\u06d3\u06d5-\u06ef\u06fa-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufeff",
    Script.DEVANAGARI: "\u0900-\u0963\u0970-\u097f",
}
_COMBINING = "\u0300-\u036f"  # an accent typed after its letter belongs to the word
UNITS_PER_LETTER: Mapping[Script, int] = {Script.CJK: 3, Script.HANGUL: 2}  # where it is more than one
_VOWELS = "aeiouyàèéíóαηоуиюяєії"  # and the prepositions of Russian: what may be a word of one letter
_PREPOSITIONS = "вкс"
_JOINERS = "'’-"

_ALPHABETS = (Script.LATIN, Script.CYRILLIC, Script.GREEK)


def _words_of(script: Script, letters: str) -> re.Pattern[str]:
    if script in (Script.CJK, Script.OTHER):
        return re.compile(f"[{letters}]+")
    if script not in _ALPHABETS:
        return re.compile(f"[{letters}]{{2,}}")
    letter = f"[{letters}{_COMBINING}]"
    single = "".join(each for each in _VOWELS + _PREPOSITIONS if re.match(f"[{letters}]", each))
    return re.compile(
        f"{letter}{{2,}}(?:[{_JOINERS}]{letter}+)*|{letter}(?:[{_JOINERS}]{letter}+)+|[{single}{single.upper()}]"
    )


_WORDS = {script: _words_of(script, letters) for script, letters in _LETTERS.items()}
_WORDS[Script.OTHER] = re.compile(rf"[^\W\d_{''.join(_LETTERS.values())}{_COMBINING}]+")
_NON_LATIN = re.compile(f"[^\\W\\d_{_LETTERS[Script.LATIN]}{_COMBINING}]")
_VOWEL_SIGNS = "\u0900-\u0903\u093a-\u094f\u0962\u0963"  # of Devanagari: no letters for `re`, but inside every word
_NON_LATIN_RUN = re.compile(f"{_NON_LATIN.pattern}(?:{_NON_LATIN.pattern}|[{_VOWEL_SIGNS}])*")
_LATIN_RUN = re.compile(f"[{_LETTERS[Script.LATIN]}]{{2,}}")
_LETTER = {script: re.compile(f"[{letters}]") for script, letters in _LETTERS.items()}
_LONE_CHARACTERS_ARE_WORDS = frozenset({Script.CJK, Script.HANGUL, Script.OTHER})
_KANA_ONLY = re.compile(f"[{_KANA}]")

# `max_value`, `solve(`, `ValueError`, `x2`, `a.b`, `src/main`, `--flag`, `HTTP`: names of things, the same in every
# language. Spelled in ASCII only, so that a term inside Chinese or Russian is cut out without its neighbours.
_IDENTIFIER = re.compile(
    r"(?<![A-Za-z0-9_.:/\\+-])[A-Za-z0-9_.:/\\+-]*(?:[A-Za-z0-9]_|_[A-Za-z0-9]|[A-Za-z0-9][(\[]|[a-z][A-Z]|[0-9]|[A-Za-z0-9][.:/\\][A-Za-z0-9]"
    r"|--[a-z])[A-Za-z0-9_.:/\\+-]*|\b[A-Z]{2,6}\b"
)


@dataclass(frozen=True, slots=True)
class Writing:
    """The words of a text in the script that carries it, in lower case, and how many units they make."""

    script: Script
    words: str
    units: int


def writing(text: str) -> Writing:
    """The words of a text without identifiers, numbers and symbols, in the script that carries it."""
    bare = text if text.isupper() else _IDENTIFIER.sub(" ", text)
    return _in(bare, carrier(bare) or Script.LATIN)


def carrier(text: str, *, latin_terms_per_unit: float = 2.0) -> Script | None:
    """Tell which script carries a text; none where it has no words.

    Another script next to Latin carries it even where Latin letters outnumber it by up to `latin_terms_per_unit`:
    Latin is what technical terms and names are written in everywhere, while nobody writes English with every third
    word in Chinese characters.
    """
    if text.isascii():
        return Script.LATIN if _LATIN_RUN.search(text) else None
    amounts = _amounts(text)
    latin = amounts.pop(Script.LATIN)
    other = max(amounts, key=lambda script: amounts[script], default=Script.LATIN)
    if amounts and amounts[other] * latin_terms_per_unit >= latin:
        return other
    return Script.LATIN if latin else None


def only_script(text: str, *, negligible_share: float = 0.05) -> Script | None:
    """The script of practically all of a text, or None where it mixes."""
    if text.isascii():
        return Script.LATIN
    amounts = _amounts(text)
    main = max(amounts, key=lambda script: amounts[script])
    return main if amounts[main] >= (1 - negligible_share) * sum(amounts.values()) else None


def units(text: str) -> int:
    """How much language there is in a text, over all scripts."""
    return sum(_amounts(text).values())


def _amounts(text: str) -> dict[Script, int]:
    """Units by script; Latin is always among them."""
    amounts = {Script.LATIN: sum(map(len, _LATIN_RUN.findall(text)))}
    if text.isascii():
        return amounts
    for run in _NON_LATIN_RUN.findall(text):
        script = _script_of(run[0])
        if len(run) > 1 or script in _LONE_CHARACTERS_ARE_WORDS:
            amounts[script] = amounts.get(script, 0) + len(run) * UNITS_PER_LETTER.get(script, 1)
    return amounts


@lru_cache(maxsize=4096)
def _script_of(letter: str) -> Script:
    return next((script for script, pattern in _LETTER.items() if pattern.match(letter)), Script.OTHER)


def kana_share(words: str) -> float:
    """The part of a text in Han and kana that is kana: none in Chinese, about half in Japanese."""
    count = len(words) - words.count(" ")
    return len(_KANA_ONLY.findall(words)) / count if count else 0.0


def _in(text: str, script: Script) -> Writing:
    found = _WORDS[script].findall(text)
    shortest = 1 if script in _LONE_CHARACTERS_ARE_WORDS else 2
    letters = sum(len(word) for word in found if len(word) >= shortest)
    return Writing(script, " ".join(found).lower(), letters * UNITS_PER_LETTER.get(script, 1))


# Labels of the model by the scripts they are written in. What is not listed is written in Latin letters.
_LABELS = {
    Script.CYRILLIC: "ru uk be bg mk sr sh kk ky tg mn ba cv ce av os rue sah tt tyv mrj mhr kv krc lez myv xal az uz",
    Script.CJK: "zh yue wuu ja",
    Script.HANGUL: "ko",
    Script.GREEK: "el",
    Script.HEBREW: "he yi",
    Script.ARABIC: "ar arz fa ur ps sd ug ckb pnb azb glk mzn ku",
    Script.DEVANAGARI: "hi mr ne new mai bh sa gom dty",
    Script.OTHER: "th ta te ml kn gu pa or si bn bpy as my km lo ka xmf hy am bo dv",
}
_ALSO_LATIN = frozenset({"az", "kk", "ku", "sh", "sr", "tt", "ug", "uz"})
LABELS_BY_SCRIPT: Mapping[Script, frozenset[str]] = {
    script: frozenset(names.split()) for script, names in _LABELS.items()
}
_NOT_LATIN = frozenset[str]().union(*LABELS_BY_SCRIPT.values()) - _ALSO_LATIN


def is_written_in(label: str, script: Script) -> bool:
    """Whether a language can be written in a script. Romanised Chinese, Russian or Hindi is not expected."""
    return label not in _NOT_LATIN if script is Script.LATIN else label in LABELS_BY_SCRIPT[script]
