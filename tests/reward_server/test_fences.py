"""The first fenced block that names a language is the program (2.2.2)."""

import pytest

from reward_server.fences import CodeBlock, blocks


def first_block(markdown):
    """The program."""
    return next(blocks(markdown), None)


@pytest.mark.parametrize(
    ("markdown", "block"),
    [
        pytest.param("```python\na\n```", ("python", "a\n"), id="plain"),
        pytest.param("Text\n```cpp\na\n```\nmore", ("cpp", "a\n"), id="in prose"),
        pytest.param("```c++\na\n```", ("c++", "a\n"), id="a name with signs"),
        pytest.param("``` python title=x\na\n```", ("python", "a\n"), id="the first word names it"),
        pytest.param("```python\na\n```\n```cpp\nb\n```", ("python", "a\n"), id="the first of two"),
        pytest.param("```\nplain\n```\n```python\na\n```", ("python", "a\n"), id="an unnamed block before"),
        pytest.param("```\n```python\na\n```", None, id="a fence inside an unnamed block opens nothing"),
        pytest.param("````python\n```\na\n````", ("python", "```\na\n"), id="a longer fence"),
        pytest.param("- item\n  ```python\n  if a:\n      b\n  ```", ("python", "if a:\n    b\n"), id="in a list item"),
        pytest.param("```python\r\na\r\n```\r\n", ("python", "a\n"), id="CRLF"),
        pytest.param("```python\na```", ("python", "a"), id="closed behind the last line of code"),
        pytest.param("```python\na```\ntext\n```cpp\nb\n```", ("python", "a"), id="closed so, with another behind"),
        pytest.param("```python\ns = '```'\n```", ("python", "s = '```'\n"), id="backticks within a line of code"),
        pytest.param("````python\na```\nb\n````", ("python", "a```\nb\n"), id="fewer backticks do not close"),
        pytest.param("```python\n\n\n```", ("python", "\n\n"), id="blank lines are kept"),
        pytest.param("```python\n```", ("python", ""), id="empty"),
        pytest.param("1. ```python\n   a\n   ```", ("python", "a\n"), id="behind the number of a list item"),
        pytest.param("- ```python\n  a\n  ```", ("python", "a\n"), id="behind its dash"),
        pytest.param("```{python}\na\n```", ("python", "a\n"), id="a name in braces"),
        pytest.param("```{.python .numberLines}\na\n```", ("python", "a\n"), id="as Pandoc writes it"),
        pytest.param("```python\na\n```\u00a0", ("python", "a\n"), id="a no-break space behind the end"),
    ],
)
def test_the_first_named_block_is_found(markdown, block):
    """As CommonMark has it, except that a block must close."""
    assert first_block(markdown) == (None if block is None else CodeBlock(*block))


@pytest.mark.parametrize(
    "markdown",
    [
        pytest.param("", id="empty"),
        pytest.param("no code", id="prose"),
        pytest.param("```\na\n```", id="no language name"),
        pytest.param("```python\na", id="never closed"),
        pytest.param("``python\na\n``", id="two backticks"),
        pytest.param("~~~python\na\n~~~", id="tildes"),
        pytest.param("see ```python\na\n```", id="not at the start of a line"),
        pytest.param("```123\na\n```", id="no name begins with a digit"),
    ],
)
def test_other_things_are_no_block(markdown):
    """A format rule that can be met by accident is none."""
    assert first_block(markdown) is None


def test_hostile_text_is_scanned_in_linear_time():
    """Each of these takes minutes where a regular expression backtracks."""
    for text in ("```" + " " * 300_000 + "`", "`" * 300_000, ("```\n" * 100_000), " " * 300_000 + "```a`"):
        assert first_block(text) is None
