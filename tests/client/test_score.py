"""A batch goes in whole and comes out whole, however it was cut, retried and put together."""

from __future__ import annotations

import asyncio
import json
import ssl
from email.utils import formatdate

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reward_client import (
    AssertTest,
    AsyncRewardClient,
    AuthError,
    BadRequestError,
    Batching,
    CallTest,
    CodeTask,
    FieldError,
    Limits,
    MathTask,
    NoTask,
    Progress,
    RetryPolicy,
    RewardClient,
    RewardConnectionError,
    RewardError,
    Rollout,
    ServerError,
    TooLargeError,
    UnscoredError,
    summarise,
)


@pytest.fixture
def connect(service, moments):
    """Open clients of the stand-in, and close them."""
    clients = []

    def open_client(**options):
        clients.append(RewardClient(**{"transport": service.transport, "clock": moments.clock, **options}))
        return clients[-1]

    yield open_client
    for client in clients:
        client.close()


@pytest.fixture
def client(connect):
    return connect()


# ---- what is sent -------------------------------------------------------------------------------------------------


def test_a_request_says_what_was_given_and_nothing_else(client, service, rollout):
    """Defaults are the server's, so what the caller left out is left out."""
    client.score([rollout(id="a")], preset="strict", overrides={"length": {"l_max": 9}}, seed=7)
    client.score([rollout(id="a")])
    assert service.seen[0].body == {
        "preset": "strict",
        "overrides": {"length": {"l_max": 9}},
        "seed": 7,
        "rollouts": [rollout(id="a")],
    }
    assert service.seen[1].body == {"rollouts": [rollout(id="a")]}


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        pytest.param(MathTask(answer=["1", "2"]), {"kind": "math", "answer": ["1", "2"]}, id="the kind travels"),
        pytest.param(NoTask(), {"kind": "none"}, id="a task of defaults only"),
        pytest.param(
            CodeTask(fn_name="f", tests=[CallTest(input=[None], output=None)], limits=Limits(cpu_seconds=1)),
            {
                "kind": "code",
                "fn_name": "f",
                "tests": [{"input": [None], "output": None}],
                "limits": {"cpu_seconds": 1.0},
            },
            id="an expected null is not an absent field",
        ),
        pytest.param(
            CodeTask(tests=[AssertTest(assertion="assert f()")]),
            {"kind": "code", "tests": [{"assert": "assert f()"}]},
            id="a name that Python reserves",
        ),
    ],
)
def test_a_model_is_the_dict_it_stands_for(client, service, model, expected):
    """Models and plain mappings may be mixed at every level."""
    client.score([Rollout(completion="1", task=model), {"completion": "1", "task": model}])
    assert [sent["task"] for sent in service.seen[0].body["rollouts"]] == [expected, expected]


def test_scalars_of_numpy_are_numbers(client, service, rollout):
    """Token counts come out of tensors."""
    client.score([rollout(completion_tokens=np.int64(812))])
    assert service.seen[0].body["rollouts"][0]["completion_tokens"] == 812


@pytest.mark.parametrize("text", ["½ → 中文 🙂", "half an emoji \ud83d", "\x00\x1f\u2028"])
def test_any_text_arrives_as_it_was(client, service, rollout, text):
    """Models write text that UTF-8 cannot encode; the server gets it nevertheless."""
    client.score([rollout(prompt=text)])
    assert service.seen[0].body["rollouts"][0]["prompt"] == text


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(float("nan"), id="JSON has no NaN"),
        pytest.param({1, 2}, id="nor sets"),
        pytest.param(b"bytes", id="nor bytes"),
    ],
)
def test_what_json_cannot_say_is_refused_with_its_place(client, service, rollout, value):
    """The server never sees it."""
    with pytest.raises(BadRequestError) as refused:
        client.score([rollout(), rollout(extra=value)])
    assert refused.value.status is None
    assert [field.loc for field in refused.value.errors] == ["rollouts[1]"]
    assert service.seen == []


