"""The wire: what a request may say and what a response says, exactly as the contract names it.

Requests refuse unknown fields and wrong types; nothing is coerced. Responses are built by us and only serialised.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Annotated, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    ValidationError,
    model_validator,
)
from pydantic.dataclasses import dataclass
from pydantic_core import from_json

from sandbox.models import CheckerKind

STRICT = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Request(BaseModel):
    """What a client sends: unknown fields, wrong types, NaN and infinities are refused by name."""

    model_config = STRICT


RequestModel = TypeVar("RequestModel", bound=Request)


def finite(value: JsonValue) -> JsonValue:
    """Refuse NaN and infinities at any depth: they equal nothing, so no program could ever be right."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("NaN and infinities are no JSON values")
    parts: Iterable[JsonValue] = ()
    if isinstance(value, list):
        parts = value
    elif isinstance(value, dict):
        parts = value.values()
    # A list of a million numbers is looked at as a whole: only what may hold something is looked into.
    for kind in set(map(type, parts)) & {float, list, dict}:
        for part in parts:
            if type(part) is kind:
                finite(part)
    return value


FiniteJson = Annotated[JsonValue, AfterValidator(finite)]
Tolerance = Annotated[float, Field(ge=0)]
# Lists that a client fills: longer ones are refused before their items are looked at.
MAX_ROLLOUTS = 65_536
MAX_ITEMS = 10_000
MAX_REFERENCES = 100
MAX_OVERRIDES = 2_000
MAX_NAME_CHARS = 200
MAX_OPTION_BYTES = 256 * 1024


