"""The single questions: what is asked, what is read, and how long is waited."""

from __future__ import annotations

import pytest

from reward_client import (
    AuthError,
    BadRequestError,
    Checker,
    Limits,
    RewardClient,
    RewardConnectionError,
    RewardTimeoutError,
    ServerError,
    StdioTest,
)


@pytest.fixture
def client(service, moments):
    with RewardClient(transport=service.transport, clock=moments.clock, deadline_seconds=60) as open_client:
        yield open_client


def test_verify(client, service, reply):
    """Answer and reference go out, verdict and both sides as compared come back."""
    service.first(reply.json({"verdict": "correct", "method": "exact", "normalised": {"answer": "1/2"}, "new": 1}))
    said = client.verify(r"\boxed{0.5}", ["1/2", "0.5"], preset="strict")
    assert (said.verdict, said.method, said.normalised) == ("correct", "exact", {"answer": "1/2"})
    (seen,) = service.seen
    assert (seen.method, seen.path) == ("POST", "/v1/verify")
    assert seen.body == {"answer": r"\boxed{0.5}", "reference": ["1/2", "0.5"], "preset": "strict"}


def test_judge(client, service, reply):
    """Models and mappings go out as one; a row a test comes back."""
    row = {"index": 0, "verdict": "accepted", "cpu_seconds": 0.01, "memory_mb": 9.5}
    service.first(reply.json({"verdict": "accepted", "passed": 1, "total": 1, "tests": [row]}))
    said = client.judge(
        "print(input())",
        "python",
        [StdioTest(stdin="1", stdout="1"), {"stdin": "2", "stdout": "2"}],
        limits=Limits(memory_mb=64),
        checker=Checker(kind="floats", rel_tol=1e-3),
    )
    assert (said.verdict, said.tests[0].memory_mb) == ("accepted", 9.5)
    assert service.seen[0].body == {
        "code": "print(input())",
        "language": "python",
        "tests": [{"stdin": "1", "stdout": "1"}, {"stdin": "2", "stdout": "2"}],
        "limits": {"memory_mb": 64},
        "checker": {"kind": "floats", "rel_tol": 1e-3},
    }


def test_execute(client, service, reply):
    """One run, as it ended."""
    service.first(reply.json({"verdict": "runtime_error", "stdout": "", "stderr": "boom", "exit_code": 3}))
    said = client.execute("…", "python", stdin="x", limits={"cpu_seconds": 1})
    assert (said.stderr, said.exit_code) == ("boom", 3)
    assert service.seen[0].body == {"code": "…", "language": "python", "stdin": "x", "limits": {"cpu_seconds": 1}}


def test_language(client, service, reply):
    """One guess a text, none where there is nothing to go by."""
    service.first(reply.json({"results": [{"label": "fr", "probability": 0.9}, {"label": None, "probability": 0.0}]}))
    assert [guess.label for guess in client.language(["Bonjour à tous", "42"])] == ["fr", None]
    assert service.seen[0].body == {"texts": ["Bonjour à tous", "42"]}


def test_presets(client, service, reply):
    """Each with its hash and the schema of its switches."""
    magistral = {"name": "magistral", "hash": "sha256:1", "preset": {"length": {"l_max": 9}}}
    service.first(
        reply.json({"presets": [magistral], "schema": {"type": "object"}}),
        reply.json(magistral | {"schema": {"type": "object"}}),
    )
    (listed,) = client.presets()
    assert listed == client.preset("a/b")
    assert (listed.name, listed.hash, listed.json_schema) == ("magistral", "sha256:1", {"type": "object"})
    assert [seen.path for seen in service.seen] == ["/v1/presets", "/v1/presets/a/b"]  # decoded by the transport


def test_an_unknown_preset_is_a_bad_request(client, problem, service):
    """The name was wrong, and stays so."""
    service.first(problem(404, "no preset 'x'"))
    with pytest.raises(BadRequestError, match="no preset 'x'") as raised:
        client.preset("x")
    assert raised.value.status == 404


@pytest.mark.parametrize("ask", ["health", "ready"])
@pytest.mark.parametrize(("status", "ok"), [(200, True), (503, False)])
def test_health_and_readiness_are_told_and_not_raised(client, service, reply, ask, status, ok):
    """Asked once: whoever asks wants to know how it is now."""
    service.first(reply.json({"ready": ok}, status=status))
    said = getattr(client, ask)()
    assert (said.ok, said.status, said.body) == (ok, status, {"ready": ok})
    assert len(service.seen) == 1


def test_health_need_not_be_json(client, service, reply):
    """A proxy may answer for the server."""
    service.first(reply(502, b"bad gateway"))
    assert client.health().body == "bad gateway"


def test_a_server_that_starts_is_waited_for(client, service, reply, moments):
    """Neither refused connections nor "not yet" end the wait."""

    def script(_):
        if len(service.seen) < 3:
            raise service_down()
        return reply.json({"ready": len(service.seen) > 4}, status=200 if len(service.seen) > 4 else 503)

    service.script = script
    client.wait_until_ready()
    assert moments.pauses == [0.25, 0.5, 1.0, 2.0]


def service_down():
    import httpx

    return httpx.ConnectError("refused")


def test_a_server_that_never_starts_is_not_waited_for_longer_than_said(client, service, reply, moments):
    """The last thing it said is in the message."""
    service.script = lambda _: reply.json({"ready": False, "parts": "cold"}, status=503)
    with pytest.raises(RewardTimeoutError, match=r"not ready within 30 s.*cold"):
        client.wait_until_ready(30)
    assert moments.time <= 1030


def test_a_question_is_asked_again_until_the_deadline(client, service, problem, reply, moments):
    """Then the latest failure is told; unlike a batch, there is nothing else to return."""
    service.first(problem(503, "full"), problem(429))
    service_answer = reply.json({"verdict": "correct"})
    later = service.script
    service.script = lambda seen: later(seen) or service_answer
    assert client.verify("1", "1").verdict == "correct"
    assert moments.pauses == [0.25, 0.5]
    service.script = lambda _: problem(503, "full")
    with pytest.raises(RewardTimeoutError, match=r"60 s; latest failure: HTTP 503: full"):
        client.verify("1", "1")


def test_a_server_that_is_never_reached_is_a_connection_error(client, service):
    """As for a batch."""

    def refuse(_):
        raise service_down()

    service.script = refuse
    with pytest.raises(RewardConnectionError):
        client.verify("1", "1")


@pytest.mark.parametrize(("status", "kind"), [(401, AuthError), (422, BadRequestError), (500, ServerError)])
def test_what_cannot_get_better_is_raised(client, service, problem, status, kind):
    """With the fields at fault."""
    service.first(problem(status, "no", [{"loc": "answer", "message": "Field required"}]))
    with pytest.raises(kind, match="answer: Field required"):
        client.verify("1", "1")
    assert len(service.seen) == 1