def test_a_rollout_is_a_model_or_a_mapping(client):
    """Anything else is named by its place, too."""
    with pytest.raises(BadRequestError, match=r"rollouts\[0\]: a Rollout or a mapping, not str"):
        client.score(["<think>…"])


def test_the_token_and_headers_travel(connect, service, rollout):
    """Whoever gives a token is authenticated by it."""
    connect(token="secret", headers={"x-run": "7"}).score([rollout()])
    assert service.seen[0].headers["authorization"] == "Bearer secret"
    assert service.seen[0].headers["x-run"] == "7"
    assert service.seen[0].headers["user-agent"].startswith("reward-client/")


@pytest.mark.parametrize(("gzip_bytes", "compressed"), [(None, False), (1_000_000, False), (500, True), (0, True)])
def test_bodies_are_compressed_from_a_size_on(connect, service, rollout, gzip_bytes, compressed):
    """Small bodies are not worth it; the server reads both."""
    connect(batching=Batching(gzip_bytes=gzip_bytes)).score([rollout(prompt="x" * 1000)])
    assert (service.seen[0].headers.get("content-encoding") == "gzip") is compressed
    assert service.seen[0].body["rollouts"][0]["prompt"] == "x" * 1000


@pytest.mark.parametrize("address", ["localhost:8000", "ftp://host", "http://", "http://h:port", ""])
def test_an_address_that_is_none_is_refused_at_once(address):
    """Not at the first call, hours into a run."""
    with pytest.raises(ValueError, match=r"address|http|Invalid"):
        RewardClient(address)


# ---- cutting and putting together ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rollouts", "most", "sizes"),
    [
        pytest.param(1, 64, [1], id="one"),
        pytest.param(64, 64, [64], id="just as many as fit"),
        pytest.param(65, 64, [33, 32], id="one more makes two of a size"),
        pytest.param(10, 3, [3, 3, 3, 1], id="no request beyond the limit"),
    ],
)
def test_large_batches_are_cut_by_count(connect, service, rollout, rollouts, most, sizes):
    """Into about equal requests, none larger than allowed."""
    response = connect(batching=Batching(max_rollouts=most)).score([rollout(n) for n in range(rollouts)])
    assert sorted((len(seen.completions) for seen in service.seen), reverse=True) == sizes
    assert response.rewards == list(range(rollouts))


def test_large_batches_are_cut_by_size(connect, service, rollout):
    """A rollout larger than the limit travels alone; nothing is refused here."""
    batch = [rollout(1), rollout(2, prompt="x" * 3000), rollout(3), rollout(4)]
    connect(batching=Batching(max_bytes=1000)).score(batch)
    assert sorted(seen.completions for seen in service.seen) == [["1"], ["2"], ["3", "4"]]


