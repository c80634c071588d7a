"""The wire is written twice, in the server and in the client. Both must say the same."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reward_client
from reward_client import RewardClient
from reward_server import models, samples
from reward_server.groups import summarise

PAIRS = [
    (reward_client.Rollout, models.Rollout),
    (reward_client.MathTask, models.MathTask),
    (reward_client.CodeTask, models.CodeTask),
    (reward_client.NoTask, models.NoTask),
    (reward_client.StdioTest, models.StdioTest),
    (reward_client.CallTest, models.CallTest),
    (reward_client.AssertTest, models.AssertTest),
    (reward_client.Limits, models.TaskLimits),
    (reward_client.Checker, models.CheckerSpec),
    (reward_client.ScoreResponse, models.ScoreResponse),
    (reward_client.ScoreResult, models.StreamedResult),
    (reward_client.ScoreFailure, models.RolloutError),
    (reward_client.Component, models.Component),
    (reward_client.FirstFailure, models.FirstFailure),
    (reward_client.TestSummary, models.TestSummary),
    (reward_client.GroupSummary, models.GroupSummary),
    (reward_client.Verification, models.VerifyResponse),
    (reward_client.Judgement, models.JudgeResponse),
    (reward_client.TestRow, models.TestRow),
    (reward_client.Execution, models.ExecuteResponse),
    (reward_client.DetectedLanguage, models.DetectedLanguage),
]


def fields(model):
    described = model.model_fields if hasattr(model, "model_fields") else model.__pydantic_fields__
    return {info.alias or name for name, info in described.items()}


@pytest.mark.parametrize(("client", "server"), PAIRS, ids=lambda model: model.__name__)
def test_both_sides_name_the_same_fields(client, server):
    """A field that one side knows alone is a field that is lost."""
    assert fields(client) == fields(server)


def test_every_sample_is_written_alike_by_both():
    """What the client's models write, the server's models read."""
    for sample in samples.load_samples():
        written = reward_client.Rollout.model_validate(sample).wire()
        assert models.Rollout.model_validate_json(json.dumps(written))


rewards = st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.floats(-0.1, 1.1)), max_size=20)


@given(rewards)
def test_both_sides_sum_groups_up_alike(pairs):
    """A batch that the client had to split is summed up by the client."""
    results = [
        {"id": str(place), "group": group, "status": "unscored" if reward is None else "scored", "reward": reward}
        | {"verdict": None, "components": {}, "extracted": None, "tests": None, "error": None}
        for place, (group, reward) in enumerate(pairs)
    ]
    ours = [group.model_dump() for group in summarise(map(models.Result.model_validate, results))]
    theirs = [
        group.model_dump() for group in reward_client.summarise(map(reward_client.ScoreResult.model_validate, results))
    ]
    assert theirs == [{**group, "mean": pytest.approx(group["mean"])} | _close(group) for group in ours]


def _close(group):
    return {
        "mean": None if group["mean"] is None else pytest.approx(group["mean"], abs=1e-12),
        "std": None if group["std"] is None else pytest.approx(group["std"], abs=1e-12),
    }


def test_the_client_scores_the_samples_as_the_contract_demands(server):
    """The real client, the real server, every sample, in several requests."""
    expected = samples.expected()
    batching = reward_client.Batching(max_rollouts=16)
    with RewardClient(str(server.base_url), batching=batching) as client:
        response = client.score(samples.load_samples())
        streamed = sorted(client.stream(samples.load_samples()), key=lambda result: result.index)
    got = {result.id: (result.status, result.reward, result.verdict) for result in response.results}
    want = {
        name: (each.status, None if each.reward is None else pytest.approx(each.reward, abs=1e-9), each.verdict)
        for name, each in expected.items()
    }
    assert got == want
    assert [result.reward for result in streamed] == response.rewards


def test_the_client_asks_for_each_part_alone(server):
    """Verify, judge, execute, language, presets."""
    with RewardClient(str(server.base_url)) as client:
        assert client.verify("\\frac12", "0.5").verdict == "correct"
        tests = [reward_client.StdioTest(stdin="1", stdout="1")]
        assert client.judge("print(input())", "python", tests).verdict == "accepted"
        assert client.execute("print(input())", "python", stdin="x").stdout == "x\n"
        assert [each.label for each in client.language(["Bonjour tout le monde, comment allez-vous ?"])] == ["fr"]
        assert client.preset("magistral").hash == client.presets()[0].hash
        assert client.ready().ok
