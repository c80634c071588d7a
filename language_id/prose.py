r"""Take LaTeX, code and markup out of a text, and leave the language.

Removed: `$…$`, `$$…$$`, `\(…\)`, `\[…\]`, mathematical and verbatim environments, `\boxed{…}` and every other macro
with its arguments (macros that set text, such as `\textbf`, lose only their name), fenced and inline code, `[asy]`
drawings, HTML tags, addresses. Prices stay text. A delimiter without a partner is dropped and swallows nothing.

What reads as running prose stays, wherever it is put: a paragraph inside `$…$`, `\text{…}` or a code block is still
language, and hiding it there must not pay. Snippets that are too short to read as prose are set aside in `wrapped`, for
a caller who finds more of them than of anything else.

Code that nobody fenced is removed where two lines of it or more follow each other. One statement alone is text.

The time is linear in the length of the text, whatever is in it. This is no Markdown or TeX implementation: macros are
not expanded, and code is known by its lines.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from language_id import scripts

# Macros whose argument is text of the document, set in another way.
_TEXT_MACRO_NAMES = """
    textbf textit textsl textsc textsf textrm textmd textup textnormal text emph underline uline mbox fbox title
    author part chapter section subsection subsubsection paragraph subparagraph caption footnote item quote
    enquote centerline href textcolor large Large small
"""
_REMOVED_ENVIRONMENT_NAMES = """
    math displaymath equation align alignat flalign gather multline eqnarray array matrix pmatrix bmatrix
    Bmatrix vmatrix Vmatrix smallmatrix cases dcases rcases split aligned alignedat gathered subequations
    tikzpicture tikzcd asy picture verbatim Verbatim lstlisting minted alltt algorithm algorithmic
"""
_TAG_NAMES = """
    a abbr article aside b big blockquote body br button caption center cite code dd del details div dl dt em
    figure font footer form h1 h2 h3 h4 h5 h6 head header hr html i iframe img input ins kbd label li link main
    mark math meta nav ol option p pre q s samp script section select small span strike strong style sub summary
    sup svg table tbody td tfoot th thead title tr tt u ul var video answer think thinking reasoning solution
"""
_TEXT_MACROS = frozenset(_TEXT_MACRO_NAMES.split())
_REMOVED_ENVIRONMENTS = frozenset(_REMOVED_ENVIRONMENT_NAMES.split())
_TAGS = frozenset(_TAG_NAMES.split())
_CLOSER = {"\\(": "\\)", "\\[": "\\]"}

# A formula, a snippet, a block of code: longer than this, the delimiters were not partners.
_LONGEST_INLINE_CHARS = 1_000
_LONGEST_DISPLAY_CHARS = 8_000
_PROSE_UNITS = 40  # what has less language than this is too short to read as prose
_SHORTEST_SNIPPET_CHARS = 4
_PROSE_SHARE = 0.8  # of a block's letters that must stand in lines which read as prose

_MARKUP = re.compile(
    r"\\(?:begin|end)\s*\{[A-Za-z]+\*?\}|\\[A-Za-z]+\*?|\\[\s\S]|\$\$?|`+|~~~+|</?[A-Za-z][^<>\n]{0,200}>|\[asy\]"
)
_ADDRESS = re.compile(r"https?://[!-~]+")
# The template of a conversation, written out: `<|im_start|>user`, `[/INST]`.
_TURN = re.compile(r"<\|[a-z_]{1,40}\|>(?:system|user|assistant)?|\[/?INST\]")
_ENVIRONMENT = re.compile(r"\\begin\s*\{([A-Za-z]+)\*?\}")
_END = re.compile(r"\\end\s*\{([A-Za-z]+)\*?\}")
_TAG_NAME = re.compile(r"</?([A-Za-z][A-Za-z0-9]*)")
_FENCE_INFO = re.compile(r"[^\n`]*")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_FLAT_GROUP = re.compile(r"\s?\{([^{}]*)\}|\s?\[[^\[\]{}\n]{0,200}\]")
_BRACE = re.compile(r"\\[\s\S]|[{}]")
_TEXT_IN_MATH = re.compile(r"\\(?:text[a-z]*|mbox)\s*\{([^{}]*)\}|([^\W\d_a-zA-Z\u00aa-\u02ff\u0370-\u03ff]{2,})")
_MATH_SIGN = re.compile(r"[\\^_=+*/<>|{}]")
_WORD = re.compile(r"[^\W\d_]{3,}|[\u2e80-\u9fff\uac00-\ud7af]{2,}")
_MACRO_NAME = re.compile(r"\\[A-Za-z]+\*?")
_CODE_LINE = re.compile(
    r"""^\s*(?:\#|//|/\*|\*\s|--\s|%|@\w|import\s\w|from\s\w+\simport|def\s\w|class\s\w|return\b|print\b|using\s\w|"{3}|'{3}"""
    r"""|(?:for|while|if|elif|else|try|except|with)\b.*[:{]\s*$)|[{};]\s*$"""
)
# What no prose begins or ends with. A line that only has signs in it may be plain-text mathematics.
_STATEMENT = re.compile(
    r"""^[ \t]*(?:
        (?:import|from|def|class|return|using|template|struct|public:|private:|\#include|\#define|@\w+|else:|try:|try|do)\b[^.?!。\n]*$
      | (?:for|while|if|elif|else|except|with|switch|catch)\b[^\n]*[:{;)][ \t]*$
      | [\w.\[\], ]{1,60}[ ](?:[-+*/%|&^]|//|<<|>>)?=[ ][^=\n]*[^=.,\s][ \t]*$
      | [\w.:>-]{2,60}\([^\n]*\)[ \t]*$
      | [^\n]*[=()<>\[\]+*][^\n]*[;{][ \t]*(?:(?://|\#)[^\n]*)?$
      | (?:const|unsigned|long|int|double|float|char|bool|string|auto|void|vector|let|var)\b[^\n]*[;{][ \t]*(?://[^\n]*)?$
      | [}][^\n]{0,20}$
    )""",
    re.MULTILINE | re.VERBOSE,
)
_END_OF_STATEMENT = re.compile(r"[;{}:\s]+$")
_LIST_ITEM = re.compile(r"\s*(?:[*%]|#+)\s(?!include|define)")
_STATEMENT_WORDS = ("import ", "from ", "return", "using ", "#include", "#define", "@", "}")
_LONGEST_STATEMENT_CHARS = 200
_FEWEST_LINES = 2
_COMMENT = re.compile(r"\s*(?:#|//|/\*|\*|--\s|%)[#/*%-]*")
_CODE_SIGN = re.compile(r"[=<>+*|&^{}()\[\]_\\]|::|->|\w\.\w")
_CODE_SIGN_SHARE = 0.06  # of the characters of a line; a bold word or a file name in a sentence stays below


