"""What a server promises beside rewards: streams, readiness, tokens, ids, metrics, deadlines, admission."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

import httpx
import pytest

from reward_server.app import Tracing, create_app
from reward_server.metrics import Metrics
from reward_server.scoring_run import embedded_server
from reward_server.settings import SandboxSettings, Settings

GOOD = {"completion": "<think>a</think>\\boxed{1}", "task": {"kind": "math", "answer": "1"}}
SLEEPER = {
    "completion": "<think>a</think>\n```python\nimport time; time.sleep(600)\n```",
    "task": {
        "kind": "code",
        "language": "python",
        "tests": [{"stdin": "", "stdout": ""}],
        "limits": {"wall_seconds": 600},
    },
}


def served(**settings):
    """A server of its own, without a sandbox unless it is asked for."""
    return embedded_server(create_app(Settings(**{"sandbox": SandboxSettings(backend="off")} | settings)))


def until_in_flight(client, rollouts):
    """Ask until so many rollouts are in work; a server that never gets there fails the test."""
    deadline = time.monotonic() + 60
    while f"reward_rollouts_in_flight {rollouts}.0" not in client.get("/metrics").text:
        assert time.monotonic() < deadline


def test_a_stream_gives_every_result_and_then_the_groups(server):
    """One NDJSON line a result with its place, then the summary that the batch route gives."""
    rollouts = [{**GOOD, "id": str(n), "group": "g", "completion": f"<think>a</think>\\boxed{{{n}}}"} for n in range(9)]
    lines = server.post("/v1/score/stream", json={"rollouts": rollouts}).text.splitlines()
    *results, last = [json.loads(line) for line in lines]
    whole = server.post("/v1/score", json={"rollouts": rollouts}).json()
    in_order = sorted(results, key=lambda line: line["index"])
    assert [{**line, "index": None} for line in in_order] == [{**result, "index": None} for result in whole["results"]]
    assert last["groups"] == whole["groups"]
    assert last["preset_hash"] == whole["preset_hash"]


def test_a_request_keeps_its_id(server):
    """The client's own where it is sane, else one of ours."""
    assert server.get("/healthz", headers={"X-Request-Id": "run-7:42"}).headers["x-request-id"] == "run-7:42"
    assert re.fullmatch(
        r"[0-9a-f]{32}", server.get("/healthz", headers={"X-Request-Id": "a b"}).headers["x-request-id"]
    )


def test_a_ready_server_says_what_it_is_made_of(server):
    """Live, ready, and by which isolation."""
    assert server.get("/healthz").json()["status"] == "ok"
    ready = server.get("/readyz")
    assert ready.status_code == 200
    assert set(ready.json()["parts"]) == {"math", "sandbox"}


def test_metrics_count_results_by_verdict(server):
    """In Prometheus' format."""
    server.post("/v1/score", json={"rollouts": [GOOD]})
    text = server.get("/metrics").text
    assert re.search(r'reward_rollouts_total\{kind="math",status="scored",verdict="correct"\} [1-9]', text)
    assert "reward_ready 1.0" in text


