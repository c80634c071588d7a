"""Results as they finish: each exactly once, whatever happens to the connection."""

from __future__ import annotations

import json

import pytest

from reward_client import Batching, RewardClient, ServerError


@pytest.fixture
def client(service, moments):
    with RewardClient(transport=service.transport, clock=moments.clock) as open_client:
        yield open_client


def test_results_come_as_they_finish(client, rollout):
    """In the order of the stream, with their places in the list that was given."""
    batch = [rollout(n, id=name) for n, name in enumerate("abc")]
    assert [(result.index, result.id, result.reward) for result in client.stream(batch)] == [
        (2, "c", 2.0),
        (1, "b", 1.0),
        (0, "a", 0.0),
    ]


def test_a_line_ends_with_a_newline_and_with_nothing_else(client, service, rollout, reply):
    """JSON strings may hold U+2028, U+0085 and form feeds, at which `str.splitlines` would cut."""
    strange = "a\u2028b\u2029c\x85d"
    line = json.dumps({"id": "0", "status": "scored", "reward": 1.0, "extracted": strange}, ensure_ascii=False).encode()
    service.first(reply(200, line + b'\r\n\n{"groups": []}'))
    (result,) = client.stream([rollout()])
    assert result.extracted == strange


def test_a_stream_without_its_last_line_broke_off(client, service, rollout, reply):
    """However politely: a proxy may end it for the server that died."""
    service.first(reply(200, b'{"id": "0", "status": "scored", "reward": 7.0}\n'))
    results = sorted((result.index, result.reward) for result in client.stream([rollout(1), rollout(2)]))
    assert results == [(0, 7.0), (1, 2.0)]
    assert [seen.completions for seen in service.seen] == [["1", "2"], ["2"]]


def test_unscored_retryable_results_are_yielded_when_they_are_final(service, moments, rollout):
    """Once, after everything else, and not each time they were tried."""
    with RewardClient(transport=service.transport, clock=moments.clock) as client:
        results = list(client.stream([rollout("!internal_error"), rollout(1)]))
    assert [(result.index, result.scored) for result in results] == [(1, True), (0, False)]
    assert [seen.completions for seen in service.seen[:2]] == [["!internal_error", "1"], ["!internal_error"]]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"nonsense\n", id="no JSON"),
        pytest.param(b'{"id": "7", "status": "scored", "reward": 1}\n', id="a rollout that was not sent"),
        pytest.param(b'{"id": "0", "status": "scored", "reward": 1}\n' * 2, id="the same twice"),
        pytest.param(b'{"groups": []}\n', id="an end before the results"),
        pytest.param(b"3\n", id="no object"),
    ],
)
def test_a_stream_that_breaks_its_rules_is_an_error(client, service, reply, rollout, body):
    """Guessing which reward belongs to which rollout would be worse."""
    service.first(reply(200, body))
    with pytest.raises(ServerError):
        list(client.stream([rollout(), rollout()]))


def test_rewards_of_two_presets_are_not_mixed_in_a_stream(service, moments, reply, rollout):
    """Its last line says by which preset it was scored."""

    def script(seen):
        (sent,) = seen.body["rollouts"]
        lines = [
            {"id": sent["id"], "status": "scored", "reward": 1.0},
            {"groups": [], "preset": "magistral", "preset_hash": f"sha256:{sent['completion']}"},
        ]
        return reply(200, b"\n".join(json.dumps(line).encode() for line in lines))

    service.script = script
    batching = Batching(max_rollouts=1)
    with RewardClient(transport=service.transport, clock=moments.clock, batching=batching) as client:
        assert len(list(client.stream([rollout(1), rollout(1)]))) == 2
        with pytest.raises(ServerError, match="different presets"):
            list(client.stream([rollout(1), rollout(2)]))


def test_a_deadline_leaves_the_rest_unscored(service, moments, problem, rollout):
    """As results, not as an exception in the middle of a loop."""
    service.script = lambda seen: problem(503) if "2" in seen.completions else None
    batching = Batching(max_rollouts=1)
    with RewardClient(transport=service.transport, clock=moments.clock, batching=batching) as client:
        results = list(client.stream([rollout(1), rollout(2)], deadline_seconds=10))
    assert [(result.index, result.reward) for result in results] == [(0, 1.0), (1, None)]
    assert results[1].error.kind == "deadline_exceeded"
