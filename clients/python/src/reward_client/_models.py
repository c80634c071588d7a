"""The wire as the client sees it: what is written by hand, and what comes back.

Requests refuse unknown fields, so that a typing error is found before anything is sent; the plain dicts that are
accepted in their place go to the server as they are. Responses ignore unknown fields, so that a newer server can say
more, and keep verdicts and error kinds as strings, so that it can also say something new.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

# ---- requests -----------------------------------------------------------------------------------------------------


class Request(BaseModel):
    """What is sent. Only the fields that were set travel; the server has the defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    def wire(self) -> dict[str, JsonValue]:
        """The JSON object to send."""
        return self.model_dump(by_alias=True, exclude_unset=True)


class _Task(Request):
    def model_post_init(self, _context: object, /) -> None:
        # The kind has a default for whoever writes the task, and has to travel nevertheless.
        self.model_fields_set.add("kind")


class MathTask(_Task):
    """A final answer to compare with one reference, or with several of which any is accepted."""

    kind: Literal["math"] = "math"
    answer: str | list[str]


class StdioTest(Request):
    """Feed `stdin`, compare standard output with `stdout`."""

    stdin: str
    stdout: str


class CallTest(Request):
    """Call the task's `fn_name` with the arguments in `input`, compare what it returns with `output`."""

    input: list[JsonValue]
    output: JsonValue


class AssertTest(Request):
    """Python statements with assertions; written `AssertTest(assertion="assert f(1) == 2")`."""

    assertion: str = Field(alias="assert")


class Limits(Request):
    """What each run of a program may use. What is not given is the server's default."""

    cpu_seconds: float | None = None
    wall_seconds: float | None = None
    memory_mb: int | None = None
    output_bytes: int | None = None
    processes: int | None = None
    disk_mb: int | None = None


class Checker(Request):
    """How outputs are compared: the tolerances go with `floats`, a program's source and language with `program`."""

    kind: Literal["tokens", "exact", "floats", "unordered_lines", "program"]
    abs_tol: float | None = None
    rel_tol: float | None = None
    program: str | None = None
    language: str | None = None


class CodeTask(_Task):
    """A program to run against `tests`, all of one form, or against an `input_output` object or JSON string."""

    kind: Literal["code"] = "code"
    language: str | None = None
    tests: list[StdioTest | CallTest | AssertTest] | None = None
    input_output: dict[str, JsonValue] | str | None = None
    fn_name: str | None = None
    limits: Limits | None = None
    checker: Literal["tokens", "exact", "floats", "unordered_lines"] | Checker | None = None
    abs_tol: float | None = None
    rel_tol: float | None = None


class NoTask(_Task):
    """Nothing to verify: format, length and language only."""

    kind: Literal["none"] = "none"


Task = Annotated[MathTask | CodeTask | NoTask, Field(discriminator="kind")]


class Rollout(Request):
    """One completion of one problem. Members of one `group` are drawn the same tests."""

    completion: str | list[dict[str, JsonValue]]
    task: Task
    prompt: str | list[dict[str, JsonValue]] | None = None
    id: str | None = None
    group: str | None = None
    completion_tokens: int | None = None
    finish_reason: str | None = None


# ---- responses ----------------------------------------------------------------------------------------------------


