"""Bad input is refused with the field named, or scored; it is never a 500 and never a hang."""

from __future__ import annotations

import gzip
import json

import pytest

MATH = {"kind": "math", "answer": "1"}
GOOD = {"id": "a", "completion": "<think>a</think>\\boxed{1}", "task": MATH}


def with_task(**task):
    return {"rollouts": [{**GOOD, "task": {"kind": "code", **task}}]}


STDIO = {"stdin": "", "stdout": ""}


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        pytest.param({"rollouts": []}, "rollouts", id="empty batch"),
        pytest.param({}, "rollouts", id="no batch"),
        pytest.param([], "body", id="not an object"),
        pytest.param({"rollouts": [GOOD], "presett": "x"}, "presett", id="unknown field"),
        pytest.param({"rollouts": [{**GOOD, "tokens": 1}]}, "rollouts[0].tokens", id="unknown field of a rollout"),
        pytest.param(
            {"rollouts": [{**GOOD, "task": {**MATH, "answers": []}}]},
            "rollouts[0].task.answers",
            id="unknown field of a task",
        ),
        pytest.param({"rollouts": [{**GOOD, "completion": 5}]}, "rollouts[0].completion", id="wrong type"),
        pytest.param({"rollouts": [{**GOOD, "completion": None}]}, "rollouts[0].completion", id="null"),
        pytest.param(
            {"rollouts": [{**GOOD, "completion_tokens": "12"}]}, "rollouts[0].completion_tokens", id="number in quotes"
        ),
        pytest.param(
            {"rollouts": [{**GOOD, "completion_tokens": -1}]}, "rollouts[0].completion_tokens", id="negative length"
        ),
        pytest.param(
            {"rollouts": [GOOD, {**GOOD, "task": {"kind": "math"}}]}, "rollouts[1].task.answer", id="no reference"
        ),
        pytest.param(
            {"rollouts": [{**GOOD, "task": {"kind": "math", "answer": []}}]}, "rollouts[0].task.answer", id="empty list"
        ),
        pytest.param({"rollouts": [{**GOOD, "task": {"kind": "maths"}}]}, "rollouts[0].task", id="no such kind"),
        pytest.param(
            {"rollouts": [{**GOOD, "completion": [{"role": "user", "content": "x"}]}]},
            "rollouts[0].completion[0].role",
            id="a completion that the user wrote",
        ),
        pytest.param(with_task(tests=[]), "rollouts[0].task.tests", id="0 tests"),
        pytest.param(with_task(), "rollouts[0].task", id="neither tests nor input_output"),
        pytest.param(with_task(tests=[STDIO, {"assert": "x"}]), "rollouts[0].task", id="tests of two forms"),
        pytest.param(with_task(tests=[{"in": "", "out": ""}]), "rollouts[0].task.tests[0]", id="a test of no form"),
        pytest.param(with_task(tests=[{"stdin": ""}]), "rollouts[0].task.tests[0].stdout", id="half a test"),
        pytest.param(with_task(tests=[{"input": [], "output": 1}]), "rollouts[0].task", id="a call of no function"),
        pytest.param(
            with_task(input_output={"inputs": ["1"], "outputs": []}),
            "rollouts[0].task.input_output.outputs",
            id="no outputs",
        ),
        pytest.param(
            with_task(input_output={"inputs": ["1"], "outputs": ["1", "2"]}),
            "rollouts[0].task.input_output",
            id="outputs without inputs",
        ),
        pytest.param(with_task(input_output="{"), "rollouts[0].task.input_output", id="input_output that is no JSON"),
        pytest.param(
            with_task(tests=[STDIO], limits={"cpu_seconds": 0}), "rollouts[0].task.limits.cpu_seconds", id="no time"
        ),
        pytest.param(with_task(tests=[STDIO], limits={"cpu": 1}), "rollouts[0].task.limits.cpu", id="an unknown limit"),
        pytest.param(with_task(tests=[STDIO], checker="fuzzy"), "rollouts[0].task.checker", id="no such checker"),
        pytest.param(with_task(tests=[STDIO], abs_tol=0.1), "rollouts[0].task", id="a tolerance without floats"),
        pytest.param(
            with_task(tests=[STDIO], checker={"kind": "tokens"}, rel_tol=0.1),
            "rollouts[0].task",
            id="the same, beside an object",
        ),
        pytest.param(
            with_task(tests=[STDIO], checker="program"), "rollouts[0].task", id="a checker without its program"
        ),
        pytest.param(
            with_task(fn_name="f; g", tests=[{"input": [], "output": 1}]),
            "rollouts[0].task.fn_name",
            id="no name of a function",
        ),
        pytest.param(
            with_task(fn_name="f" * 201, tests=[{"input": [], "output": 1}]),
            "rollouts[0].task.fn_name",
            id="a name that is a text",
        ),
        pytest.param(
            with_task(fn_name="f", input_output={"inputs": [[1]], "outputs": [1], "fn_name": "g"}),
            "rollouts[0].task",
            id="two names of functions",
        ),
        pytest.param(
            {"rollouts": [GOOD], "overrides": {"language": {"consistency": {"families": [["x"]] * 3_000}}}},
            "overrides",
            id="more switches than there are",
        ),
        pytest.param(
            {"rollouts": [{**GOOD, "completion": [{"role": "assistant", "reasoning": "a", "reasoning_content": "b"}]}]},
            "rollouts[0].completion[0]",
            id="two reasonings that differ",
        ),
        pytest.param({"rollouts": [GOOD], "seed": "s" * 300_000}, "seed", id="an option of hundreds of kilobytes"),
        pytest.param(
            with_task(fn_name="f", tests=[{"input": [0] * 10_001, "output": 1}]),
            "rollouts[0].task.tests[0].input",
            id="more arguments than a call has",
        ),
        pytest.param({"rollouts": [{**GOOD, "<x>[0]": 1}]}, "rollouts[0].<x>[0]", id="a field with an odd name"),
        pytest.param({"rollouts": [GOOD], "preset": "mistral"}, "preset", id="no such preset"),
        pytest.param(
            {"rollouts": [GOOD], "overrides": {"length": {"l_maxx": 1}}}, "overrides.length.l_maxx", id="no such switch"
        ),
        pytest.param({"rollouts": [GOOD], "overrides": {"length": 3}}, "overrides.length", id="no table of switches"),
    ],
)
def test_a_request_that_is_none_is_refused_with_its_field_named(server, body, loc):
    """422, as a problem document, with a path into the request."""
    answer = server.post("/v1/score", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert loc in [error["loc"] for error in answer.json()["errors"]]


@pytest.mark.parametrize(
    ("change", "loc"),
    [
        pytest.param({"checker": "nope"}, "rollouts[0].task.checker", id="no such checker"),
        pytest.param({"checker": 5}, "rollouts[0].task.checker", id="no type of a checker"),
        pytest.param({"checker": {"kind": "nope"}}, "rollouts[0].task.checker.kind", id="no such kind of one"),
        pytest.param({"checker": {"kind": "exact", "foo": 1}}, "rollouts[0].task.checker.foo", id="a field of its own"),
        pytest.param({"tests": [{"stdin": 5, "stdout": ""}]}, "rollouts[0].task.tests[0].stdin", id="no text"),
        pytest.param({"tests": [{"stdin": "", "stdout": "", "x": 1}]}, "rollouts[0].task.tests[0].x", id="in a test"),
    ],
)
def test_a_field_of_several_types_is_refused_by_the_one_it_has(server, change, loc):
    """One fault, in the path that the client wrote: nobody hears of types that the field was never meant to be."""
    answer = server.post("/v1/score", json=with_task(**{"tests": [STDIO]} | change))
    assert answer.status_code == 422
    assert [error["loc"] for error in answer.json()["errors"]] == [loc]


IO_STRINGS = [
    pytest.param('{"inputs": ["\\ud800"], "outputs": ["x"]}', id="half a character"),
    pytest.param('{"inputs": [' + "[" * 400 + "]" * 400 + '], "outputs": [1], "fn_name": "f"}', id="too deep"),
    pytest.param('{"inputs": [[' + "9" * 6_000 + ']], "outputs": [1], "fn_name": "f"}', id="a number of 6,000 digits"),
    pytest.param('{"inputs": ["x"], "outputs": [NaN]}', id="NaN"),
    pytest.param("{", id="no JSON"),
]


@pytest.mark.parametrize("text", IO_STRINGS)
@pytest.mark.parametrize("group", [None, "g"], ids=["no group", "group"])
def test_an_input_output_string_is_read_by_the_rules_of_the_body(server, text, group):
    """What could not stand in the body cannot stand in a string in it: refused by name, never a 500."""
    rollout = with_task(input_output=text)["rollouts"][0] | {"group": group}
    answer = server.post("/v1/score", json={"rollouts": [GOOD, rollout]})
    assert answer.status_code == 422, answer.text
    assert [error["loc"] for error in answer.json()["errors"]] == ["rollouts[1].task.input_output"]


@pytest.mark.parametrize("text", IO_STRINGS)
def test_so_it_is_where_a_program_is_judged_alone(server, text):
    """In the words of that request."""
    answer = server.post("/v1/judge", json={"code": "print(1)", "language": "python", "input_output": text})
    assert answer.status_code == 422, answer.text
    assert [error["loc"] for error in answer.json()["errors"]] == ["input_output"]


@pytest.mark.parametrize(
    "document",
    [
        pytest.param('["\\ud800"]', id="half a character"),
        pytest.param("[" * 900 + "]" * 900, id="too deep"),
        pytest.param("9" * 6_000, id="a number of 6,000 digits"),
        pytest.param("1e999", id="an infinity"),
        pytest.param("[", id="no JSON"),
    ],
)
@pytest.mark.parametrize("group", [None, "g"], ids=["no group", "group"])
def test_a_document_within_a_test_that_nobody_can_read_is_a_broken_task(server, document, group):
    """LiveCodeBench writes arguments as JSON in strings. Sending it again would not help, and its neighbours score."""
    broken = {"inputs": [document], "outputs": ["1"], "fn_name": "f"}
    rollout = with_task(input_output=broken)["rollouts"][0] | {"group": group}
    results = server.post("/v1/score", json={"rollouts": [GOOD, rollout]}).json()["results"]
    assert results[0]["reward"] == 1.1
    assert (results[1]["error"]["kind"], results[1]["error"]["retryable"]) == ("bad_task", False)


@pytest.mark.parametrize("path", ["/v1/score", "/v1/score/stream", "/v1/verify", "/v1/judge", "/v1/execute"])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="cut short"),
        pytest.param(b"\xff\xfe{}", id="not UTF-8"),
        pytest.param(b"[" * 100_000, id="too deep"),
        pytest.param(b'{"a":' * 100_000, id="too deep, with keys"),
        pytest.param(b'"\\ud800"', id="a lone surrogate"),
        pytest.param(b"null", id="null"),
    ],
)
def test_what_is_no_json_object_is_refused_everywhere(server, path, body):
    """With the place in the text."""
    answer = server.post(path, content=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_limits_that_are_no_numbers_are_refused(server, number):
    """A limit of NaN would be none."""
    body = json.dumps(with_task(tests=[STDIO], limits={"cpu_seconds": 7.0})).replace("7.0", number)
    answer = server.post("/v1/score", content=body)
    assert answer.status_code == 422
    assert "rollouts[0].task.limits.cpu_seconds" in [error["loc"] for error in answer.json()["errors"]]


@pytest.mark.parametrize("number", ["NaN", "Infinity", '[1, {"a": -Infinity}]', "1e999"])
def test_an_expected_output_that_equals_nothing_is_refused(server, number):
    """No program could ever be right."""
    body = json.dumps(with_task(fn_name="f", tests=[{"input": [], "output": 77}])).replace("77", number)
    answer = server.post("/v1/score", content=body)
    assert answer.status_code == 422
    assert "rollouts[0].task.tests[0].output" in [error["loc"] for error in answer.json()["errors"]]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"rollouts": [0] * 60_000}, id="rollouts that are none"),
        pytest.param({"rollouts": [0] * 1_000_000}, id="more of them than are ever taken"),
        pytest.param({"rollouts": [GOOD], **{str(n): 0 for n in range(30_000)}}, id="fields that are none"),
    ],
)
def test_a_thousand_faults_are_not_a_thousand_lines(server, body):
    """What is wrong with a request is said in a few kilobytes."""
    answer = server.post("/v1/score", json=body)
    assert answer.status_code == 422
    assert 0 < len(answer.content) < 20_000


