"""A batch like a trainer's: 64 problems of 16 rollouts each, math and code mixed, right and wrong ones."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

THOUGHTS = (
    "Let me think about this problem step by step before I write the final answer. "
    "First I restate what is given, then I look for an invariant, and in the end I check the result. "
)
ANSWER = "Putting the pieces together and checking them once more, the final result of the computation is"


def mixed_batch(
    *, problems: int = 64, group_size: int = 16, thought_chars: int = 4_000, variant: int = 0
) -> list[dict[str, Any]]:
    """Return rollouts in groups; every reward in it is known: `id` ends in the reward it must get.

    Batches of different `variant` share no answer and no program, so that nothing is remembered from one to the next.
    """
    draw = random.Random(20_251_122)  # the same batch every time
    thoughts = THOUGHTS * (thought_chars // len(THOUGHTS) + 1)
    first = variant * problems
    return [
        rollout for problem in range(first, first + problems) for rollout in _group(problem, group_size, thoughts, draw)
    ]


def _group(problem: int, size: int, thoughts: str, draw: random.Random) -> Iterator[dict[str, Any]]:
    # Three in four problems are math, as in the mixtures that reasoning models are trained on.
    make = _code if problem % 4 == 3 else _math
    for member in range(size):
        right = draw.random() < 0.5
        task, answer = make(problem, member, right)
        reward = 1.1 if right else 0.2
        yield {
            "id": f"p{problem}-{member}-{reward}",
            "group": f"p{problem}",
            "prompt": "Solve the problem below and explain in a few words how you came to your result.",
            "completion": f"<think>{thoughts}</think>{ANSWER} {answer}",
            "completion_tokens": 1_000,
            "finish_reason": "stop",
            "task": task,
        }


def _math(problem: int, member: int, right: bool) -> tuple[dict[str, Any], str]:
    n = problem + 2
    references = [
        (f"\\frac{{{n}}}{{{n + 1}}}", [f"\\frac{{{2 * n}}}{{{2 * n + 2}}}", f"{n}/{n + 1}"]),
        (f"{n}\\sqrt{{3}}", [f"\\sqrt{{{3 * n * n}}}", f"\\sqrt3 \\cdot {n}"]),
        (f"({n}, {n + 1})", [f"\\left({n},{n + 1}\\right)", f"( {n} , {n + 1} )"]),
        (f"x^2+{n}x", [f"x(x+{n})", f"{n}x+x^2"]),
    ]
    reference, spellings = references[problem % 4]
    wrong = reference.replace(str(n), str(n + 2))
    answer = [*spellings, reference][member % 3] if right else wrong
    return {"kind": "math", "answer": reference}, f"\\boxed{{{answer}}}."


def _code(problem: int, member: int, right: bool) -> tuple[dict[str, Any], str]:
    tests = [{"stdin": f"{n} {n + problem}\n", "stdout": f"{2 * n + problem}\n"} for n in range(10)]
    program = f"a, b = map(int, input().split())\nprint(a + b)  # member {member}"
    if not right:
        program = program.replace("a + b)", "a + b + (a > 4))")
    return {"kind": "code", "language": "python", "tests": tests}, f"below.\n```python\n{program}\n```\n"
