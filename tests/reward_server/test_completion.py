"""A completion is `<think>…</think>` and an answer (2.2.1)."""

import pytest

from reward_server.completion import parse, problem_of, text_of
from reward_server.models import CompletionMessage, Message


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("<think>a</think>b", id="plain"),
        pytest.param(" \n\t<think>a</think>b", id="leading white space"),
        pytest.param("<think></think>", id="both parts empty"),
    ],
)
def test_one_pair_of_tags_at_the_start_is_well_formed(text):
    """Exactly one of each, in order, nothing but white space before."""
    assert parse(text).well_formed


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("a</think>b", id="never opened"),
        pytest.param("<think>a", id="never closed"),
        pytest.param("x<think>a</think>b", id="text before"),
        pytest.param("<think>a<think>b</think>c", id="opened twice"),
        pytest.param("<think>a</think>b</think>c", id="closed twice"),
        pytest.param("<think>a</think><think>b</think>c", id="two pairs"),
        pytest.param("</think>a<think>", id="wrong order"),
        pytest.param("<THINK>a</THINK>b", id="other case"),
        pytest.param("\ufeff<think>a</think>b", id="a byte order mark is no white space"),
    ],
)
def test_anything_else_is_not(text):
    """The rule is exact, because models find what lies beside it."""
    assert not parse(text).well_formed


def test_the_parts_are_what_stands_in_and_behind_the_tags():
    """Nothing is trimmed away."""
    parsed = parse("<think> a </think> b ")
    assert (parsed.thoughts, parsed.answer) == (" a ", " b ")


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_a_reasoning_field_is_taken_as_the_thoughts(field):
    """Inference servers split the thoughts off; putting them back gives the same completion."""
    message = CompletionMessage(role="assistant", content="b", **{field: "a"})
    assert text_of([message]) == "<think>a</think>b"


def test_tags_inside_a_reasoning_field_are_tags_too_many():
    """A second pair cannot hide in a field of its own."""
    message = CompletionMessage(role="assistant", content="b", reasoning_content="<think>a</think>")
    assert not parse(text_of([message])).well_formed


def test_the_problem_is_what_the_user_said():
    """A system prompt in another language says nothing about the problem's."""
    prompt = [Message(role="system", content="You are helpful."), Message(role="user", content="Résous.")]
    assert problem_of(prompt) == "Résous."


def test_an_empty_reasoning_field_is_none():
    """Servers that parse no reasoning send one, beside a content with its own tags."""
    message = CompletionMessage(role="assistant", content="<think>a</think>b", reasoning_content="")
    assert text_of([message]) == "<think>a</think>b"


def test_thoughts_that_the_token_limit_cut_were_never_closed():
    """In a message as in a text: both must end alike."""
    message = CompletionMessage(role="assistant", content=None, reasoning_content="a")
    assert text_of([message], "length") == "<think>a"
    assert text_of([message], "stop") == "<think>a</think>"


def test_what_a_tool_said_is_not_graded():
    """Only the model's own words are."""
    messages = [
        CompletionMessage(role="assistant", content="<think>a</think>b"),
        CompletionMessage(role="tool", content="c", tool_call_id="1"),
        CompletionMessage(role="assistant", content="d"),
    ]
    assert text_of(messages) == "<think>a</think>b\nd"


def test_what_is_said_in_two_messages_or_parts_stands_on_two_lines():
    """As a chat shows it: a code block that opens the second opens at the start of a line."""
    block = "```python\nx\n```"
    parts = [{"type": "text", "text": "<think>a</think>Plan."}, {"type": "text", "text": block}]
    messages = [
        CompletionMessage(role="assistant", content="<think>a</think>Plan."),
        CompletionMessage(role="assistant", content=block),
    ]
    one = CompletionMessage.model_validate({"role": "assistant", "content": parts})
    assert text_of(messages) == text_of([one]) == f"<think>a</think>Plan.\n{block}"


def test_thoughts_between_which_a_tool_was_asked_are_one():
    """Each message brings its own; the completion has one pair of tags."""
    messages = [
        CompletionMessage(role="assistant", content=None, reasoning_content="a", tool_calls=[{"id": "1"}]),
        CompletionMessage(role="tool", content="4", tool_call_id="1"),
        CompletionMessage(role="assistant", content="c", reasoning_content="b"),
    ]
    assert text_of(messages) == "<think>a\nb</think>c"


def test_white_space_behind_cut_thoughts_closes_nothing():
    """Some servers send a line break for a content that never began."""
    message = CompletionMessage(role="assistant", content="\n", reasoning_content="a")
    assert not parse(text_of([message], "length")).closed


def test_two_reasoning_fields_that_differ_are_refused():
    """Neither may be dropped in silence; the same text twice is how some servers send it."""
    with pytest.raises(ValueError, match="different things"):
        CompletionMessage(role="assistant", content="b", reasoning="x", reasoning_content="y")
    message = CompletionMessage(role="assistant", content="b", reasoning="x", reasoning_content="x")
    assert text_of([message]) == "<think>x</think>b"


@pytest.mark.parametrize("end", ["<|im_end|>", "</s>", "\n<|eot_id|>\n", "<|im_end|>\n<|endoftext|>"])
def test_the_tokenizers_end_is_no_part_of_the_answer(end):
    """It stands where the model stopped, not where it wrote something; within the text it is text."""
    assert parse(f"<think>a</think>```{end}").answer == "```"
    assert parse(f"<think>a</think>{end} b").answer == f"{end} b"