def _few(overrides: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Refuse what is no set of switches: every one of them is laid over the preset and hashed."""
    for count, _ in enumerate(_values(overrides)):
        if count > MAX_OVERRIDES:
            raise ValueError(f"more than {MAX_OVERRIDES} values")
    return overrides


def _values(value: JsonValue) -> Iterator[JsonValue]:
    waiting: list[Iterator[JsonValue]] = [iter([value])]
    while waiting:
        for part in waiting[-1]:
            yield part
            if isinstance(part, list | dict):
                waiting.append(iter(part.values() if isinstance(part, dict) else part))
                break
        else:
            waiting.pop()


Overrides = Annotated[dict[str, JsonValue], AfterValidator(_few)]


def _json_type(value: object) -> str:
    """Name the JSON type of a field that may have several, so that an error speaks of that one alone."""
    match value:
        case str():
            return "<string>"
        case bool():
            return "<boolean>"
        case int():
            return "<integer>"
        case list():
            return "<list>"
        case _:
            return "<object>"


def _one_of(what: str) -> Discriminator:
    return Discriminator(_json_type, custom_error_type="other_type", custom_error_message=f"Input should be {what}")


def _sendable(text: object) -> object:
    """Half a character (a lone surrogate) has no UTF-8: one that a program came by must not cost a batch its answer."""
    if isinstance(text, str) and not text.isascii():
        return text.encode("utf-8", "backslashreplace").decode()
    return text


# Words of a program, a compiler or a model, as they may come back in a response.
Words = Annotated[str, BeforeValidator(_sendable)]


class Response(BaseModel):
    """What we send back."""

    model_config = ConfigDict(frozen=True)


# ---- chat messages ------------------------------------------------------------------------------------------------


class TextPart(Request):
    """One text part of a message whose content is a list, as OpenAI's API has it."""

    type: Literal["text"]
    text: str


class Message(Request):
    """One chat message. A reasoning field is taken as the thoughts; tool fields are accepted and not graded."""

    role: str
    content: (
        Annotated[
            Annotated[str, Tag("<string>")] | Annotated[list[TextPart], Tag("<list>")],
            _one_of("a string or a list of text parts"),
        ]
        | None
    ) = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: JsonValue = None
    tool_call_id: str | None = None
    function_call: JsonValue = None
    annotations: JsonValue = None
    audio: JsonValue = None

    @property
    def text(self) -> str:
        """The content as one string."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""

    @property
    def thoughts(self) -> str | None:
        """The reasoning, by either of the names that inference servers use; an empty one is none."""
        return self.reasoning_content or self.reasoning or None


class CompletionMessage(Message):
    """A message of the completion: the model's, which is graded, or a tool's answer between two, which is not."""

    role: Literal["assistant", "tool"]

    @model_validator(mode="after")
    def _one_reasoning(self) -> Self:
        if self.reasoning_content and self.reasoning and self.reasoning_content != self.reasoning:
            raise ValueError("reasoning and reasoning_content say different things; give one of them")
        return self


# ---- tasks --------------------------------------------------------------------------------------------------------


References = Annotated[
    Annotated[str, Tag("<string>")]
    | Annotated[list[str], Field(min_length=1, max_length=MAX_REFERENCES), Tag("<list>")],
    _one_of("a string or a list of strings"),
]


class MathTask(Request):
    """A final answer to compare with one reference or several accepted ones."""

    kind: Literal["math"]
    answer: References

    @property
    def references(self) -> list[str]:
        """The accepted answers."""
        return [self.answer] if isinstance(self.answer, str) else self.answer


class NoTask(Request):
    """Nothing to verify: format, length and language only."""

    kind: Literal["none"]


# Tests are many: as dataclasses they cost a third of what models do, and the garbage collector a fifth.
@dataclass(config=STRICT, slots=True)
class StdioTest:
    """Feed `stdin`, compare standard output with `stdout`."""

    stdin: str
    stdout: str


@dataclass(config=STRICT, slots=True)
class CallTest:
    """Call the task's `fn_name` with the positional arguments in `input`, compare the result with `output`."""

    input: Annotated[list[FiniteJson], Field(max_length=MAX_ITEMS)]
    output: FiniteJson


@dataclass(config=STRICT, slots=True)
class AssertTest:
    """Python statements that assert something of the candidate's names."""

    assertion: Annotated[str, Field(alias="assert", min_length=1)]


def _test_form(test: object) -> str | None:
    """Name the form of a test by the first field that tells, so that an error speaks of that form alone."""
    # Called for every test of every task: plain comparisons are four times as fast here as anything prettier.
    if type(test) is dict:
        if "assert" in test:
            return "<assert>"
        if "stdin" in test or "stdout" in test:
            return "<stdio>"
        return "<call>" if "input" in test or "output" in test else None
    return _FORM_OF.get(type(test))


_FORM_OF: dict[type, str] = {StdioTest: "<stdio>", CallTest: "<call>", AssertTest: "<assert>"}


TestCase = Annotated[
    Annotated[StdioTest, Tag("<stdio>")] | Annotated[CallTest, Tag("<call>")] | Annotated[AssertTest, Tag("<assert>")],
    Discriminator(
        _test_form,
        custom_error_type="test_form",
        custom_error_message='A test is {"stdin", "stdout"}, {"input", "output"} or {"assert"}',
    ),
]


def _identifier(name: str) -> str:
    if not name.isidentifier():
        raise ValueError("not the name of a function")
    return name


FunctionName = Annotated[str, Field(max_length=MAX_NAME_CHARS), AfterValidator(_identifier)]


class InputOutput(Request):
    """Tests as APPS, TACO, LiveCodeBench and PRIME write them: inputs and outputs side by side."""

    inputs: Annotated[list[FiniteJson], Field(min_length=1, max_length=MAX_ITEMS)]
    outputs: Annotated[list[FiniteJson], Field(min_length=1, max_length=MAX_ITEMS)]
    fn_name: FunctionName | None = None

    @model_validator(mode="after")
    def _same_length(self) -> Self:
        if len(self.inputs) != len(self.outputs):
            raise ValueError(f"{len(self.inputs)} inputs but {len(self.outputs)} outputs")
        return self


def _decoded(value: object) -> object:
    """Datasets carry `input_output` as a JSON string as often as an object; it is read by the rules of the body."""
    if not isinstance(value, str):
        return value
    try:
        return from_json(value, allow_inf_nan=False)
    except ValueError as error:
        raise ValueError(f"input_output is a string that is not JSON: {error}") from None


class TaskLimits(Request):
    """What each run of a program may use; see the contract for the defaults."""

    cpu_seconds: Annotated[float, Field(gt=0, le=120)] = 4.0
    wall_seconds: Annotated[float, Field(gt=0, le=600)] | None = None
    memory_mb: Annotated[int, Field(ge=16, le=16384)] = 300
    output_bytes: Annotated[int, Field(ge=1, le=256 * 1024 * 1024)] = 16 * 1024 * 1024
    processes: Annotated[int, Field(ge=1, le=1024)] | None = None
    disk_mb: Annotated[int, Field(ge=1, le=4096)] | None = None


class CheckerSpec(Request):
    """A checker: `floats` may have tolerances, `program` has the source of a program that decides and its language."""

    kind: CheckerKind
    abs_tol: Tolerance | None = None
    rel_tol: Tolerance | None = None
    program: str | None = None
    language: str | None = None


class Tests(Request):
    """The tests of a program, in one form, with the limits and the checker they are judged by."""

    tests: Annotated[list[TestCase], Field(min_length=1, max_length=MAX_ITEMS)] | None = None
    input_output: Annotated[InputOutput | None, BeforeValidator(_decoded)] = None
    fn_name: FunctionName | None = None
    limits: TaskLimits = TaskLimits()
    checker: Annotated[
        Annotated[CheckerKind, Tag("<string>")] | Annotated[CheckerSpec, Tag("<object>")],
        _one_of("the name of a checker, or an object with its kind"),
    ] = CheckerKind.TOKENS
    abs_tol: Tolerance | None = None
    rel_tol: Tolerance | None = None

    @property
    def checker_spec(self) -> CheckerSpec:
        """The checker, whichever way it was written."""
        spec = self.checker if isinstance(self.checker, CheckerSpec) else CheckerSpec(kind=self.checker)
        beside = {"abs_tol": self.abs_tol, "rel_tol": self.rel_tol}
        return spec.model_copy(update={name: value for name, value in beside.items() if value is not None})

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.tests is None) == (self.input_output is None):
            raise ValueError("give either tests or input_output")
        spec = self.checker_spec
        if spec.kind is not CheckerKind.FLOATS and (spec.abs_tol is not None or spec.rel_tol is not None):
            raise ValueError("abs_tol and rel_tol go with the checker floats")
        if (spec.kind is CheckerKind.PROGRAM) != (spec.program is not None):
            raise ValueError('a checker program is {"kind": "program", "program": "its source"}')
        named = self.input_output.fn_name if self.input_output is not None else None
        if named is not None and self.fn_name not in {None, named}:
            raise ValueError("fn_name of the task and fn_name of its input_output name two functions")
        if self.tests is None:
            return self
        forms = {type(test) for test in self.tests}
        if len(forms) > 1:
            raise ValueError("tests are of more than one form; one form per task")
        if forms == {CallTest} and self.fn_name is None:
            raise ValueError("tests with input and output need fn_name")
        if forms == {StdioTest} and self.fn_name is not None:
            raise ValueError("fn_name goes with tests that call: input and output, or assert")
        return self


