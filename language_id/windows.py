"""Cut a text into stretches that can each be given a language.

Windows of a part are of about equal size and spread over all of it. Segments of a problem are of whatever size its
lines and sentences have, and never hold text of two of them that are long enough to tell a language.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from language_id import scripts

_SENTENCE = re.compile(r"[^.!?。！？；\n]*(?:[.!?]+(?!\s)[^.!?。！？；\n]*)*[.!?。！？；\n]*\s*")


def chunks(text: str, window_units: int) -> Iterator[str]:
    """Sentences joined to chunks of about `window_units`, less in a short text, each carried by one script.

    Characters are counted for the units they would make as letters, so that evenly spaced chunks stand for equal
    amounts of language, also where a text mixes scripts.
    """
    only = scripts.only_script(text)
    weight = scripts.UNITS_PER_LETTER.get(only, 1) if only else 1
    size = max(min(window_units, len(text) * weight // 6), window_units * 3 // 4)
    chunk, amount, script = "", 0, only
    for sentence in _sentences(text, size // weight):
        carrier = only or scripts.carrier(sentence) or script
        length = len(sentence) * (scripts.UNITS_PER_LETTER.get(carrier, 1) if carrier else 1)
        if chunk and (amount + length > size * 1.3 or carrier is not script):
            yield chunk
            chunk, amount = "", 0
        chunk, amount, script = chunk + sentence, amount + length, carrier
    if chunk:
        yield chunk


def _sentences(text: str, longest_chars: int) -> Iterator[str]:
    for match in _SENTENCE.finditer(text):
        sentence = match.group()
        for start in range(0, len(sentence), longest_chars):
            yield sentence[start : start + longest_chars]


# What ends a sentence of a problem, a colon included: "Solve the following problem: Calculer…" are two segments.
_CLAUSE_END = re.compile(r"(?<=[.!?:;])(?=\s)|(?<=[。！？：；])|(?<=\n)")


def segments(text: str, min_units: int) -> Iterator[str]:
    """Sentences and lines. Neighbours on a line that are each too short to tell a language are taken together."""
    short = ""
    for clause in _CLAUSE_END.split(text):
        long = scripts.units(clause) >= min_units
        if short and long:
            yield short
            short = ""
        if long:
            yield clause
            continue
        short += clause
        if clause.endswith("\n"):
            yield short
            short = ""
    if short:
        yield short


def spread(chunks: list[str], most: int) -> list[str]:
    """At most `most` of the chunks, evenly spaced, the first and the last among them."""
    if len(chunks) <= most:
        return chunks
    step = (len(chunks) - 1) / (most - 1)
    return [chunks[round(index * step)] for index in range(most)]


def pieces(text: str, most_chars: int) -> list[str]:
    """The text, or evenly spaced pieces of one that is too long, which start with a line where there is one."""
    if len(text) <= most_chars:
        return [text]
    count = 16
    size = most_chars // count
    stride = (len(text) - size) / (count - 1)
    pieces = []
    fences = counted = 0
    for index in range(count):
        start = round(index * stride)
        line = text.find("\n", start, start + size // 2)
        begin = start if index == 0 or line < 0 else line
        fences, counted = fences + text.count("```", counted, begin), begin
        # A piece that starts inside a block of code is given the fence that opened it.
        pieces.append(("```\n" if fences % 2 else "") + text[begin : start + size])
    return pieces
