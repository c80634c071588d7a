"""A preset is a file that says how rollouts are scored, with a schema and a hash over its content.

Two results with one `preset_hash` were scored by the same rules: the hash covers every switch, defaults included,
after the overrides of the request.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from language_id.consistency import ConsistencySettings
from reward_server.math.models import MathSettings


class Section(BaseModel):
    """A table of a preset. Unknown switches are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Weight = Annotated[float, Field(ge=0, le=1000)]


class FormatRules(Section):
    """Format (2.2.1), the gate before everything else."""

    weight: Weight = 0.1
    on_failure: Literal["zero", "length_and_language"] = Field(
        "zero", description="After a format failure: the reward is exactly 0, or length and language still apply."
    )
    truncated: Literal["zero", "unscored"] = Field(
        "zero", description="A completion cut by the token limit before </think>: reward 0, or no reward."
    )


class CorrectnessRules(Section):
    """Correctness (2.2.2)."""

    weight: Weight = 0.9
    partial_credit: bool = Field(
        False, description="Pay the fraction of tests passed (7.4.1 tried it and rejected it); every test is run then."
    )


class LengthRules(Section):
    """Soft length penalty (2.2.3, after DAPO), in tokens."""

    weight: Weight = 0.1
    l_max: Annotated[int, Field(gt=0)] = 40_960
    l_cache: Annotated[int, Field(gt=0)] = 8_192
    tokens_absent: Literal["skip", "unscored"] = Field(
        "skip",
        description="Without completion_tokens: no penalty, or no reward. Characters are never taken for tokens.",
    )

    @model_validator(mode="after")
    def _cache_within_max(self) -> Self:
        if self.l_cache > self.l_max:
            raise ValueError(f"l_cache ({self.l_cache}) is larger than l_max ({self.l_max})")
        return self


class LanguageRules(Section):
    """Language consistency (2.2.4)."""

    weight: Weight = 0.1
    consistency: ConsistencySettings = ConsistencySettings()


class CodeRules(Section):
    """How programs are found and judged (2.2.2)."""

    tests: Annotated[int, Field(ge=1)] = Field(20, description="Tests drawn, the same for every member of a group.")
    fewer_tests: Literal["all", "unscored"] = Field(
        "all", description="A task with fewer tests than that: all of them are run, or it is no task (bad_task)."
    )
    language_must_agree: bool = Field(
        True, description="The block's language name must be the task's, where the task names one."
    )
    objects: Literal["bad_task", "in_process"] = Field(
        "bad_task",
        description="An assertion that only the program's own objects can answer: no task, or asked in the program's "
        "own process, where it may lie (`tests.in_process` counts them).",
    )


class GroupRules(Section):
    """What stands for the group of a rollout that names none."""

    absent: Literal["task", "rollout"] = "task"


class Rules(Section):
    """Everything that decides a reward, and nothing else."""

    format: FormatRules = FormatRules()
    correctness: CorrectnessRules = CorrectnessRules()
    length: LengthRules = LengthRules()
    language: LanguageRules = LanguageRules()
    math: MathSettings = MathSettings()
    code: CodeRules = CodeRules()
    group: GroupRules = GroupRules()

    @property
    def hash(self) -> str:
        """`sha256:` and the digest over every switch."""
        return "sha256:" + hashlib.sha256(self.model_dump_json(include=set(Rules.model_fields)).encode()).hexdigest()


class Preset(Rules):
    """Rules under a name."""

    name: str
    description: str = ""

    def overridden(self, overrides: Mapping[str, JsonValue]) -> Preset:
        """Return this preset with `overrides` laid over its rules.

        Raises:
            ValidationError: an override names no switch, or gives it a value that it cannot have.
        """
        if not overrides:
            return self
        merged = _merged(self.model_dump(mode="json", include=set(Rules.model_fields)), overrides)
        return self.model_copy(update=dict(Rules.model_validate_json(json.dumps(merged))))


class UnknownPresetError(Exception):
    """No preset of that name."""


class PresetFileError(Exception):
    """A file that is no preset."""


class Presets:
    """The presets by name: those that ship with the package, and the files of a directory that may replace them."""

    def __init__(self, directory: Path | None = None) -> None:
        shipped = [entry for entry in resources.files(__name__).iterdir() if entry.name.endswith(".toml")]
        presets = [_load(entry.read_text("utf-8"), entry.name) for entry in shipped]
        if directory is not None:
            presets += [_load(path.read_text("utf-8"), str(path)) for path in sorted(directory.glob("*.toml"))]
        self._presets = {preset.name: preset for preset in presets}

    def __iter__(self) -> Iterator[Preset]:
        """Iterate over the presets by name."""
        return iter(sorted(self._presets.values(), key=lambda preset: preset.name))

    def get(self, name: str) -> Preset:
        """Return the preset called `name`; UnknownPresetError names those that exist."""
        try:
            return self._presets[name]
        except KeyError:
            known = ", ".join(sorted(self._presets))
            raise UnknownPresetError(f"no preset is called {name!r}; there are: {known}") from None


def _load(text: str, source: str) -> Preset:
    try:
        return Preset.model_validate_json(json.dumps(tomllib.loads(text)))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise PresetFileError(f"{source}: {error}") from error


def _merged(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both_tables = isinstance(value, Mapping) and isinstance(base.get(key), dict)
        merged[key] = _merged(base[key], value) if both_tables else value
    return merged