_batches = st.lists(
    st.fixed_dictionaries(
        {"says": st.sampled_from(["0", "0.1", "1.1", "?bad_task", "!internal_error"])},
        optional={
            "group": st.sampled_from(["p", "q"]),
            "id": st.sampled_from(["a", "b", "7", "0"]),
        },
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=_batches, most=st.integers(1, 6), streaming=st.booleans())
def test_cutting_changes_nothing(connect, service, rollout, batch, most, streaming):
    """Order, ids, groups and their statistics are those of the whole batch, for any way to cut it."""
    rollouts = [rollout(**fields) for fields in batch]
    whole = connect().score(rollouts)
    client = connect(batching=Batching(max_rollouts=most))
    if streaming:
        results = sorted(client.stream(rollouts), key=lambda result: result.index)
        assert results == whole.results
    else:
        assert client.score(rollouts) == whole
    assert [result.index for result in whole.results] == list(range(len(batch)))
    assert [result.id for result in whole.results] == [
        fields.get("id", str(place)) for place, fields in enumerate(batch)
    ]
    assert whole.rewards == [None if fields["says"][0] in "?!" else float(fields["says"]) for fields in batch]


def test_groups_are_summed_up_over_all_requests(connect, rollout):
    """Population deviation over scored rewards; a group of one reward, or none, has no advantage to give."""
    batch = [
        rollout(1.0, group="p"),
        rollout(0.0, group="q"),
        rollout(0.0, group="p"),
        rollout("?bad_task", group="p"),
        rollout("?bad_task", group="r"),
        rollout(0.5),
        rollout(0.5),
    ]
    groups = connect(batching=Batching(max_rollouts=1)).score(batch).groups
    assert [tuple(group.model_dump().values()) for group in groups] == [
        ("p", 3, 2, 0.5, 0.5, False),
        ("q", 1, 1, 0.0, 0.0, True),
        ("r", 1, 0, None, None, True),
        ("task:2", 2, 2, 0.5, 0.0, True),
    ]


def test_no_rollouts_no_request(client, service):
    """An empty batch is an empty response."""
    response = client.score([])
    assert (response.results, response.groups, response.preset, service.seen) == ([], [], None, [])


def test_a_refusal_for_size_is_answered_by_halves(client, service, problem, rollout):
    """The server's limit need not be known."""
    service.script = lambda seen: problem(413) if len(seen.completions) > 2 else None
    assert client.score([rollout(n) for n in range(7)]).rewards == list(range(7))


def test_a_single_rollout_too_large_is_named(client, service, problem, rollout):
    """It cannot be made smaller here, so the caller has to know which one it is."""
    service.script = lambda seen: (
        problem(413, errors=[{"loc": "rollouts[0]", "message": "too large"}]) if "2" in seen.completions else None
    )
    with pytest.raises(TooLargeError) as refused:
        client.score([rollout(n) for n in range(4)])
    assert refused.value.errors == (FieldError("rollouts[2]", "too large"),)


def test_never_more_requests_in_flight_than_allowed(rollout):
    """Over all calls of a client, not for each."""
    now = most = 0

    async def handler(request: httpx.Request) -> httpx.Response:
        nonlocal now, most
        now, most = now + 1, max(most, now + 1)
        for _ in range(5):
            await asyncio.sleep(0)
        now -= 1
        rollouts = json.loads(request.content)["rollouts"]
        results = [{"id": sent["id"], "status": "scored", "reward": 1.0} for sent in rollouts]
        return httpx.Response(200, json={"results": results, "groups": []})

    async def main() -> None:
        batching = Batching(max_rollouts=1, max_in_flight=3)
        async with AsyncRewardClient(transport=httpx.MockTransport(handler), batching=batching) as client:
            await asyncio.gather(*(client.score([rollout()] * 10) for _ in range(2)))

    asyncio.run(main())
    assert most == 3


# ---- trying again -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
def test_statuses_that_may_pass_are_tried_again(client, service, problem, rollout, moments, status):
    """With a ceiling that doubles; half of it here, because that is what is drawn."""
    service.first(problem(status), problem(status), problem(status))
    assert client.score([rollout(1)]).rewards == [1.0]
    assert moments.pauses == [0.25, 0.5, 1.0]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequestError),
        (401, AuthError),
        (403, AuthError),
        (404, BadRequestError),
        (422, BadRequestError),
        (500, ServerError),
        (307, ServerError),
    ],
)
def test_statuses_that_cannot_get_better_are_raised_at_once(client, service, problem, rollout, moments, status, kind):
    """A repetition would only be a second failure."""
    service.first(problem(status, "because", x_request_id="r-1"))
    with pytest.raises(kind, match=f"HTTP {status}: because") as raised:
        client.score([rollout()])
    assert (raised.value.status, raised.value.request_id) == (status, "r-1")
    assert isinstance(raised.value, RewardError)
    assert (len(service.seen), moments.pauses) == (1, [])