class CodeTask(Tests):
    """A program to run against tests. Without `language` the code block names it."""

    kind: Literal["code"]
    language: str | None = None


Task = Annotated[MathTask | CodeTask | NoTask, Field(discriminator="kind")]


# ---- requests -----------------------------------------------------------------------------------------------------


class RolloutText(Request):
    """A rollout without its task."""

    id: str | None = None
    group: str | None = None
    prompt: (
        Annotated[
            Annotated[str, Tag("<string>")]
            | Annotated[list[Message], Field(min_length=1, max_length=MAX_ITEMS), Tag("<list>")],
            _one_of("a string or a list of messages"),
        ]
        | None
    ) = None
    completion: Annotated[
        Annotated[str, Tag("<string>")]
        | Annotated[list[CompletionMessage], Field(min_length=1, max_length=MAX_ITEMS), Tag("<list>")],
        _one_of("a string or a list of messages"),
    ]
    completion_tokens: Annotated[int, Field(ge=0, le=2**53)] | None = None
    finish_reason: str | None = None


class Rollout(RolloutText):
    """One completion of one problem. Members of one `group` are drawn the same tests."""

    task: Task


class ScoreOptions(Request):
    """How to score a batch."""

    preset: str | None = None
    overrides: Overrides = Field(default_factory=dict)
    seed: (
        Annotated[Annotated[str, Tag("<string>")] | Annotated[int, Tag("<integer>")], _one_of("a string or an integer")]
        | None
    ) = None


