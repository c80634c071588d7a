"""The Grafana dashboard shows what there is, legibly, on whatever Prometheus it is pointed at."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path

import pytest

from reward_server.metrics import Metrics

ROOT = Path(__file__).parent.parent
DASHBOARD = json.loads((ROOT / "deploy/grafana/reward-server.json").read_text("utf-8"))
ROWS = [panel for panel in DASHBOARD["panels"] if panel["type"] == "row"]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]

# Metrics that have their labels when something has happened, or that belong to the service, the queue and the workers.
LABELS = {
    "reward_rollouts_total": {"kind", "status", "verdict"},
    "reward_errors_total": {"kind"},
    "reward_rollout_seconds": {"kind"},
    "reward_value": {"kind"},
    "reward_http_requests_total": {"path", "status"},
    "reward_http_request_seconds": {"path"},
    "reward_rollouts_in_flight": set(),
    "reward_ready": set(),
    "reward_sandbox_queue_jobs": {"stream"},
    "reward_sandbox_queue_pending": {"stream"},
    "reward_sandbox_queue_lag": {"stream"},
    "reward_sandbox_queue_oldest_seconds": set(),
    "reward_sandbox_cache_hits_total": {"where"},
    "reward_sandbox_jobs_in_flight": set(),
    "reward_sandbox_round_trip_seconds": set(),
    "reward_sandbox_redeliveries_total": set(),
    "reward_sandbox_tier": {"tier"},
    "reward_worker_slots": set(),
    "reward_worker_busy": set(),
    "reward_worker_ready": set(),
    "reward_worker_jobs_total": {"ending"},
    "reward_worker_job_seconds": set(),
    "reward_worker_reclaimed_total": set(),
    "reward_worker_returned_total": set(),
}
HISTOGRAMS = {
    "reward_rollout_seconds",
    "reward_value",
    "reward_http_request_seconds",
    "reward_sandbox_round_trip_seconds",
    "reward_worker_job_seconds",
}
# `le` belongs to buckets; Kubernetes' monitors add the namespace.
EVERYWHERE = {"le", "namespace"}


def series(name: str) -> str:
    """The metric that a series belongs to."""
    metric = re.sub(r"_(bucket|sum|count)$", "", name)
    return metric if metric in HISTOGRAMS else name


def test_the_list_holds_what_the_server_serves():
    """So that a metric that is renamed is missed here."""
    served = dict(re.findall(r"^# TYPE (\w+) (\w+)$", Metrics().render().decode(), re.MULTILINE))
    assert set(served) - set(LABELS) == set()
    assert {name for name, kind in served.items() if kind == "histogram"} <= HISTOGRAMS


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS)
def test_a_panel_asks_for_metrics_that_exist(title, expression):
    """By their name, and for histograms by one of their three series."""
    names = set(re.findall(r"\breward_\w+", expression))
    assert names
    for name in names:
        assert series(name) in LABELS, f"{title}: {name}"
        assert name not in HISTOGRAMS, f"{title}: {name} has buckets, a sum and a count, and no value of its own"


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS)
def test_a_panel_asks_for_labels_that_exist(title, expression):
    """A label that no metric has makes a panel that is empty and silent about it."""
    known = EVERYWHERE.union(*(LABELS[series(name)] for name in re.findall(r"\breward_\w+", expression)))
    grouped = {label for group in re.findall(r"\bby \(([^)]*)\)", expression) for label in re.split(r",\s*", group)}
    selected = {label for inner in re.findall(r"\{([^}]*)\}", expression) for label in re.findall(r"(\w+)[!=]", inner)}
    assert grouped | selected <= known, title


def test_every_metric_of_the_queue_and_the_workers_is_shown():
    """Whoever counts something means somebody to see it."""
    shown = {series(name) for _, expression in EXPRESSIONS for name in re.findall(r"\breward_\w+", expression)}
    assert set(LABELS) - shown == set()


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_says_what_it_shows(panel):
    """A title, a sentence and a unit."""
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert all(target["legendFormat"] for target in panel["targets"])


def test_panels_do_not_overlap_and_fit():
    """On Grafana's grid of 24 columns."""
    places = [(panel["title"], panel["gridPos"]) for panel in DASHBOARD["panels"]]
    assert [title for title, place in places if place["x"] + place["w"] > 24] == []
    overlapping = [
        (one, other)
        for (one, a), (other, b) in combinations(places, 2)
        if a["x"] < b["x"] + b["w"]
        and b["x"] < a["x"] + a["w"]
        and a["y"] < b["y"] + b["h"]
        and b["y"] < a["y"] + a["h"]
    ]
    assert overlapping == []


def test_ids_are_unique():
    """Grafana drops the second panel of an id, and the second target of a letter."""
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in PANELS:
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters)


def test_the_data_source_is_chosen_by_whoever_looks():
    """No uid of a Grafana or a Prometheus of ours is in it."""
    assert "uid" not in DASHBOARD
    assert "__inputs" not in DASHBOARD
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == ("datasource", "prometheus")
    asked = [*PANELS, *(target for panel in PANELS for target in panel["targets"]), variables["namespace"]]
    assert {json.dumps(one["datasource"], sort_keys=True) for one in asked} == {
        '{"type": "prometheus", "uid": "${datasource}"}'
    }


def test_the_schema_is_grafana_tens():
    """Version 38 came with Grafana 10; time series, stats and rows need no plug-in."""
    assert DASHBOARD["schemaVersion"] >= 38
    assert {panel["type"] for panel in DASHBOARD["panels"]} <= {"row", "stat", "timeseries"}