@pytest.mark.parametrize(
    ("header", "pause"),
    [
        pytest.param("7", 7.25, id="seconds"),
        pytest.param("0", 0.25, id="at once"),
        pytest.param(formatdate(1030, usegmt=True), 30.25, id="a date"),
        pytest.param(formatdate(900, usegmt=True), 0.25, id="a date gone by"),
        pytest.param("Thu, 01 Jan 1970 00:17:00", 20.25, id="a date without a zone is GMT"),
        pytest.param("soon", 0.25, id="neither, so as if absent"),
        pytest.param("-5", 0.25, id="nor is this"),
        pytest.param("²", 0.25, id="nor this"),
    ],
)
def test_retry_after_is_waited_out(client, service, rollout, reply, moments, header, pause):
    """Plus a draw, so that all who were told the same do not come back together."""
    service.first(reply(503, headers={"retry-after": header} if header.isascii() else {}))
    client.score([rollout()])
    assert moments.pauses == [pause]


@pytest.mark.parametrize(
    "error", [httpx.ConnectError, httpx.ConnectTimeout, httpx.ReadError, httpx.RemoteProtocolError, httpx.WriteError]
)
def test_broken_connections_are_tried_again(client, service, rollout, error):
    """Scoring twice gives the same reward, so nothing is lost by it."""

    def script(_):
        if len(service.seen) < 3:
            raise error("broken")

    service.script = script
    assert client.score([rollout(1)]).rewards == [1.0]
    assert len(service.seen) == 3


def test_only_unscored_retryable_rollouts_are_sent_again(client, service, rollout, moments):
    """What is scored is scored, and what is unscored for good stays so."""
    batch = [rollout(1), rollout("!sandbox_unavailable"), rollout("?bad_task"), rollout("!queue_full"), rollout(2)]

    def recover(_):
        if len(service.seen) > 2:
            batch[1]["completion"] = batch[3]["completion"] = "0.5"

    response = _score_with_recovery(client, service, batch, recovered_after=2)
    assert response.rewards == [1.0, 0.5, None, 0.5, 2.0]
    assert [seen.completions for seen in service.seen] == [
        ["1", "!sandbox_unavailable", "?bad_task", "!queue_full", "2"],
        ["!sandbox_unavailable", "!queue_full"],
        ["!sandbox_unavailable", "!queue_full"],
    ]
    assert moments.pauses == [0.25, 0.5]
    assert response.results[2].error.kind == "bad_task"


def _score_with_recovery(client, service, batch, *, recovered_after):
    """Let everything that failed for now succeed after so many requests."""
    answer = service._answer

    def recovering(request):
        reply = answer(request)
        if len(service.seen) > recovered_after:
            said = json.loads(reply.body)
            for result in said["results"]:
                if result["status"] == "unscored":
                    result.update(status="scored", reward=0.5, error=None)
            reply.body = json.dumps(said).encode()
        return reply

    service.script = recovering
    return client.score(batch)


def test_a_rollout_that_fails_every_time_is_given_up(connect, service, rollout):
    """It may be what breaks the server; it must not use up the deadline of its batch."""
    response = connect(retry=RetryPolicy(result_attempts=3)).score([rollout(1), rollout("!internal_error")])
    assert len(service.seen) == 3
    assert response.results[1].error.kind == "internal_error"


def test_a_full_queue_is_waited_for_until_the_deadline(connect, service, rollout, moments):
    """Nobody looked at the rollout, so it is not to blame."""
    retry = RetryPolicy(result_attempts=3, max_seconds=2)
    response = connect(retry=retry, deadline_seconds=60).score([rollout("!queue_full")])
    assert len(service.seen) > 30
    assert response.results[0].error.kind == "queue_full"
    assert 1058 < moments.time < 1060


def test_the_pause_never_reaches_past_the_deadline(connect, service, rollout, reply, moments):
    """A server that wants to be left alone for longer than there is time is not waited for."""
    service.script = lambda _: reply(503, headers={"retry-after": "3600"})
    response = connect(deadline_seconds=60).score([rollout()])
    assert (moments.pauses, response.results[0].error.kind) == ([], "deadline_exceeded")


# ---- when time is up ----------------------------------------------------------------------------------------------


