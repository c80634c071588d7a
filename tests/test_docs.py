"""What the documents say is there, and what is there they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reward_server.cli import app
from reward_server.math.models import MathSettings, MathVerdict
from reward_server.models import ErrorKind
from reward_server.presets import Rules
from reward_server.rewards.correctness import AnswerVerdict
from reward_server.sandbox_metrics import WorkerMetrics
from reward_server.service import Service
from reward_server.settings import SandboxSettings, Settings
from sandbox.absent import AbsentJudge
from sandbox.models import CheckerKind, Verdict
from sandbox.streams import Names
from sandbox.worker import Worker, WorkerSettings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
DOCUMENTS = sorted(path for path in ROOT.glob("**/*.md") if not {".venv", ".pytest_cache"} & set(path.parts))


def test_every_setting_is_in_the_readme():
    """By the name of its environment variable."""
    names = [f"REWARD_{name.upper()}" for name in Settings.model_fields if name != "sandbox"]
    names += [f"SANDBOX_{name.upper()}" for name in SandboxSettings.model_fields if name != "redis_url"] + ["REDIS_URL"]
    assert [name for name in names if f"`{name}`" not in README] == []


@pytest.mark.parametrize("enumeration", [Verdict, MathVerdict, AnswerVerdict, ErrorKind])
def test_every_verdict_and_error_kind_is_in_the_readme(enumeration):
    """Whoever reads a result can look it up."""
    assert [str(member) for member in enumeration if f"`{member}`" not in README] == []


def test_every_metric_is_in_the_readme():
    """Whoever reads a dashboard can, too: those of a server with a queue, and those of a worker."""
    service = Service(Settings(sandbox=SandboxSettings(backend="redis")))
    metrics = WorkerMetrics()
    told = WorkerSettings("redis://127.0.0.1:1", Names("docs"), slots=1)
    metrics.watch(Worker(AbsentJudge("not asked"), told))
    shown = (service.metrics.render() + metrics.render()).decode()
    names = {name for name, _ in re.findall(r"^# TYPE (\w+?)(_total|_created)? ", shown, re.MULTILINE)}
    assert {"reward_ready", "reward_worker_busy", "reward_sandbox_tier", "reward_sandbox_queue_lag"} <= names
    assert [name for name in names if f"`{name}" not in README] == []


def test_every_command_is_in_the_readme():
    """And no other."""
    commands = {command.name or command.callback.__name__ for command in app.registered_commands}
    assert set(re.findall(r"`reward-server (\w+)`", README)) == commands


def test_every_switch_of_a_preset_is_documented():
    """In the document on rewards, or in that on math."""
    text = (ROOT / "docs/rewards.md").read_text("utf-8")
    math = (ROOT / "docs/math.md").read_text("utf-8")
    for section, info in Rules.model_fields.items():
        if section == "math":
            assert [name for name in MathSettings.__dataclass_fields__ if f"`{name}" not in math] == []
        elif section != "language":
            names = set(info.annotation.model_fields) - {"weight"}
            assert [name for name in names if f"`{section}.{name}" not in text] == []
    assert [kind.value for kind in CheckerKind if f"`{kind.value}`" not in text] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    """Within the repository; others are for people to follow."""
    links = re.findall(r"\]\(([^)#\s]+)\)", document.read_text("utf-8"))
    assert [link for link in links if "://" not in link and not (document.parent / link).exists()] == []
