"""Splits a completion into thoughts and answer (Magistral, 2.2.1). Pure.

A completion is well formed when it starts with `<think>`, leading white space aside, and has exactly one `<think>`
and exactly one `</think>`, in that order. What `parse` promises holds for any text; whether the answer part holds
what its task asks for is `rewards.format`'s question.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from reward_server.models import CompletionMessage, Message

OPEN, CLOSE = "<think>", "</think>"
_LINE = "\n"
_LONGEST_END = 200
# What ends a completion for the tokenizer, where it was decoded with the special tokens left in.
_ENDS = re.compile(
    r"(?:\s*(?:</s>|<eos>|<\|(?:im_end|endoftext|end_of_text|eot_id|end|return)\|>|<end_of_turn>|<｜end▁of▁sentence｜>))+\s*\Z"
)


@dataclass(frozen=True, slots=True)
class Completion:
    """The two parts of a completion, and what is wrong with its tags if anything is."""

    thoughts: str
    answer: str
    fault: str | None
    closed: bool  # it holds a `</think>`; a truncated completion does not

    @property
    def well_formed(self) -> bool:
        """The tags are as the format rule wants them."""
        return self.fault is None


def parse(text: str) -> Completion:
    """Split `text` at its `</think>`; where the tags are wrong, split as well as may be and say what is wrong."""
    head, _, answer = _without_end(text).partition(CLOSE)
    closed = CLOSE in text
    thoughts = head.lstrip().removeprefix(OPEN)
    return Completion(thoughts=thoughts, answer=answer, fault=_fault(text), closed=closed)


def text_of(completion: str | Sequence[CompletionMessage], finish_reason: str | None = None) -> str:
    """Write a completion as one text: what its messages say, a line break between two, as a chat shows them.

    Their reasoning fields, of one message or of several between which a tool was asked, are the thoughts. Thoughts
    that the token limit cut, so that nothing follows them, were never closed.
    """
    if isinstance(completion, str):
        return completion
    said = [message for message in completion if message.role == "assistant"]
    answer = "\n".join(message.text for message in said if message.text)
    thoughts = [message.thoughts for message in said if message.thoughts is not None]
    if not thoughts:
        return answer
    cut = finish_reason == "length" and said[-1].thoughts is not None and not said[-1].text.strip()
    return f"{OPEN}{_LINE.join(thoughts)}" + ("" if cut else f"{CLOSE}{answer}")


def problem_of(prompt: str | Sequence[Message] | None) -> str | None:
    """Return the problem: the prompt, or what the user said in it. A system prompt is not the problem."""
    if prompt is None or isinstance(prompt, str):
        return prompt
    said = [message.text for message in prompt if message.role == "user"]
    return "\n\n".join(said if said else [message.text for message in prompt])


def _without_end(text: str) -> str:
    # Only the last of a text is looked at: the search would try every blank of it.
    head, tail = text[:-_LONGEST_END], text[-_LONGEST_END:]
    return head + _ENDS.sub("", tail)


def _fault(text: str) -> str | None:
    opened, closed = text.count(OPEN), text.count(CLOSE)
    if opened != 1:
        return f"{opened} {OPEN} tags, where exactly one is wanted"
    if closed != 1:
        return f"{closed} {CLOSE} tags, where exactly one is wanted"
    if not text.lstrip().startswith(OPEN):
        return f"the completion does not start with {OPEN}"
    return None  # one of each, and the opening one is first: they are in order