def test_the_documentation_needs_no_network(server):
    """Page, script and style come from this server, and the schema names every body."""
    page = server.get("/docs").text
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert sources
    base = urlsplit(str(server.base_url)).netloc
    assert {urlsplit(source).netloc for source in sources} <= {"", base}
    assert all(server.get(source).status_code == 200 for source in sources)
    document = server.get("/openapi.json").json()
    body = document["paths"]["/v1/score"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["$ref"].rpartition("/")[2] in document["components"]["schemas"]
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert references <= set(document["components"]["schemas"])


def test_verify_says_how_it_came_to_its_verdict(server):
    """The content of a box, or a text with a box in it."""
    for answer in ("\\frac12", "so it is \\boxed{\\frac12}"):
        found = server.post("/v1/verify", json={"answer": answer, "reference": "0.5"}).json()
        assert (found["verdict"], found["extracted"]) == ("correct", "\\frac12")
        assert found["method"]
        assert found["normalised"]
    assert server.post("/v1/verify", json={"answer": "", "reference": "1"}).json()["verdict"] == "no_answer"
    broken = server.post("/v1/verify", json={"answer": "1", "reference": "\\frac{1}{"})
    assert broken.status_code == 422
    assert broken.json()["errors"][0]["loc"] == "reference"


def test_judge_shows_every_test(server):
    """None is skipped unless it is asked for."""
    tests = [{"stdin": str(n), "stdout": str(n)} for n in range(4)]
    body = {"code": "n = input(); print(n if n != '1' else 'no')", "language": "python", "tests": tests}
    judged = server.post("/v1/judge", json=body).json()
    assert [row["verdict"] for row in judged["tests"]] == ["accepted", "wrong_answer", "accepted", "accepted"]
    assert (judged["verdict"], judged["passed"], judged["total"]) == ("wrong_answer", 3, 4)
    stopped = server.post("/v1/judge", json=body | {"stop_at_first_failure": True}).json()
    assert len(stopped["tests"]) < 4


def test_execute_runs_once(server):
    """Output, exit code, time and memory."""
    body = {
        "code": "import sys; print(input()); sys.stderr.write('e'); sys.exit(3)",
        "language": "python",
        "stdin": "x",
    }
    ran = server.post("/v1/execute", json=body).json()
    assert (ran["stdout"], ran["stderr"], ran["exit_code"]) == ("x\n", "e", 3)
    assert ran["cpu_seconds"] >= 0
    assert ran["memory_mb"] > 0
    assert server.post("/v1/execute", json=body | {"language": "klingon"}).status_code == 422


def test_language_tells_each_text(server):
    """After removal of LaTeX and code."""
    texts = ["Les mathématiques sont la reine des sciences, dit-on depuis longtemps.", "$x^2$", "Привет, как дела?"]
    results = server.post("/v1/language", json={"texts": texts}).json()["results"]
    assert [result["label"] for result in results] == ["fr", None, "ru"]


def test_presets_are_shown_with_hash_and_schema(server):
    """The hash of the list is the hash of a response scored by it."""
    (preset,) = server.get("/v1/presets").json()["presets"]
    assert server.get(f"/v1/presets/{preset['name']}").json()["hash"] == preset["hash"]
    scored = server.post("/v1/score", json={"rollouts": [GOOD]}).json()
    assert (scored["preset"], scored["preset_hash"]) == (preset["name"], preset["hash"])
    changed = server.post("/v1/score", json={"rollouts": [GOOD], "overrides": {"length": {"l_max": 50_000}}}).json()
    assert changed["preset_hash"] != preset["hash"]


@pytest.mark.parametrize(
    ("header", "status"),
    [
        pytest.param(None, 401, id="none"),
        pytest.param("Bearer three", 401, id="a wrong one"),
        pytest.param("Bearer", 401, id="an empty one"),
        pytest.param("Basic one", 401, id="another scheme"),
        pytest.param("Bearer one,two", 401, id="the whole list"),
        pytest.param("Bearer one", 200, id="the first"),
        pytest.param("bearer two", 200, id="the second"),
    ],
)
def test_tokens_guard_everything_that_scores(guarded, header, status):
    """Any of those configured; health, metrics and documentation stay open."""
    headers = {} if header is None else {"Authorization": header}
    answer = guarded.post("/v1/score", json={"rollouts": [GOOD]}, headers=headers)
    assert answer.status_code == status
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert guarded.get("/healthz").status_code == 200


@pytest.fixture(scope="module")
def guarded():
    with served(api_tokens="one, two") as running:
        yield running.client


def test_code_without_a_sandbox_is_unscored_and_math_is_not():
    """An outage is not a wrong answer."""
    with served() as running:
        results = running.client.post("/v1/score", json={"rollouts": [SLEEPER, GOOD]}).json()["results"]
        assert results[0]["error"]["kind"] == "sandbox_unavailable"
        assert results[0]["error"]["retryable"] is True
        assert results[1]["verdict"] == "correct"
        refused = running.client.post("/v1/execute", json={"code": "", "language": "python"})
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0


def test_what_is_not_judged_by_the_deadline_is_unscored():
    """And what is judged in time is scored."""
    with served(deadline_seconds=1.0, sandbox=SandboxSettings(workers=1)) as running:
        results = running.client.post("/v1/score", json={"rollouts": [SLEEPER, GOOD]}).json()["results"]
        assert results[0]["error"] == {
            "kind": "deadline_exceeded",
            "message": "not judged within 1 s",
            "retryable": True,
        }
        assert results[1]["verdict"] == "correct"


def test_a_full_queue_is_said_at_once():
    """One program runs, one waits, and the third is told so."""
    with served(deadline_seconds=2.0, sandbox=SandboxSettings(workers=1, max_waiting=1)) as running:
        results = running.client.post("/v1/score", json={"rollouts": [SLEEPER] * 4}).json()["results"]
        kinds = {result["error"]["kind"] for result in results}
        assert kinds == {"deadline_exceeded", "queue_full"}


def test_a_server_that_is_full_says_when_to_come_back():
    """Nothing is accepted and then dropped; and a client that goes away leaves its place."""
    with served(max_in_flight=2, sandbox=SandboxSettings(workers=1)) as running:
        with running.client.stream("POST", "/v1/score/stream", json={"rollouts": [GOOD, SLEEPER]}) as stream:
            lines = stream.iter_lines()  # kept: closing it would close the stream
            assert json.loads(next(lines))["verdict"] == "correct"
            with httpx.Client(base_url=running.client.base_url) as second:
                refused = second.post("/v1/score", json={"rollouts": [GOOD]})
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        until_in_flight(running.client, 0)
        assert running.client.post("/v1/score", json={"rollouts": [GOOD]}).status_code == 200


def test_a_client_that_goes_away_ends_its_work():
    """Nobody waits for the result, so nothing is run for it."""
    with served(sandbox=SandboxSettings(workers=1)) as running:
        address = running.client.base_url
        body = json.dumps({"rollouts": [SLEEPER]}).encode()
        with socket.create_connection((address.host, address.port)) as client:
            head = f"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            client.sendall(head.encode() + body)
            until_in_flight(running.client, 1)
        until_in_flight(running.client, 0)


def test_work_that_nobody_waits_for_ends():
    """A client that leaves a hundred hard comparisons behind leaves the workers free."""
    sums = [f"\\sum_{{k=1}}^{{20000{n}}} \\frac{{\\sin k}}{{k}}" for n in range(100)]
    rollouts = [
        {"completion": f"<think>a</think>\\boxed{{{text}}}", "task": {"kind": "math", "answer": text.replace("2", "3")}}
        for text in sums
    ]
    with served(math_workers=1) as running:
        body = {"rollouts": [GOOD, *rollouts], "overrides": {"math": {"cpu_seconds": 60}}}
        with running.client.stream("POST", "/v1/score/stream", json=body) as stream:
            next(stream.iter_lines())
        until_in_flight(running.client, 0)
        hard = {"answer": "\\sum_{k=1}^{\\infty} \\frac{1}{7^k}", "reference": "\\int_0^1 \\frac{x}{3}\\,dx"}
        assert running.client.post("/v1/verify", json=hard, timeout=60).json()["verdict"] == "correct"


def test_a_server_that_is_told_to_end_answers_what_it_has_accepted():
    """SIGTERM: what is not judged within the drain time is unscored and may be sent again; nothing is dropped."""
    environment = os.environ | {"REWARD_DRAIN_SECONDS": "0.5", "SANDBOX_WORKERS": "1", "REWARD_MATH_WORKERS": "1"}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "reward_server", "serve", "--port", str(port)]
    server = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            until_ready(client)
            with client.stream("POST", "/v1/score/stream", json={"rollouts": [GOOD, SLEEPER]}) as stream:
                lines = stream.iter_lines()
                assert json.loads(next(lines))["verdict"] == "correct"
                server.terminate()
                cut = json.loads(next(lines))
                assert (cut["status"], cut["error"]["kind"]) == ("unscored", "deadline_exceeded")
                assert cut["error"]["retryable"] is True
                assert "groups" in json.loads(next(lines))
        assert server.wait(timeout=60) in {0, -signal.SIGTERM}
    finally:
        server.kill()
        server.wait()


