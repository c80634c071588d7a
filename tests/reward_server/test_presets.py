"""A preset is a file with a schema and a hash over its content."""

import json

import pytest
from pydantic import ValidationError

from reward_server.models import field_errors
from reward_server.presets import Preset, PresetFileError, Presets, UnknownPresetError


@pytest.fixture
def magistral() -> Preset:
    return Presets().get("magistral")


def test_the_shipped_file_says_what_the_defaults_say(magistral):
    """One reading of the paper, not two that drift apart."""
    assert magistral.hash == Preset(name="x").hash


def test_the_hash_covers_every_switch(magistral):
    """Two results with one hash were scored by the same rules."""
    rules = magistral.model_dump(mode="json", include={"length"})
    changed = magistral.overridden({"length": {"l_max": rules["length"]["l_max"] + 1}})
    assert changed.hash != magistral.hash


def test_an_override_with_the_default_value_changes_nothing(magistral):
    """The hash is over the content, not over how it came about."""
    assert magistral.overridden({"length": {"l_max": 40_960}}).hash == magistral.hash


def test_the_hash_does_not_depend_on_the_name(magistral):
    """A copy under another name scores the same."""
    assert magistral.model_copy(update={"name": "mine"}).hash == magistral.hash


@pytest.mark.parametrize(
    ("overrides", "loc"),
    [
        pytest.param({"lenght": {"l_max": 1}}, "lenght", id="no such section"),
        pytest.param({"length": {"lmax": 1}}, "length.lmax", id="no such switch"),
        pytest.param({"length": {"l_max": "32768"}}, "length.l_max", id="a number in quotes"),
        pytest.param({"length": {"l_max": 0}}, "length.l_max", id="out of range"),
        pytest.param({"length": {"l_max": 10, "l_cache": 20}}, "length", id="a cache larger than the limit"),
        pytest.param({"length": 5}, "length", id="no table"),
        pytest.param({"format": {"weight": float("nan")}}, "format.weight", id="NaN"),
        pytest.param({"format": {"truncated": "maybe"}}, "format.truncated", id="no such choice"),
        pytest.param({"math": {"percent": 1}}, "math.percent", id="no such switch of math"),
        pytest.param({"language": {"min": 1}}, "language.min", id="no such switch of language"),
        pytest.param(
            {"language": {"consistency": {"min_letters": 1}}},
            "language.consistency.min_letters",
            id="no such threshold of language",
        ),
        pytest.param({"language": {"consistency": {"max_windows": 1}}}, "language.consistency", id="no window"),
        pytest.param({"language": {"consistency": {"families": [[]]}}}, "language.consistency", id="an empty family"),
        pytest.param({"math": {"cpu_seconds": 1e6}}, "math.cpu_seconds", id="days for one comparison"),
        pytest.param({"math": {"cpu_seconds": 0}}, "math.cpu_seconds", id="no time"),
        pytest.param({"format": {"weight": 1e308}}, "format.weight", id="a weight beyond all measure"),
        pytest.param({"name": "mine"}, "name", id="a name is no rule"),
    ],
)
def test_an_override_that_is_none_is_refused_by_name(magistral, overrides, loc):
    """A typing error must not score a run by other rules than was meant."""
    with pytest.raises(ValidationError) as refused:
        magistral.overridden(overrides)
    assert loc in [fault.loc for fault in field_errors(refused.value)]


def test_a_file_of_a_directory_is_a_preset_too(tmp_path):
    """What it leaves out is the default."""
    (tmp_path / "short.toml").write_text('name = "short"\n[length]\nl_max = 16384\nl_cache = 4096\n')
    short = Presets(tmp_path).get("short")
    assert (short.length.l_max, short.correctness.weight) == (16_384, 0.9)


def test_a_broken_file_is_named(tmp_path):
    """An operator reads which file to mend."""
    (tmp_path / "broken.toml").write_text('name = "broken"\n[length]\nl_max = "many"\n')
    with pytest.raises(PresetFileError, match=r"broken\.toml"):
        Presets(tmp_path)


def test_an_unknown_name_is_answered_with_the_known_ones():
    """So that one need not look them up."""
    with pytest.raises(UnknownPresetError, match="magistral"):
        Presets().get("mistral")


def test_the_schema_describes_every_switch():
    """The schema is what overrides are checked against, and what the playground shows."""
    schema = json.dumps(Preset.model_json_schema())
    for switch in ("l_max", "partial_credit", "truncated", "language_must_agree", "min_units", "boxed"):
        assert f'"{switch}"' in schema
