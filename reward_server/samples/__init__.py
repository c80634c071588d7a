"""Sample rollouts that ship with the package, and the reward that each must get.

Guaranteed: every rollout is a valid `rollouts` object of `POST /v1/score`; members of one group share their prompt
and task; every right program passes all its tests and every wrong one fails with the verdict given, whichever tests
are drawn; the rewards are those of the `magistral` preset. Not guaranteed: that `completion_tokens` fits the text. The
completions that are long by their token count are abridged, as a 40,000-token thought is nothing to read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources

from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the contract demands for one sample, and why, in a sentence for a person."""

    status: str
    reward: float | None
    verdict: str | None
    why: str


def load_samples() -> list[dict[str, JsonValue]]:
    """Read the sample rollouts, in file order. They are fresh objects, the caller's to change."""
    return [json.loads(line) for line in _read("rollouts.jsonl").splitlines()]


def expected() -> dict[str, Expectation]:
    """Read what each sample must get, by the id of its rollout."""
    return {id_: Expectation(**fields) for id_, fields in json.loads(_read("expected.json")).items()}


def _read(name: str) -> str:
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