def until_ready(client):
    deadline = time.monotonic() + 60
    while True:
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline


def test_a_fault_that_nobody_foresaw_keeps_its_id(server):
    """500 as a problem document, with the id to look for in the log."""

    async def broken(scope, receive, send):
        raise ZeroDivisionError

    async def ask():
        app = Tracing(broken, Metrics())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
            return await client.get("/", headers={"X-Request-Id": "r-1"})

    answer = asyncio.run(ask())
    assert (answer.status_code, answer.headers["x-request-id"]) == (500, "r-1")
    assert answer.headers["content-type"] == "application/problem+json"


def test_documents_of_any_length_leave_the_loop_free(server):
    """Long texts are read beside it; the answer says what they are all the same."""
    english = "This is a sentence about numbers and what can be done with them. " * 20_000
    assert server.post("/v1/language", json={"texts": [english]}).json()["results"][0]["label"] == "en"
    rollout = {**GOOD, "completion": f"<think>{english}</think>{'```x ' * 100_000}\\boxed{{1}}"}
    assert server.post("/v1/score", json={"rollouts": [rollout]}).json()["results"][0]["verdict"] == "correct"


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_may_ask_for_the_head_alone(server, path):
    """As load balancers do."""
    answer = server.head(path)
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_body_that_does_not_come_is_408():
    """Nobody holds a connection by not sending; the answer says why, and the connection ends."""
    with served(read_seconds=0.2) as running:
        address = urlsplit(str(running.client.base_url))
        with socket.create_connection((address.hostname, address.port), timeout=60) as slow:
            slow.sendall(b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            received = b""
            while chunk := slow.recv(65536):
                received += chunk
    assert received.startswith(b"HTTP/1.1 408")
    assert b"the body was not there within 0.2 s" in received


def test_a_large_batch_is_answered_whole(server):
    """Rollouts by the thousand that are begun, read and answered in turns keep their order and lose nobody."""
    rollouts = [{**GOOD, "id": str(n), "completion": f"<think>a</think>\\boxed{{{n % 3}}}"} for n in range(3_000)]
    results = server.post("/v1/score", json={"rollouts": rollouts}).json()["results"]
    assert [result["id"] for result in results] == [rollout["id"] for rollout in rollouts]
    assert [result["verdict"] == "correct" for result in results] == [n % 3 == 1 for n in range(3_000)]