class Response(BaseModel):
    """What comes back."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class ScoreFailure(Response):
    """Why a rollout has no reward, and whether sending it again may help."""

    kind: str
    message: str
    retryable: bool


class Component(Response):
    """One part of a reward: `contribution` is `raw` times `weight`."""

    raw: float
    weight: float
    contribution: float
    detail: str | None = None


class FirstFailure(Response):
    """The first test that did not pass."""

    index: int
    verdict: str
    cpu_seconds: float | None = None
    memory_mb: float | None = None
    stderr: str = ""
    message: str | None = None
    in_process: bool = False


class TestSummary(Response):
    """How many of the drawn tests passed."""

    passed: int
    total: int
    first_failure: FirstFailure | None = None
    compile_output: str | None = None
    in_process: int = Field(default=0, description="Judged in the program's own process, where it could have cheated.")

    __test__ = False  # not a test of anybody's, whatever pytest thinks of the name


class ScoreResult(Response):
    """The reward of one rollout, and how it came about.

    `reward` is None when `status` is "unscored": whoever trains on it must leave the rollout out, not take it for 0.
    `id` is the rollout's own, or its place in the list when it had none. `group` is the rollout's own, or the name that
    the server made from its task; None only for a rollout without a group that was never answered.
    """

    id: str
    group: str | None = None
    status: Literal["scored", "unscored"]
    reward: float | None = None
    verdict: str | None = None
    components: dict[str, Component] = Field(default_factory=dict)
    extracted: str | None = None
    tests: TestSummary | None = None
    error: ScoreFailure | None = None
    index: int = Field(default=0, description="Place in the list that was given; set by the client.")

    @property
    def scored(self) -> bool:
        """Whether there is a reward."""
        return self.status == "scored"


class GroupSummary(Response):
    """The rewards of one group: population standard deviation, and whether every advantage in it is zero."""

    group: str
    size: int
    scored: int
    mean: float | None = None
    std: float | None = None
    zero_advantage: bool


class Heading(Response):
    """By what a batch was scored. All None when nothing was answered."""

    preset: str | None = None
    preset_hash: str | None = None
    version: str | None = None


class ScoreResponse(Heading):
    """Results in request order and a summary a group."""

    results: list[ScoreResult]
    groups: list[GroupSummary]

    @property
    def rewards(self) -> list[float | None]:
        """The rewards in request order; None where there is none."""
        return [result.reward for result in self.results]


class Verification(Response):
    """The verdict on one answer, how it was reached, and both sides as they were compared."""

    verdict: str
    method: str | None = None
    reason: str | None = None
    extracted: str | None = None
    normalised: dict[str, str] = Field(default_factory=dict)


class TestRow(Response):
    """One test of a judgement."""

    index: int
    verdict: str
    cpu_seconds: float | None = None
    wall_seconds: float | None = None
    memory_mb: float | None = None
    stderr: str = ""
    message: str | None = None
    in_process: bool = False

    __test__ = False


class Judgement(Response):
    """The verdict on one program, and a row for each test that was run."""

    verdict: str
    passed: int | None = None
    total: int | None = None
    compile_output: str | None = None
    tests: list[TestRow] = Field(default_factory=list)


class Execution(Response):
    """How one run of a program ended; `exit_code` is None when a signal ended it."""

    verdict: str | None = None
    stdout: str
    stderr: str
    exit_code: int | None = None
    signal: int | None = None
    cpu_seconds: float | None = None
    wall_seconds: float | None = None
    memory_mb: float | None = None
    compile_output: str | None = None
    message: str | None = None


class DetectedLanguage(Response):
    """The most likely language of one text, and the classifier's probability."""

    label: str | None = None
    probability: float


class Preset(Response):
    """A set of rules by which rollouts are scored, a hash over all of it, and the schema of what may be overridden."""

    name: str
    hash: str
    preset: dict[str, JsonValue] = Field(default_factory=dict)
    json_schema: dict[str, JsonValue] = Field(default_factory=dict, alias="schema")


class Health(Response):
    """Whether the server said yes to being asked for its health or readiness, and what else it said."""

    ok: bool
    status: int
    body: JsonValue = None


# ---- groups -------------------------------------------------------------------------------------------------------

# Rewards that differ by less are equal: contributions are sums of decimals.
_EQUAL = 1e-9


def summarise(results: Iterable[ScoreResult]) -> list[GroupSummary]:
    """Sum up each group over all its results, in order of first appearance, exactly as the server does.

    Results without a group (never answered, and none was given) belong to no summary.
    """
    groups: dict[str, list[float | None]] = {}
    for result in results:
        if result.group is not None:
            groups.setdefault(result.group, []).append(result.reward)
    return [_summary(group, rewards) for group, rewards in groups.items()]


def _summary(group: str, rewards: list[float | None]) -> GroupSummary:
    scored = [reward for reward in rewards if reward is not None]
    return GroupSummary(
        group=group,
        size=len(rewards),
        scored=len(scored),
        mean=statistics.fmean(scored) if scored else None,
        std=statistics.pstdev(scored) if scored else None,
        zero_advantage=not scored or max(scored) - min(scored) < _EQUAL,
    )


def as_object(value: Request | Mapping[str, object]) -> Mapping[str, object]:
    """The JSON object of a request model, or the mapping that was given in its place."""
    return value.wire() if isinstance(value, Request) else value