def test_a_body_over_the_limit_is_413(server):
    """And the client sees it, though it is still sending."""
    answer = server.post("/v1/score", content=b" " * (50 * 1024 * 1024))
    assert answer.status_code == 413
    assert answer.json()["errors"][0]["loc"] == "body"


def test_a_gzip_bomb_is_413(server):
    """The limit is on what it unpacks to."""
    bomb = gzip.compress(b" " * (100 * 1024 * 1024))
    answer = server.post("/v1/score", content=bomb, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 413


def test_gzip_bodies_are_accepted(server):
    """They mean the same."""
    body = gzip.compress(json.dumps({"rollouts": [GOOD]}).encode())
    answer = server.post("/v1/score", content=body, headers={"Content-Encoding": "gzip"})
    assert answer.json()["results"][0]["verdict"] == "correct"


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        pytest.param(b"no gzip", "gzip", 422, id="no gzip"),
        pytest.param(gzip.compress(b"{}" * 1000)[:-20], "gzip", 422, id="cut short"),
        pytest.param(b"{}", "br", 415, id="another encoding"),
    ],
)
def test_a_broken_encoding_is_refused(server, body, encoding, status):
    """By name."""
    answer = server.post("/v1/score", content=body, headers={"Content-Encoding": encoding})
    assert answer.status_code == status


