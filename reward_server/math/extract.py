r"""Find the final answer of a text: the content of its last complete `\boxed{…}`.

Guaranteed: braces are counted as TeX counts them (`\{` and `\}` do not count, `\\{` is a line break and a brace), a box
that is never closed is no box, a box inside a box belongs to the outer one, and the time is linear in the text whatever
it holds. Not promised: that the content means anything.
"""

from __future__ import annotations

import re

_PLAIN_BOX = re.compile(r"\\boxed\s*\{([^{}\\]*)\}")
_NOTHING = re.compile(r"\\(?:(?:text|math|mbox|hbox|quad|qquad|displaystyle)[a-z]*|[,;:!>\\ ])|[\s{}$~]")
_SYMBOL = re.compile(r"\\boxed\s*\{|\\.|\{|\}", re.DOTALL)


def last_boxed(text: str) -> str | None:
    r"""The content of the box that closes last, or None where no box is complete."""
    plain = _PLAIN_BOX.match(text, max(text.rfind("\\boxed"), 0))
    # Most texts end in a box without braces or commands inside, and no other box could hold it.
    if plain is not None and text.find("\\boxed") == plain.start() and text[plain.start() - 1 : plain.start()] != "\\":
        return plain.group(1)
    boxes = _outermost_boxes(text)
    if not boxes:
        return None
    start, end = boxes[-1]
    return text[start:end]


def all_boxed(text: str) -> list[str]:
    """The contents of all complete boxes in reading order; a box inside a complete box is not listed by itself."""
    return [text[start:end] for start, end in _outermost_boxes(text)]


def is_blank(content: str) -> bool:
    """Whether a box holds nothing that could be an answer: blanks, spacing commands, empty braces and dollars."""
    return not _NOTHING.sub("", content)


def _outermost_boxes(text: str) -> list[tuple[int, int]]:
    first = text.find("\\boxed")
    if first < 0:
        return []
    # An even number of backslashes before it would make `\\boxed` a line break and a word.
    while first > 0 and text[first - 1] == "\\":
        first -= 1
    boxes: list[tuple[int, int]] = []
    open_braces: list[int | None] = []  # where a box's content starts, None for any other brace
    for match in _SYMBOL.finditer(text, first):
        symbol = match.group()
        if symbol == "{":
            open_braces.append(None)
        elif symbol == "}":
            start = open_braces.pop() if open_braces else None
            if start is not None:
                while boxes and boxes[-1][0] > start:
                    boxes.pop()
                boxes.append((start, match.start()))
        elif symbol[-1] == "{" and len(symbol) > 2:
            open_braces.append(match.end())
    return boxes
