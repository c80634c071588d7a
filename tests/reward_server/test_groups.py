"""Groups are summed up as trainers need them."""

import pytest

from reward_server.groups import summarise
from reward_server.models import Result, Status


def result(group: str, reward: float | None) -> Result:
    status = Status.UNSCORED if reward is None else Status.SCORED
    return Result(id="", group=group, status=status, reward=reward, verdict=None, components={})


@pytest.mark.parametrize(
    ("rewards", "scored", "mean", "std", "zero_advantage"),
    [
        pytest.param([1.1], 1, 1.1, 0.0, True, id="a group of one"),
        pytest.param([1.1, 0.1], 2, 0.6, 0.5, False, id="two that differ"),
        pytest.param([0.2, 0.2, 0.2], 3, 0.2, 0.0, True, id="all alike"),
        pytest.param([1.0, None, 0.0], 2, 0.5, 0.5, False, id="the unscored one counts for nothing"),
        pytest.param([None, None], 0, None, None, True, id="none scored"),
        pytest.param([0.1 + 0.2, 0.3], 2, 0.3, 0.0, True, id="the noise of binary floats is no advantage"),
    ],
)
def test_mean_and_deviation_are_over_the_scored(rewards, scored, mean, std, zero_advantage):
    """Population standard deviation; an outage is never a reward."""
    (summary,) = summarise(result("g", reward) for reward in rewards)
    assert (summary.size, summary.scored, summary.zero_advantage) == (len(rewards), scored, zero_advantage)
    assert summary.mean == (None if mean is None else pytest.approx(mean))
    assert summary.std == (None if std is None else pytest.approx(std, abs=1e-12))


def test_groups_come_in_order_of_first_appearance():
    """Members of one group need not stand together."""
    summaries = summarise([result("b", 1.0), result("a", 0.0), result("b", 0.0)])
    assert [(summary.group, summary.size) for summary in summaries] == [("b", 2), ("a", 1)]