class ScoreRequest(ScoreOptions):
    """A batch of rollouts and how to score it."""

    rollouts: Annotated[list[Rollout], Field(min_length=1, max_length=MAX_ROLLOUTS)]


class VerifyRequest(Request):
    """One answer (or a text with its `\\boxed{}`) against one reference or several accepted ones."""

    answer: str
    reference: References
    preset: str | None = None
    overrides: Overrides = Field(default_factory=dict)

    @property
    def references(self) -> list[str]:
        """The accepted answers."""
        return [self.reference] if isinstance(self.reference, str) else self.reference


class JudgeRequest(Tests):
    """One program against all its tests; every test is run unless `stop_at_first_failure`.

    `objects_in_process`: what an assertion asks of the program's own objects is asked in the program's process, where
    it may lie.
    """

    code: str
    language: str
    stop_at_first_failure: bool = False
    objects_in_process: bool = False


class ExecuteLimits(TaskLimits):
    """As for a task, but for output, which comes back in the response."""

    output_bytes: Annotated[int, Field(ge=1, le=16 * 1024 * 1024)] = 1024 * 1024


class ExecuteRequest(Request):
    """One program, run once."""

    code: str
    language: str
    stdin: str = ""
    limits: ExecuteLimits = ExecuteLimits()


class LanguageRequest(Request):
    """Texts whose language is asked."""

    texts: Annotated[list[str], Field(min_length=1, max_length=MAX_ITEMS)]


# ---- responses ----------------------------------------------------------------------------------------------------


class Status(StrEnum):
    """Whether a rollout has a reward."""

    SCORED = "scored"
    UNSCORED = "unscored"


class ErrorKind(StrEnum):
    """Why a rollout has none."""

    BAD_TASK = "bad_task"
    SANDBOX_UNAVAILABLE = "sandbox_unavailable"
    QUEUE_FULL = "queue_full"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    INTERNAL_ERROR = "internal_error"


class RolloutError(Response):
    """Why a rollout could not be scored, and whether sending it again may help."""

    kind: ErrorKind
    message: Words
    retryable: bool


class Component(Response):
    """One part of a reward: `contribution` is `raw` times `weight`."""

    raw: float
    weight: float
    contribution: float
    detail: Words | None = None


class FirstFailure(Response):
    """The first test that did not pass; `index` is its place in the task's tests."""

    index: int
    verdict: str
    cpu_seconds: float
    memory_mb: float
    stderr: Words
    message: Words | None = None
    in_process: bool = False


class TestSummary(Response):
    """How many of the drawn tests passed; those after the first failure are not run unless credit is partial."""

    passed: int
    total: int
    first_failure: FirstFailure | None = None
    compile_output: Words | None = None
    in_process: int = 0  # how many were judged in the program's own process, where it could have cheated

    __test__ = False  # not a test of ours, whatever pytest thinks of the name


class Result(Response):
    """The reward of one rollout, and how it came about."""

    id: str
    group: str
    status: Status
    reward: float | None
    verdict: str | None
    components: dict[str, Component]
    extracted: Words | None = None
    tests: TestSummary | None = None
    error: RolloutError | None = None


class GroupSummary(Response):
    """The rewards of one group: population standard deviation, and whether every advantage in it is zero."""

    group: str
    size: int
    scored: int
    mean: float | None
    std: float | None
    zero_advantage: bool


