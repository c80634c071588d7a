"""What a worker process does: the whole ladder over one pair, with the time and the libraries that the server has not.

Imported only by the nursery of `reward_server.workers`. Its CPU time and memory are limited from outside.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import cast

from pydantic import TypeAdapter

from reward_server.math import symbolic
from reward_server.math.ladder import compare_at_length
from reward_server.math.models import MathSettings
from reward_server.workers import JsonValue

_FIRST_USES = (
    (r"\int_0^1 x\,dx", r"\frac{1}{2}"),
    (r"\int_0^{\infty}e^{-x^2}dx", r"\frac{\sqrt{\pi}}{2}"),
    (r"\sum_{k=1}^{\infty}\frac{1}{k^2}", r"\frac{\pi^2}{6}"),
    (r"\lim_{x\to0}\frac{\sin x}{x}", "1"),
    (r"\int\sin^2 x\,dx", r"\frac{x}{2}-\frac{\sin 2x}{4}"),
)
_SETTINGS = TypeAdapter(MathSettings)


def warm_up() -> None:
    """Import everything and use it once, also what SymPy imports only on first use, so that no worker pays for it."""
    settings = cast("JsonValue", asdict(MathSettings()))
    for reference, answer in _FIRST_USES:
        handle({"reference": reference, "answer": answer, "settings": settings})


def handle(task: JsonValue) -> JsonValue:
    """Compare `reference` and `answer`."""
    assert isinstance(task, dict)
    reference, answer = task["reference"], task["answer"]
    assert isinstance(reference, str)
    assert isinstance(answer, str)
    settings = _SETTINGS.validate_python(task["settings"])
    return cast("JsonValue", asdict(compare_at_length(reference, answer, settings, symbolic.equal)))
