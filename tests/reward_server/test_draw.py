"""Tests are drawn by hash of (task, group, seed), never by arrival (2.2.2)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward_server.models import CodeTask
from reward_server.rewards.draw import draw, group_label
from reward_server.rewards.tasks import Tasks

texts = st.text(max_size=20)


@given(st.integers(0, 300), st.integers(1, 40), texts, texts, texts)
def test_the_same_task_group_and_seed_draw_the_same_tests(total, count, tests, group, seed):
    """In ascending order, none twice, as many as asked or all there are."""
    drawn = draw(total, count, tests=tests, group=group, seed=seed)
    assert list(drawn) == list(draw(total, count, tests=tests, group=group, seed=seed))
    assert list(drawn) == sorted(set(drawn))
    assert len(drawn) == min(total, count)
    assert all(0 <= place < total for place in drawn)


def test_the_draw_is_the_same_on_every_machine_and_in_every_version():
    """A run that is resumed on another replica goes on with the tests it had."""
    assert list(draw(40, 5, tests="t", group="g", seed="s")) == [2, 7, 16, 29, 37]


def test_each_of_task_group_and_seed_changes_the_draw():
    """Otherwise a model would meet the same twenty tests for ever."""
    base = {"tests": "t", "group": "g", "seed": "s"}
    draws = {tuple(draw(200, 20, **base | change)) for change in ({}, {"tests": "u"}, {"group": "h"}, {"seed": "r"})}
    assert len(draws) == 4


def test_every_test_is_drawn_about_as_often():
    """The draw is even: over 2,000 groups each of 40 tests comes 1,000 times, give or take five standard deviations."""
    counts = [0] * 40
    for group in range(2_000):
        for place in draw(40, 20, tests="t", group=str(group), seed=""):
            counts[place] += 1
    assert all(abs(count - 1_000) < 112 for count in counts)


STDIO = [{"stdin": f"{n}\n", "stdout": f"{n}\n"} for n in range(40)]
PAIRS = {"inputs": [test["stdin"] for test in STDIO], "outputs": [test["stdout"] for test in STDIO]}


def asked(**task):
    return Tasks().asked(CodeTask.model_validate_json(json.dumps({"kind": "code", **task})))


@pytest.mark.parametrize(
    "task",
    [
        pytest.param({"input_output": PAIRS}, id="as APPS writes it"),
        pytest.param({"input_output": json.dumps(PAIRS)}, id="in a string"),
        pytest.param({"tests": STDIO, "limits": {"cpu_seconds": 2}}, id="with other limits"),
        pytest.param({"tests": STDIO, "checker": "exact"}, id="with another checker"),
        pytest.param({"tests": STDIO, "language": "py"}, id="with its language named"),
    ],
)
def test_what_is_asked_is_the_same_however_it_is_written(task):
    """So a task without a group draws the same tests, and is one group, in each of these."""
    assert asked(**task) == asked(tests=STDIO)


def test_other_tests_ask_something_else():
    """If only one differs."""
    assert asked(tests=[*STDIO[1:], {"stdin": "", "stdout": ""}]) != asked(tests=STDIO)


def test_the_group_of_a_rollout_without_one_is_its_problem_and_task():
    """Two problems with one answer are two groups: their rewards say nothing about one another."""
    assert group_label("What is 1 + 1?", "a") == group_label("What is 1 + 1?", "a")
    labels = {group_label(problem, task) for problem in (None, "What is 1 + 1?", "Smallest prime?") for task in "ab"}
    assert len(labels) == 6