def test_what_was_scored_outlives_the_deadline(connect, service, problem, rollout):
    """The rest is unscored and retryable: an outage is not a wrong answer."""
    service.script = lambda seen: problem(503, "draining") if "2" in seen.completions else None
    client = connect(batching=Batching(max_rollouts=1), deadline_seconds=20)
    response = client.score([rollout(n, group="p") for n in range(4)])
    assert response.rewards == [0.0, 1.0, None, 3.0]
    late = response.results[2]
    assert (late.status, late.id, late.group, late.error.kind) == ("unscored", "2", "p", "deadline_exceeded")
    assert late.error.retryable
    assert "20 s" in late.error.message
    assert "draining" in late.error.message
    assert (response.groups[0].size, response.groups[0].scored) == (4, 3)
    assert response.preset_hash == "sha256:1"


def test_what_the_server_said_last_is_truer_than_that_time_ran_out(connect, service, problem, rollout):
    """The first answer stands if nothing better comes."""
    service.script = lambda _: problem(503) if len(service.seen) > 1 else None
    response = connect(deadline_seconds=20).score([rollout(1), rollout("!sandbox_unavailable")])
    assert response.results[1].error.kind == "sandbox_unavailable"


def test_a_server_in_trouble_leaves_a_batch_unscored(connect, service, problem, rollout):
    """It was reached, so nothing is wrong with the call."""
    service.script = lambda _: problem(503)
    response = connect(deadline_seconds=20).score([rollout(), rollout(group="p")])
    assert response.rewards == [None, None]
    assert [result.group for result in response.results] == [None, "p"]
    assert [group.group for group in response.groups] == ["p"]
    assert (response.preset, response.preset_hash, response.version) == (None, None, None)


def _refuse(_):
    raise httpx.ConnectError("connection refused")


def test_a_server_that_was_never_reached_is_an_error_early(connect, service, rollout, moments):
    """Most likely the address is wrong."""
    service.script = _refuse
    with pytest.raises(RewardConnectionError, match="connection refused") as raised:
        connect().score([rollout()])
    assert isinstance(raised.value, ConnectionError)
    assert 1010 < moments.time <= 1030


def test_a_certificate_that_does_not_hold_is_not_tried_again(connect, service, rollout, moments):
    """Nothing that passes with time."""

    def script(_):
        try:
            raise ssl.SSLCertVerificationError("self-signed certificate")
        except ssl.SSLError as cause:
            raise httpx.ConnectError("certificate verify failed") from cause

    service.script = script
    with pytest.raises(RewardConnectionError, match="certificate verify failed"):
        connect().score([rollout()])
    assert (len(service.seen), moments.pauses) == (1, [])


def test_a_server_that_was_there_before_is_waited_for(connect, service, rollout, moments):
    """A restart is waited out; when it never comes back, that is an error, too."""
    client = connect(deadline_seconds=300)
    client.score([rollout()])
    service.script = lambda _: _refuse(_) if moments.time < 1200 else None
    assert client.score([rollout(1)]).rewards == [1.0]
    service.script = _refuse
    before = moments.time
    with pytest.raises(RewardConnectionError):
        client.score([rollout()])
    assert 270 < moments.time - before < 300


def test_a_server_that_dies_in_the_middle_of_a_batch_leaves_what_it_scored(connect, service, rollout):
    """It was reached, so its absence is an outage and no wrong address."""

    def script(seen):
        if "2" in seen.completions:
            raise httpx.ConnectError("connection refused")

    service.script = script
    client = connect(batching=Batching(max_rollouts=1, max_in_flight=1), deadline_seconds=20)
    response = client.score([rollout(1), rollout(2)])
    assert response.rewards == [1.0, None]
    assert "connection refused" in response.results[1].error.message


def test_unscored_can_be_raised(connect, rollout):
    """With everything that was scored at hand; the call's switch wins over the client's."""
    client = connect(raise_on_unscored=True)
    with pytest.raises(UnscoredError, match="1 of 2 rollouts unscored: bad_task: as asked") as raised:
        client.score([rollout(1), rollout("?bad_task")])
    assert raised.value.response.rewards == [1.0, None]
    assert [result.index for result in raised.value.unscored] == [1]
    assert client.score([rollout("?bad_task")], raise_on_unscored=False).rewards == [None]
    assert client.score([rollout(1)]).rewards == [1.0]