class ScoreResponse(Response):
    """Results in request order, and a summary a group."""

    preset: str
    preset_hash: str
    version: str
    results: list[Result]
    groups: list[GroupSummary]


class StreamedResult(Result):
    """A line of `/v1/score/stream`: a result, and the place of its rollout in the request."""

    index: int


class StreamSummary(Response):
    """The last line of `/v1/score/stream`."""

    preset: str
    preset_hash: str
    version: str
    groups: list[GroupSummary]


class VerifyResponse(Response):
    """The verdict on one answer, the rung of the ladder that reached it, and both sides as compared."""

    verdict: str
    method: str
    reason: Words | None
    extracted: Words | None
    normalised: dict[str, Words]


class TestRow(Response):
    """One test of `/v1/judge`."""

    index: int
    verdict: str
    cpu_seconds: float
    wall_seconds: float
    memory_mb: float
    stderr: Words
    message: Words | None
    in_process: bool

    __test__ = False


class JudgeResponse(Response):
    """The verdict on one program and a row for each test that was run."""

    verdict: str
    passed: int
    total: int
    compile_output: Words | None
    tests: list[TestRow]


class ExecuteResponse(Response):
    """How one run ended; bytes that are not UTF-8 are shown as U+FFFD."""

    verdict: str
    stdout: Words
    stderr: Words
    exit_code: int | None
    signal: int | None
    cpu_seconds: float
    wall_seconds: float
    memory_mb: float
    compile_output: Words | None
    message: Words | None


class DetectedLanguage(Response):
    """The most likely language of one text after removal of LaTeX and code, with the classifier's probability."""

    label: str | None
    probability: float


class LanguageResponse(Response):
    """One language a text, in request order."""

    results: list[DetectedLanguage]


class Problem(Response):
    """An error as RFC 9457 has it; `errors` names the fields at fault."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[FieldError] = []


class FieldError(Response):
    """One field at fault, as a path into the request."""

    loc: str
    message: Words


# More faults than this are not listed, and more than that not even looked at.
LISTED_FAULTS = 50
MOST_FAULTS = 20_000


def field_errors(error: ValidationError, *, prefix: str = "") -> list[FieldError]:
    """Say what is wrong with a request, field by field, in the words and paths of JSON."""
    if error.error_count() > MOST_FAULTS:
        return [FieldError(loc="body", message=f"{error.error_count()} faults; too many to name")]
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    named = [
        FieldError(loc=_within(prefix, _json_path(fault["loc"])), message=_message(fault["msg"]))
        for fault in faults[:LISTED_FAULTS]
    ]
    if len(faults) > LISTED_FAULTS:
        named.append(FieldError(loc="body", message=f"and {len(faults) - LISTED_FAULTS} more faults"))
    return named


def _within(prefix: str, path: str) -> str:
    return prefix + path if path else prefix.removesuffix(".") or "body"


def _json_path(loc: tuple[int | str, ...]) -> str:
    """Write a location as `rollouts[0].task.tests[2].stdout`, without the names of union members.

    Pydantic puts the member of a union that it tried into the path, which no client has ever written.
    """
    path = ""
    previous: int | str = ""
    for part in loc:
        if isinstance(part, int):
            path += f"[{part}]"
        elif not (_may_be_tagged(previous) and part in _TAGS) and not (previous == "task" and part in _KINDS):
            path += f".{part}" if path else part
        previous = part
    return path


_TAGS = {*_FORM_OF.values(), "<string>", "<integer>", "<list>", "<object>"}
_KINDS = {"math", "code", "none"}
_TAGGED = {"prompt", "completion", "content", "answer", "reference", "seed", "checker"}


def _may_be_tagged(field: int | str) -> bool:
    return isinstance(field, int) or field in _TAGGED


def _message(text: str) -> str:
    # A test is a dataclass inside, which is nothing that a client should have to know.
    if text == "Unexpected keyword argument":
        return "Extra inputs are not permitted"
    return text.removeprefix("Value error, ")
