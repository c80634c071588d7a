"""Format (Magistral, 2.2.1): all of its rules hold, or nothing further is graded.

Whether a box or a block is *right* is not asked here, only whether there is one; what was found is handed on.
"""

from __future__ import annotations

from dataclasses import dataclass

from reward_server.completion import Completion
from reward_server.fences import CodeBlock, blocks
from reward_server.math.extract import all_boxed, is_blank
from reward_server.models import CodeTask, MathTask, Task


@dataclass(frozen=True, slots=True)
class Format:
    """What the answer part holds, and which rule the completion breaks if any."""

    fault: str | None
    boxes: tuple[str, ...] = ()
    block: CodeBlock | None = None


def check(completion: Completion, task: Task) -> Format:
    """Look for what the task's format asks for."""
    if completion.fault is not None:
        return Format(completion.fault)
    match task:
        case MathTask():
            boxes = tuple(all_boxed(completion.answer))
            found = not all(map(is_blank, boxes))
            return Format(None if found else "the answer part holds no final answer in \\boxed{}", boxes=boxes)
        case CodeTask():
            block = next(blocks(completion.answer), None)
            found = block is not None
            return Format(
                None if found else "the answer part holds no fenced code block with a language name", block=block
            )
        case _:
            return Format(None)


def is_truncated(completion: Completion, finish_reason: str | None) -> bool:
    """Whether the token limit cut the completion in its thoughts."""
    return finish_reason == "length" and not completion.closed