@dataclass(frozen=True, slots=True)
class Stripped:
    """A text without its markup, and the snippets of language that stood inside the markup."""

    prose: str
    wrapped: str


def prose(text: str) -> str:
    """The text without LaTeX, code and markup."""
    return strip(text).prose


def strip(text: str) -> Stripped:
    """Separate a text from its markup."""
    if "://" in text:
        text = _ADDRESS.sub(" ", text)
    if "<|" in text or "INST]" in text:
        text = _TURN.sub("\n", text)
    scanner = _Scanner(text)
    kept = _without_unfenced_code("".join(scanner.run())).replace("{", " ").replace("}", " ")
    return Stripped(kept, "\n".join(scanner.wrapped))


def reads_as_prose(block: str) -> bool:
    """Whether a block is running prose, in whatever it is wrapped: enough words, in lines that are not code."""
    if scripts.units(block) < _PROSE_UNITS:
        return False
    lines = [line for line in block.splitlines() if line.strip()]
    if all(map(_COMMENT.match, lines)):  # nothing is commented: it is text with a sign before each line
        lines = [_COMMENT.sub("", line) for line in lines]
    total = prose_like = 0
    for line in lines:
        amount = scripts.units(line)
        total += amount
        if amount * 2 > len(line.strip()) and not _is_code(line):
            prose_like += amount
    return prose_like >= _PROSE_SHARE * total


def _without_unfenced_code(text: str) -> str:
    """Leave out runs of lines that look like code, if two of them or more are statements."""
    if sum(map(_is_statement, text.splitlines())) < _FEWEST_LINES:
        return text
    kept: list[str] = []
    run: list[str] = []
    for line in text.splitlines(keepends=True):
        if not line.strip() or (not _LIST_ITEM.match(line) and (_is_code(line) or _is_statement(line))):
            run.append(line)
            continue
        kept += _unless_code(run)
        kept.append(line)
        run = []
    return "".join(kept + _unless_code(run))


def _unless_code(run: list[str]) -> list[str]:
    """Nothing of a run of code, all of one that is prose after all: thoughts with a semicolon after each line."""
    if len(run) < _FEWEST_LINES or sum(map(_is_statement, run)) < _FEWEST_LINES:
        return run
    bare = [_END_OF_STATEMENT.sub("", _COMMENT.sub("", line)) for line in run]
    amounts = [scripts.units(line) for line in bare]
    told = sum(amount for line, amount in zip(bare, amounts, strict=True) if _tells(line, amount))
    return run if told >= _PROSE_UNITS and 2 * told >= sum(amounts) else ["\n"]


