"""Which text is the answer."""

import pytest

from reward_server.math.extract import all_boxed, last_boxed


@pytest.mark.parametrize(
    ("text", "content"),
    [
        pytest.param(r"so \boxed{42}", "42", id="plain"),
        pytest.param(r"first \boxed{41}. Wait, \boxed{42}.", "42", id="the last of two"),
        pytest.param(r"\boxed{\frac{1}{\sqrt{2}}}", r"\frac{1}{\sqrt{2}}", id="nested braces"),
        pytest.param(r"\boxed{\boxed{42}}", r"\boxed{42}", id="a box in a box belongs to the outer one"),
        pytest.param(r"\boxed{1 \boxed{2} \boxed{3}}", r"1 \boxed{2} \boxed{3}", id="two boxes in a box"),
        pytest.param(r"\boxed {42}", "42", id="a space before the brace"),
        pytest.param("\\boxed\n{42}", "42", id="a line break before the brace"),
        pytest.param(r"\boxed{\{1,2\}}", r"\{1,2\}", id="escaped braces do not count"),
        pytest.param(r"\boxed{\{1,2}", r"\{1,2", id="even when they do not match"),
        pytest.param(r"\boxed{a\\{b}}", r"a\\{b}", id="a line break before a brace is no escape"),
        pytest.param(r"\boxed{1} and \boxed{2", "1", id="an unclosed box is no box"),
        pytest.param(r"\boxed{ so \boxed{2}", "2", id="not even around a complete one"),
        pytest.param(r"} { \boxed{7} }", "7", id="stray braces around"),
        pytest.param(r"\boxed{}", "", id="an empty box is a box"),
        pytest.param(r"\boxed{1", None, id="only an unclosed box"),
        pytest.param(r"\boxed 42", None, id="no brace"),
        pytest.param(r"\boxedin{42}", None, id="another command"),
        pytest.param(r"\\boxed{42}", None, id="a line break and a word"),
        pytest.param(r"\\\boxed{42}", "42", id="a line break and a box"),
        pytest.param("no box", None, id="none"),
        pytest.param("", None, id="no text"),
    ],
)
def test_the_answer_is_the_last_complete_box(text, content):
    """Braces count as TeX counts them; what is never closed is not there."""
    assert last_boxed(text) == content


def test_all_boxes_are_listed_in_reading_order_and_inner_ones_belong_to_outer_ones():
    assert all_boxed(r"\boxed{1} \boxed{\boxed{2}} \boxed{3 \boxed{4") == ["1", r"\boxed{2}"]
    assert all_boxed("none") == []


@pytest.mark.parametrize(
    "hostile",
    [r"\boxed{", r"\boxed{{", "\\", "{", "}", r"\boxed{}", r"\boxed ", r"\[", r"\{"],
)
def test_time_is_linear_in_the_text(hostile):
    """A quadratic scan of two million characters would take hours."""
    assert last_boxed(hostile * (2_000_000 // len(hostile)) + r" \boxed{5}") is not None
