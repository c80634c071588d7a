"""Whoever is woken by an alert finds its section."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

OPERATIONS = (Path(__file__).parent.parent / "docs/operations.md").read_text("utf-8")
ALERTS = (
    "RewardServerNotReady",
    "RewardUnscoredHigh",
    "RewardQueueAgeHigh",
    "RewardQueueNearlyFull",
    "RewardWorkersMissing",
    "RewardRedeliveriesHigh",
    "RewardInternalErrors",
    "RewardMathTimeoutsHigh",
)
SECTIONS = dict(re.findall(r"^### (Reward\w+)\n(.*?)(?=^#|\Z)", OPERATIONS, re.MULTILINE | re.DOTALL))


def test_every_alert_has_a_section():
    """Under its own name, which is the anchor that the rules link to; and no section is left of one that is gone."""
    assert tuple(SECTIONS) == ALERTS


@pytest.mark.parametrize("alert", ALERTS)
def test_a_section_says_what_to_do(alert):
    """And what the alert means, what brings it about, and where to look."""
    assert re.findall(r"^\*\*([\w ]+)\.\*\*", SECTIONS[alert], re.MULTILINE) == [
        "Meaning",
        "Likely causes",
        "Look at",
        "Do",
    ]