# ---- what the server says -----------------------------------------------------------------------------------------


def test_a_refused_field_is_named_by_its_place_in_the_callers_list(connect, service, problem, rollout):
    """Not by its place in the request it happened to travel in."""

    def refuse(seen):
        if "4" not in seen.completions:
            return None
        place = seen.completions.index("4")
        errors = [
            {"loc": f"rollouts[{place}].task.answer", "message": "Field required"},
            {"loc": "overrides.length", "message": "unknown"},
            {"loc": "rollouts[99].id", "message": "a place that is none"},
        ]
        return problem(422, "1 rollout is wrong", errors)

    service.script = refuse
    with pytest.raises(BadRequestError) as raised:
        connect(batching=Batching(max_rollouts=3)).score([rollout(n) for n in range(7)])
    assert [field.loc for field in raised.value.errors] == [
        "rollouts[4].task.answer",
        "overrides.length",
        "rollouts[99].id",
    ]
    assert "rollouts[4].task.answer: Field required" in str(raised.value)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<html>a proxy's page</html>", id="no JSON"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b'{"results": [], "groups": []}', id="too few results"),
        pytest.param(b'{"results": [{"id": "0", "status": "maybe"}], "groups": []}', id="a status of no meaning"),
    ],
)
def test_an_answer_that_is_none_is_an_error(client, service, reply, rollout, body):
    """Better none than a wrong one."""
    service.first(reply(200, body))
    with pytest.raises(ServerError):
        client.score([rollout()])


@pytest.mark.parametrize("body", [b"", b"gateway\n says <no>", b"[1]", b'{"errors": 3}', b"[" * 100_000, b"\xff"])
def test_a_refusal_need_not_be_a_problem_document(client, service, reply, rollout, body):
    """Proxies answer in their own way."""
    service.first(reply(400, body))
    with pytest.raises(BadRequestError, match="HTTP 400"):
        client.score([rollout()])


def test_rewards_of_two_presets_are_not_mixed(connect, service, reply, rollout):
    """Within a rolling update they would be wrong without looking wrong."""
    hashes = iter(["sha256:1", "sha256:2"])

    def script(seen):
        said = json.loads(service._answer(seen).body)
        return reply.json({**said, "preset_hash": next(hashes)})

    service.script = script
    with pytest.raises(ServerError, match=r"different presets.*sha256:1.*sha256:2"):
        connect(batching=Batching(max_rollouts=1)).score([rollout(), rollout()])


# ---- progress -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streaming", [False, True])
def test_progress_is_told_from_nothing_to_everything(connect, rollout, streaming):
    """In the caller's thread, once a rollout."""
    told: list[Progress] = []
    batch = [rollout(1), rollout("?bad_task")]
    client = connect(batching=Batching(max_rollouts=1, max_in_flight=1))
    if streaming:
        list(client.stream(batch, progress=told.append))
    else:
        client.score(batch, progress=told.append)
    assert told == [Progress(0, 2, 0), Progress(1, 2, 0), Progress(2, 2, 1)]


def test_a_callback_that_raises_ends_the_call(connect, rollout):
    """As any code of the caller's would."""

    def callback(progress):
        raise KeyError(progress.total)

    with pytest.raises(KeyError, match="1"):
        connect().score([rollout()], progress=callback)


def test_the_bar_is_one_line_at_the_end_of_a_log(connect, rollout, capsys):
    """Carriage returns are for terminals."""
    connect().score([rollout(1), rollout("?bad_task")], progress=True)
    assert capsys.readouterr().err == f"scoring [{'#' * 30}] 2/2  1 unscored\n"


def test_summaries_can_be_made_of_streamed_results(client, rollout):
    """They are those of the same batch, scored."""
    batch = [rollout(n % 3, group=str(n % 2)) for n in range(8)]
    streamed = sorted(client.stream(batch), key=lambda result: result.index)
    assert summarise(streamed) == client.score(batch).groups
