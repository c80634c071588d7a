"""Finds fenced code blocks in Markdown. Pure, and linear in the length of the text.

A block opens with a line of three or more backticks (leading blanks or the mark of a list item allowed, the start of
the text is the start of a line) and a language name, bare or in braces, and closes with the first line that ends in at
least as many backticks, as models write them behind the last line of code as often as on a line of their own. A block
without a language name is skipped over, so that what stands inside it opens nothing. A block that never closes is no
block.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_OPENING = re.compile(
    r"^[ \t]*+(?:(?:[-*+]|\d{1,9}[.)])[ \t]++)?+(?P<ticks>`{3,}+)[ \t]*+(?P<info>[^\n`]*+)$", re.MULTILINE
)
_NAME = re.compile(r"(?:\{[ \t]*\.?)?([A-Za-z][\w+#.-]*)")


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """A fenced block with a language name, as written."""

    language: str
    code: str


def blocks(markdown: str) -> Iterator[CodeBlock]:
    """Yield the fenced blocks of `markdown` that name a language."""
    text = markdown.replace("\r\n", "\n")
    position = 0
    while (opening := _OPENING.search(text, position)) is not None:
        closing = re.compile(rf"(?<!`)`{{{len(opening['ticks'])},}}+[^\S\n]*+$", re.MULTILINE).search(
            text, opening.end()
        )
        if closing is None:
            return
        name = _NAME.match(opening["info"])
        if name is not None:
            yield CodeBlock(language=name[1], code=_dedented(text[opening.end() + 1 : closing.start()], opening))
        position = closing.end()


def _dedented(code: str, opening: re.Match[str]) -> str:
    """Return the code less the blanks that its opening fence is indented by, as in a list item."""
    indent = opening.start("ticks") - opening.start()
    return re.sub(rf"^[ \t]{{0,{indent}}}", "", code, flags=re.MULTILINE) if indent else code
