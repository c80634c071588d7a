"""Tests are drawn by hash of (task, group, seed), never by arrival (2.2.2)."""

from hypothesis import given
from hypothesis import strategies as st

from reward_server.rewards.draw import draw

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