def test_a_gzip_stream_may_have_members(server):
    """As log shippers and `cat a.gz b.gz` make them (RFC 1952); what follows the last must be one, too."""
    body = json.dumps({"rollouts": [GOOD]}).encode()
    members = gzip.compress(body[:20]) + gzip.compress(body[20:])
    answer = server.post("/v1/score", content=members, headers={"Content-Encoding": "gzip"})
    assert answer.json()["results"][0]["verdict"] == "correct"
    answer = server.post("/v1/score", content=members + b"more", headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 422


def test_too_many_rollouts_are_413(server):
    """8,192 at once by default."""
    answer = server.post("/v1/score", json={"rollouts": [GOOD] * 8193})
    assert answer.status_code == 413
    assert answer.json()["errors"][0]["loc"] == "rollouts"


@pytest.mark.parametrize(
    ("completion", "reward"),
    [
        pytest.param("<think>\ud800</think>\\boxed{1}", 1.1, id="half a character in the thoughts"),
        pytest.param("<think>a</think>\\boxed{1\udfff}", 0.2, id="half a character in the box"),
        pytest.param("<think>\0</think>\0\\boxed{1}", 1.1, id="NUL"),
        pytest.param("<think>a</think>\\boxed{" + "1" * 100_000 + "}", 0.2, id="a long number"),
        pytest.param("<think>a</think>\\boxed{" + "{" * 50_000 + "2" + "}" * 50_000 + "}", 0.2, id="a deep box"),
        pytest.param("<think>a</think>\\boxed{" + "{" * 50_000 + "}" * 50_000 + "}", 0.0, id="a deep box of nothing"),
        pytest.param("<think>" + "\\[" * 500_000 + "</think>\\boxed{1}", 1.1, id="a million brackets"),
        pytest.param("<think>" + "$" * 1_000_000 + "</think>\\boxed{1}", 1.1, id="a million dollars"),
        pytest.param("<think>" * 100_000, 0.0, id="a hundred thousand tags"),
    ],
)
def test_whatever_a_model_writes_is_scored(server, completion, reward):
    """What a model wrote must be gradable whatever it wrote."""
    answer = server.post("/v1/score", content=json.dumps({"rollouts": [{**GOOD, "completion": completion}]}))
    assert answer.status_code == 200, answer.text
    assert answer.json()["results"][0]["reward"] == reward


def test_half_a_character_in_a_task_is_refused(server):
    """No program could ever print it."""
    body = json.dumps(with_task(tests=[{"stdin": "", "stdout": "\ud800"}]))
    answer = server.post("/v1/score", content=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == "rollouts[0].task.tests[0].stdout"


def test_nul_bytes_reach_a_program_and_come_back(server):
    """Bytes are bytes."""
    program = "import sys; sys.stdout.write(sys.stdin.read())"
    task = {"kind": "code", "language": "python", "tests": [{"stdin": "a\0b", "stdout": "a\0b"}]}
    rollout = {"completion": f"<think>a</think>\n```python\n{program}\n```", "task": task}
    answer = server.post("/v1/score", json={"rollouts": [rollout]})
    assert answer.json()["results"][0]["verdict"] == "accepted"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/score", 405), ("GET", "/nothing", 404), ("GET", "/v1/presets/none", 404), ("PUT", "/healthz", 405)],
)
def test_every_error_is_a_problem_document(server, method, path, status):
    """RFC 9457, with the id of the request."""
    answer = server.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert answer.headers["x-request-id"]
