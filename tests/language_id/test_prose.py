"""What is language in a text with LaTeX, code and markup, and what is not."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from language_id.prose import prose, strip


def words(text: str) -> str:
    return " ".join(prose(text).split())


@pytest.mark.parametrize(
    ("text", "left"),
    [
        pytest.param("Let $x^2$ be", "Let be", id="inline"),
        pytest.param("Let $$x^2$$ be", "Let be", id="display"),
        pytest.param(r"Let \(x^2\) be", "Let be", id="parentheses"),
        pytest.param("Let \\[\nx^2\n\\] be", "Let be", id="brackets over lines"),
        pytest.param(r"so \begin{align*} x &= 1 \\ y &= 2 \end{align*} holds", "so holds", id="environment"),
        pytest.param("so $x$, $y$ and $z$ hold", "so , and hold", id="three of them"),
        pytest.param("Let $ x + y = 2 $ be", "Let be", id="set off by spaces"),
        pytest.param(r"in $\text{cm}^2$ we", "in we", id="a unit inside"),
        pytest.param(r"is $\$5$ now", "is now", id="an escaped dollar inside"),
        pytest.param("see [asy] draw((0,0)--(1,1)); [/asy] here", "see here", id="a drawing"),
        pytest.param(r"thus \boxed{42}.", "thus .", id="boxed"),
        pytest.param(r"thus \boxed{\frac{1}{2}} is", "thus is", id="boxed, nested"),
        pytest.param(r"thus \frac{1}{\sqrt{2}} is \alpha", "thus is", id="macros outside mathematics"),
    ],
)
def test_latex_is_removed(text: str, left: str) -> None:
    """What remains is what a reader would read aloud."""
    assert words(text) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        pytest.param("a\n```python\nprint(1)\n```\nb", "a b", id="fence"),
        pytest.param("a ```python\nprint(1)\n``` b", "a b", id="fence in a line"),
        pytest.param("a\n````md\n```\nx = 1\n```\n````\nb", "a b", id="longer fence"),
        pytest.param("a\n~~~\nx = 1;\n~~~\nb", "a b", id="tildes"),
        pytest.param("call `solve(n)` now", "call now", id="inline"),
        pytest.param("call ``a ` b`` now", "call now", id="two backticks"),
        pytest.param("<pre><code>x = 1;</code></pre> then", "then", id="html"),
        pytest.param(r"\begin{verbatim} int x; \end{verbatim} then", "then", id="verbatim"),
        pytest.param(
            "Voilà :\n```python\n# read the whole input first\n# walk through it\nfor x in a:\n    s += x\n```",
            "Voilà :",
            id="comments in another language",
        ),
    ],
)
def test_code_is_removed(text: str, left: str) -> None:
    """Comments and names in code are English everywhere and say nothing about the language of the text."""
    assert words(text) == left


@pytest.mark.parametrize(
    ("code", "left"),
    [
        pytest.param("n = int(input())\nprint(n * 2)", "", id="Python"),
        pytest.param("int main() {\n  int x; // a number\n\n  cin >> x;\n}", "", id="C++ with a comment"),
        pytest.param("print(n * 2)", "print(n * 2)", id="one line"),
        pytest.param("a + b = 5.\nDann (a + b)(a - b) = 15.", "a + b = 5. Dann (a + b)(a - b) = 15.", id="maths"),
        pytest.param("* a = 1\n* b = 2", "* a = 1 * b = 2", id="a list"),
        pytest.param("# Schritt 1\n# Schritt 2", "# Schritt 1 # Schritt 2", id="headings"),
    ],
)  # fmt: skip
def test_code_without_a_fence_is_removed(code: str, left: str) -> None:
    """Two statements or more in a row; what has signs in it only may be mathematics."""
    assert words(f"Zuerst lesen wir die Zahl.\n{code}\nDas ist alles.") == " ".join(
        f"Zuerst lesen wir die Zahl. {left} Das ist alles.".split()
    )


def test_sentences_with_a_semicolon_are_no_code() -> None:
    """Hiding thoughts behind the marks of code must not pay."""
    text = "We add the first two numbers (both odd);\nthen we compare the sum with the third one (even);\n" * 3
    assert "then we compare the sum with the third one" in words(text)


@pytest.mark.parametrize(
    "text",
    ["<|im_start|>user\nHallo Welt<|im_end|>", "[INST] Hallo Welt [/INST]", "<|eot_id|>\nHallo Welt<|im_start|>user"],
)  # fmt: skip
def test_the_template_of_a_conversation_is_no_text(text: str) -> None:
    """Whether a prompt comes as messages or written out."""
    assert words(text) == "Hallo Welt"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("It costs $5 and $6 or $7.", id="prices"),
        pytest.param("From $5-$6 to $10,000", id="a range of prices"),
        pytest.param("if a < b and c > d", id="comparisons"),
        pytest.param("use std::vector<int> here", id="a template, no tag"),
        pytest.param("[see] the list (a) of 100% #1 & co", id="brackets"),
    ],
)
def test_text_stays_text(text: str) -> None:
    """A sign that could open something is left alone when it does not."""
    assert words(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        pytest.param(r"\textbf{Final} \emph{answer}: \section{Proof} done", "Final answer : Proof done", id="macros"),
        pytest.param(r"\begin{proof} Clear. \end{proof}", "Clear.", id="an environment of text"),
        pytest.param("<b>bold</b> and <!-- hidden words --> more", "bold and <!-- hidden words --> more", id="html"),
        pytest.param("see https://example.org/a_b?c=d for more", "see for more", id="address"),
    ],
)
def test_markup_of_text_loses_only_itself(text: str, left: str) -> None:
    """Emphasis, headings and comments hold language."""
    assert words(text) == left


@pytest.mark.parametrize(
    "opener", ["$", "$$", r"\(", r"\[", "`", "``", "```", "~~~", r"\begin{align}", r"\boxed{", "[asy]", "<code>"]
)
def test_an_opener_without_its_partner_swallows_nothing(opener: str) -> None:
    """The rest of the document is still there."""
    rest = "Das ist der erste Absatz.\n\nUnd hier folgt noch ein zweiter Absatz mit mehr Text."
    assert words(f"Zuerst {opener} \n{rest}").endswith("Und hier folgt noch ein zweiter Absatz mit mehr Text.")


def test_a_stray_delimiter_does_not_turn_text_into_formulas() -> None:
    """One dollar sign too many shifts every later pair; what then lies inside a pair reads as prose and stays."""
    text = "Une erreur $ ici. Soit $x$ un entier. Nous montrons que la somme de tous ces nombres est paire, puis $y$."
    assert "la somme de tous ces nombres est paire" in words(text)


HIDDEN = "We add the first two numbers and then compare the sum with the third one until nothing is left."
VERSTECKT = "我们先把前两个数相加，然后再和第三个数比较，一直做到没有剩下的数为止，这样就得到了答案。"


@pytest.mark.parametrize("language", [HIDDEN, VERSTECKT], ids=["English", "Chinese"])
@pytest.mark.parametrize(
    "wrapping",
    ["$%s$", "$$%s$$", r"\[\text{%s}\]", r"$\text{%s}$", r"\boxed{%s}", "`%s`", "```\n%s\n```", "```python\n# %s\n```",
     "<!-- %s -->", "<code>%s</code>", r"\begin{equation}%s\end{equation}", r"\begin{verbatim}%s\end{verbatim}",
     r"\foo{%s}"],
)  # fmt: skip
def test_running_prose_is_prose_whatever_it_is_wrapped_in(language: str, wrapping: str) -> None:
    """Else thoughts in any language could be hidden from the rule by two dollar signs."""
    assert language in prose(wrapping % language)


def test_snippets_inside_markup_are_set_aside() -> None:
    """Too short to be prose, but countable."""
    found = strip(r"so $P = \frac{\text{good cases}}{\text{all cases}}$ and `left pointer` moves")
    assert " ".join(found.prose.split()) == "so and moves"
    assert found.wrapped.split("\n") == ["good cases", "all cases", "left pointer"]


PIECES = [*"$`\\()[]{}<>ab \n~é中", r"\begin{align}", r"\end{align}", "```", r"\text{", "[asy]", "<code>", "https://"]


@given(st.lists(st.sampled_from(PIECES), max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_arrangement_of_delimiters_is_read_to_its_end(pieces: list[str]) -> None:
    """No arrangement raises, and a line of plain text after a blank line survives all of them."""
    tail = "the very last line of this text stays as it is, in every case that one can think of"
    assert tail in prose("".join(pieces) + "\n\n" + tail)


HOSTILE = {
    "dollars": "$", "spaced dollars": "$ a", "brackets": r"\[", "parentheses": r"\(", "backticks": "` ",
    "growing": "`a``b", "fences": "```\n", "environments": r"\begin{align}", "macros": r"\boxed{", "braces": "{",
    "tags": "<a", "code tags": "<code>", "escapes": r"\$", "lines": "$\n ", "asy": "[asy]", "groups": r"\x{}[]{a",
    "text": r"$\text{a}$", "statements": "a = 1;\n", "signs": "=;(", "turns": "<|a",
}  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_takes_steps_in_proportion_to_its_length(unit: str) -> None:
    """Twice the text, twice the calls. A quadratic scan inside one call would keep the long text below from ending."""
    assert calls(unit * 2_000) <= 2.1 * calls(unit * 1_000)
    prose(unit * 40_000)


def calls(text: str) -> int:
    """How many functions are called while a text is read."""
    count = 0

    def counted(*_: object) -> None:
        nonlocal count
        count += 1

    sys.setprofile(counted)
    try:
        prose(text)
    finally:
        sys.setprofile(None)
    return count