def _is_statement(line: str) -> bool:
    bare = line.strip()
    if not bare or len(bare) > _LONGEST_STATEMENT_CHARS:
        return False
    hinted = bare[-1] in ";{}:)]" or "=" in bare or "//" in bare or bare.startswith(_STATEMENT_WORDS)
    return hinted and _STATEMENT.match(bare) is not None


def _tells(line: str, amount: int) -> bool:
    """Whether a line holds words rather than code; looser than prose, since its marks of code are cut off."""
    return amount * 2 > len(line.strip()) and len(_CODE_SIGN.findall(line)) <= _CODE_SIGN_SHARE * len(line)


def _is_code(line: str) -> bool:
    if _CODE_LINE.search(line):
        return True
    return len(_CODE_SIGN.findall(line)) > _CODE_SIGN_SHARE * len(line)


class _Scanner:
    """One pass over a text. Every step moves `position` forward, and every look-ahead is remembered."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.wrapped: list[str] = []
        self._found: dict[str, int] = {}
        self._blank_line = -1
        self._backticks: dict[int, list[int]] | None = None
        self._ends: dict[str, list[tuple[int, int]]] | None = None
        self._braces: dict[int, int] | None = None

    def run(self) -> Iterator[str]:
        """Yield what stays, in order."""
        text = self.text
        while (match := _MARKUP.search(text, self.position)) is not None:
            start, self_end = match.span()
            if start > self.position:
                yield text[self.position : start]
            self.position = self_end
            yield self._markup(match.group(), start)
        yield text[self.position :]

    def _markup(self, mark: str, start: int) -> str:
        """Step over one piece of markup and return what stays of it."""
        first = mark[0]
        if first == "\\":
            return self._backslash(mark)
        if first == "$":
            return self._dollars(mark)
        if first in "`~":
            return self._code(mark, start)
        if first == "<":
            return self._tag(mark)
        return self._until("[/asy]", _LONGEST_DISPLAY_CHARS)

    def _backslash(self, mark: str) -> str:
        if closer := _CLOSER.get(mark):
            return self._bracketed(mark, closer)
        if mark.endswith("}"):
            return self._environment(mark)
        if not mark[1].isalpha():
            return mark[1] if mark[1] in "$%&#" else " "
        return " " if mark[1:].rstrip("*") in _TEXT_MACROS else self._arguments()

    def _bracketed(self, opener: str, closer: str) -> str:
        end = self._find(closer)
        limit = _LONGEST_DISPLAY_CHARS if opener == "\\[" else _LONGEST_INLINE_CHARS
        if end < 0 or end - self.position > limit or 0 <= self._find(opener) < end:
            return " "  # its partner is missing, or belongs to a later opener
        return self._removed(end, len(closer))

    def _dollars(self, mark: str) -> str:
        start, end = self.position, self._find(mark)
        if end < 0:
            return mark
        if mark == "$$":
            return self._removed(end, 2) if end - start <= _LONGEST_DISPLAY_CHARS else " "
        while end >= 0 and self.text[end - 1] == "\\":
            end = self.text.find("$", end + 1, start + _LONGEST_INLINE_CHARS)
        if end < 0 or end - start > _LONGEST_INLINE_CHARS or 0 <= self._next_blank_line() < end:
            return mark
        return self._removed(end, 1) if self._is_formula(start, end) else mark

    def _is_formula(self, start: int, end: int) -> bool:
        """Tell `$x$` from the text between two prices.

        As in Pandoc, a formula touches both of its dollar signs and no digit follows it; one that is set off by spaces
        must look like mathematics.
        """
        body = self.text[start:end]
        if not body.strip() or self.text[end + 1 : end + 2].isdigit():
            return False
        if not (body[0].isspace() or body[-1].isspace()):
            return True
        return bool(_MATH_SIGN.search(body)) and len(_WORD.findall(_MACRO_NAME.sub(" ", body))) < 4

    def _code(self, mark: str, start: int) -> str:
        if len(mark) >= 3:
            return self._fence(mark, start)
        end = self._next_backticks(len(mark))
        if end < 0 or end - self.position > _LONGEST_INLINE_CHARS or 0 <= self._next_blank_line() < end:
            return " "
        return self._removed(end, len(mark))

    def _fence(self, mark: str, start: int) -> str:
        if mark[0] == "~" and self.text[:start].rstrip(" ")[-1:] not in ("", "\n"):
            return " "
        info = _FENCE_INFO.match(self.text, self.position)
        self.position = info.end() if info else self.position
        end = self._find("\n" + mark)
        if end < 0:
            end, width = self._find(mark), len(mark)
        else:
            end, width = end + 1, len(mark)
        if end < 0:
            return "\n"  # cut off, or never meant as a fence: what follows is judged as text
        return self._removed(end, width)

    def _environment(self, mark: str) -> str:
        match = _ENVIRONMENT.match(mark)
        name = match.group(1) if match else ""
        if name not in _REMOVED_ENVIRONMENTS:
            return " "
        ends = self._environment_ends().get(name, [])
        index = bisect_left(ends, (self.position, 0))
        if index == len(ends) or ends[index][0] - self.position > _LONGEST_DISPLAY_CHARS:
            return " "
        end, after = ends[index]
        return self._removed(end, after - end)

    def _arguments(self) -> str:
        """Step over the arguments of a macro, keeping those that are prose."""
        kept = " "
        while (char := self.text[self.position : self.position + 1]) and char in "{[ ":
            if flat := _FLAT_GROUP.match(self.text, self.position):
                kept += self._judged(flat.group(1) or "")
                self.position = flat.end()
                continue
            end = self._matching_brace(self.position) if char == "{" else -1
            if end < 0 or end - self.position > _LONGEST_DISPLAY_CHARS:
                break
            kept += self._judged(self.text[self.position + 1 : end])
            self.position = end + 1
        return kept

    def _tag(self, mark: str) -> str:
        name = _TAG_NAME.match(mark)
        if name is None or name.group(1).lower() not in _TAGS:
            self.position -= len(mark) - 1
            return "<"
        if mark[1] != "/" and name.group(1).lower() in ("code", "pre", "script", "style"):
            return self._until(f"</{name.group(1)}>", _LONGEST_DISPLAY_CHARS)
        return " "

    def _until(self, closer: str, limit: int) -> str:
        end = self._find(closer)
        return self._removed(end, len(closer)) if 0 <= end <= self.position + limit else " "

    def _removed(self, end: int, width: int) -> str:
        """Step over a body that ends at `end` and its closing delimiter; return the body if it is prose after all."""
        body = self.text[self.position : end]
        self.position = end + width
        return " " + self._judged(body)

    def _judged(self, body: str) -> str:
        """What stays of something removed: all of it or the text set in it, if that is prose, else nothing."""
        plain = body.isascii()
        if plain and len(body) < _SHORTEST_SNIPPET_CHARS:
            return ""
        snippets = body
        if "\\" in body or not plain:
            if plain and "text" not in body and "mbox" not in body and len(body) < _PROSE_UNITS:
                return ""
            snippets = "\n".join(filter(None, (a or b for a, b in _TEXT_IN_MATH.findall(body))))
        if len(body) * 3 >= _PROSE_UNITS:
            for candidate in (body, snippets):
                if len(candidate) >= (_PROSE_UNITS if plain else _PROSE_UNITS // 3) and reads_as_prose(candidate):
                    return candidate + " "
        if _WORD.search(snippets) and not any(map(_is_code, snippets.splitlines())):
            self.wrapped.append(snippets)
        return ""

    def _find(self, needle: str) -> int:
        """The next `needle`, or -1. The position only grows, so that an answer holds until it is passed."""
        known = self._found.get(needle)
        if known is None or 0 <= known < self.position:
            known = self._found[needle] = self.text.find(needle, self.position)
        return known

    def _next_blank_line(self) -> int:
        if 0 <= self._blank_line >= self.position or self._blank_line == -2:
            return self._blank_line
        match = _BLANK_LINE.search(self.text, self.position)
        self._blank_line = match.start() if match else -2
        return self._blank_line

    def _next_backticks(self, count: int) -> int:
        """The next run of exactly `count` backticks."""
        if self._backticks is None:
            self._backticks = {}
            for match in re.finditer("`+", self.text):
                self._backticks.setdefault(len(match.group()), []).append(match.start())
        runs = self._backticks.get(count, [])
        index = bisect_left(runs, self.position)
        return runs[index] if index < len(runs) else -1

    def _environment_ends(self) -> dict[str, list[tuple[int, int]]]:
        if self._ends is None:
            self._ends = {}
            for match in _END.finditer(self.text):
                self._ends.setdefault(match.group(1), []).append(match.span())
        return self._ends

    def _matching_brace(self, opener: int) -> int:
        """Where the group that opens here ends, or -1. All groups are matched once, when first asked for."""
        if self._braces is None:
            self._braces, open_groups = {}, []
            for match in _BRACE.finditer(self.text):
                if match.group() == "{":
                    open_groups.append(match.start())
                elif match.group() == "}" and open_groups:
                    self._braces[open_groups.pop()] = match.start()
        return self._braces.get(opener, -1)
