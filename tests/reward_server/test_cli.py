"""The command line as a script meets it: JSON lines on standard output, words on standard error, exit codes."""

from __future__ import annotations

import http.server
import json
import os
import socket
import subprocess
import sys
import threading

import pytest
import uvicorn

from reward_server import samples
from reward_server.cli import listening_socket

GOOD = {"completion": "<think>a</think>\\boxed{1}", "task": {"kind": "math", "answer": "1"}}


def run(*arguments, stdin="", **environment):
    """Run `reward-server` with these arguments."""
    return subprocess.run(
        [sys.executable, "-m", "reward_server", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )


@pytest.fixture
def rollouts(tmp_path):
    """Three rollouts in a file: right, wrong, and one without a reward."""
    broken = {**GOOD, "task": {"kind": "math", "answer": "\\frac{1}{"}}
    lines = [GOOD, {**GOOD, "completion": "<think>a\u2028\ud800</think>\\boxed{2}", "id": "x"}, broken]
    file = tmp_path / "rollouts.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    return file


def test_a_file_is_scored_line_by_line(rollouts, server):
    """Results in order, ids by line where there are none, and exit code 1 because one has no reward."""
    done = run("score", rollouts, "--url", server.base_url)
    results = [json.loads(line) for line in done.stdout.split("\n")[:-1]]
    assert [(result["id"], result["reward"]) for result in results] == [("0", 1.1), ("x", 0.2), ("2", None)]
    assert done.returncode == 1
    assert "incorrect" in done.stderr
    assert "bad_task" in done.stderr


def test_results_go_to_a_file_when_asked(rollouts, tmp_path, server):
    """Then standard output stays empty, and every result is there."""
    output = tmp_path / "out.jsonl"
    done = run("score", "-", "--output", output, "--url", server.base_url, stdin=json.dumps(GOOD))
    assert (done.returncode, done.stdout) == (0, "")
    assert json.loads(output.read_text())["reward"] == 1.1


def test_overrides_reach_the_server(rollouts, server):
    """As JSON where they can be."""
    override = ("--override", "correctness.weight=0.5", "--override", "format.truncated=zero")
    done = run("score", "-", "--url", server.base_url, *override, stdin=json.dumps(GOOD))
    assert json.loads(done.stdout)["reward"] == 0.7


@pytest.mark.parametrize(
    ("arguments", "stdin", "says"),
    [
        pytest.param(["score"], "", "--samples", id="nothing to score"),
        pytest.param(["score", "-"], "", "holds no rollouts", id="an empty file"),
        pytest.param(["score", "-"], "{}", "-:1: completion", id="a rollout without its fields"),
        pytest.param(["score", "-"], json.dumps(GOOD) + "\n{", "-:2", id="a broken line"),
        pytest.param(["score", "-"], json.dumps(GOOD) + "," + json.dumps(GOOD), "-:1: rollout", id="two on a line"),
        pytest.param(["score", "-"], f"[{json.dumps(GOOD)}]", "-:1: rollout", id="a list of them"),
        pytest.param(["score", "-"], json.dumps({**GOOD, "a[/b]": 1}), "-:1: a[/b]", id="a field with brackets"),
        pytest.param(["score", "[/x]"], "", "[/x]", id="a file with brackets"),
        pytest.param(["score", "-", "--override", "[/x]=1"], "", "holds no rollouts", id="no rollouts to override"),
        pytest.param(["score", "-", "--override", "a=NaN"], json.dumps(GOOD), "NaN is no value", id="no value"),
        pytest.param(["score", "-", "--url", "http://[::1"], json.dumps(GOOD), "no address", id="half an address"),
        pytest.param(["score", "-", "--url", ""], json.dumps(GOOD), "no address", id="an empty address"),
        pytest.param(["score", "-", "--url", "ftp://x"], json.dumps(GOOD), "no address", id="another protocol"),
        pytest.param(
            ["score", "-", "--url", "http://127.0.0.1:9", "--token", "tök"], json.dumps(GOOD), "ASCII", id="no token"
        ),
        pytest.param(
            ["score", "-", "--override", "length.l_max=3", "--override", "length=5"],
            json.dumps(GOOD),
            "length",
            id="an override over others",
        ),
        pytest.param(["presets", "[/x]"], "", "[/x]", id="a preset with brackets"),
        pytest.param(["score", "/no/such/file"], "", "No such file", id="no such file"),
        pytest.param(["score", "-", "-o", "/no/such/out"], json.dumps(GOOD), "--output", id="no place for results"),
        pytest.param(["score", "-", "--override", "length"], json.dumps(GOOD), "section.switch", id="no override"),
        pytest.param(
            ["score", "-", "--override", "length=5", "--override", "length.l_max=3"],
            json.dumps(GOOD),
            "length",
            id="an override of an override",
        ),
        pytest.param(["serve", "--preset", "nosuch"], "", "nosuch", id="no such preset"),
        pytest.param(["serve", "--port", "99999"], "", "port", id="no such port"),
        pytest.param(["presets", "nosuch"], "", "nosuch", id="no such preset to show"),
    ],
)
def test_wrong_input_is_exit_code_2_and_one_sentence(arguments, stdin, says):
    """Never a traceback."""
    done = run(*arguments, stdin=stdin)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        pytest.param({"REWARD_API_TOKENS": ","}, "REWARD_API_TOKENS", id="tokens without one"),
        pytest.param({"REWARD_API_TOKENS": "tök"}, "REWARD_API_TOKENS", id="a token that no header carries"),
        pytest.param({"REWARD_PRESETS_DIR": "/no/such"}, "REWARD_PRESETS_DIR", id="no such directory"),
        pytest.param({"REWARD_MAX_ROLLOUTS": "many"}, "max_rollouts", id="no number"),
        pytest.param({"SANDBOX_BACKEND": "hope"}, "backend", id="no such backend"),
        pytest.param({"REDIS_URL": "redis://:se#cret@host"}, "redis_url: not of the form", id="no URL of a Redis"),
    ],
)
def test_a_wrong_setting_is_named(environment, says):
    """Before anything is served."""
    done = run("serve", **environment)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_one_sentence():
    """Nothing has been started by then that would have to end."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("serve", "--port", taken.getsockname()[1])
    assert done.returncode == 2, done.stderr
    assert "in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_variable_that_looks_like_a_setting_is_named():
    """A slip in a name must not pass in silence; what Kubernetes sets for a service of our name is none."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", "--port", port, REWARD_PROT="1", REWARD_SERVER_SERVICE_HOST="a", REWARD_SERVER_PORT="b")
    assert "no such setting variable='REWARD_PROT'" in done.stderr
    assert "REWARD_SERVER" not in done.stderr


def test_settings_come_from_the_environment_a_file_and_flags_and_later_wins(tmp_path):
    """The presets that each names show which one was read."""
    presets = tmp_path / "presets"
    presets.mkdir()
    (presets / "mine.toml").write_text('name = "mine"\n')
    config = tmp_path / "config.toml"
    config.write_text(f'presets_dir = "{presets}"\n[sandbox]\nworkers = 1\n')
    assert "mine" in run("presets", "--config", config, REWARD_PRESETS_DIR=str(tmp_path)).stdout
    assert "mine" in run("presets", REWARD_CONFIG=str(config)).stdout
    config.write_text("no_such_setting = 1\n")
    assert run("presets", "--config", config).returncode == 2


def test_what_an_earlier_run_wrote_is_kept_until_there_is_something_new(rollouts, tmp_path):
    """Neither a server that is not there nor the input in the output's place costs anybody a file."""
    kept = tmp_path / "results.jsonl"
    kept.write_text("earlier\n")
    assert run("score", rollouts, "--url", "http://127.0.0.1:9", "-o", kept).returncode == 3
    assert kept.read_text() == "earlier\n"
    before = rollouts.read_text()
    assert run("score", rollouts, "--url", "http://127.0.0.1:9", "-o", rollouts).returncode == 2
    assert rollouts.read_text() == before


@pytest.mark.parametrize("url", ["http://[::1", "", "ftp://127.0.0.1", "nothing"])
def test_what_is_no_address_is_said_in_a_sentence(rollouts, url):
    """Not in a traceback."""
    done = run("score", rollouts, "--url", url)
    assert done.returncode in (2, 3)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("line", [f"{json.dumps(GOOD)}, {json.dumps(GOOD)}", '{"[/x]": 1}', "[bold]", "[]", "1"])
def test_a_line_that_is_no_rollout_is_named(line):
    """Whatever it looks like to those who read it."""
    done = run("score", "-", stdin=f"{json.dumps(GOOD)}\n{line}\n")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "-:2:" in done.stderr


def test_an_answer_waits_for_no_acknowledgement():
    """Its body follows its headers at once, whatever the client acknowledges when."""
    with listening_socket(uvicorn.Config("none:none", port=0)) as listening:
        listening.listen()
        with socket.create_connection(listening.getsockname()), listening.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_a_byte_order_mark_is_no_part_of_the_first_rollout(server):
    """On standard input as in a file."""
    done = run("score", "-", "--url", server.base_url, stdin="\ufeff" + json.dumps(GOOD))
    assert done.returncode == 0, done.stderr


def test_text_that_is_not_utf_8_is_refused(tmp_path):
    """In any locale."""
    file = tmp_path / "rollouts.jsonl"
    file.write_bytes(b'{"completion": "\xff"}\n')
    with file.open() as stdin:
        command = [sys.executable, "-m", "reward_server", "score", "-"]
        done = subprocess.run(command, stdin=stdin, capture_output=True, env=os.environ | {"LC_ALL": "C"}, check=False)
    assert (done.returncode, b"Traceback" in done.stderr) == (2, False)
    assert b"utf-8" in done.stderr


def test_overrides_of_one_table_add_up(server):
    """Whether they come switch by switch or as a table, in any order."""
    override = ("--override", "correctness.weight=0.5", "--override", 'correctness={"partial_credit": true}')
    done = run("score", "-", "--url", server.base_url, *override, stdin=json.dumps(GOOD))
    assert json.loads(done.stdout)["reward"] == 0.7


def test_a_full_disk_is_one_sentence(server):
    """And exit code 2."""
    done = run("score", "-", "--url", server.base_url, "--output", "/dev/full", stdin=json.dumps(GOOD))
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "No space left" in done.stderr


class Answers(http.server.BaseHTTPRequestHandler):
    """A far side that answers as it is told, once for each request."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        status, headers, body = self.server.answers.pop(0)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


def scored_by(*answers):
    """What the command line does with a server that gives these answers."""
    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as far:
        far.answers = list(answers)
        thread = threading.Thread(target=far.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            return run("score", "-", "--url", f"http://127.0.0.1:{far.server_port}", stdin=json.dumps(GOOD))
        finally:
            far.shutdown()
            thread.join()


RESULT = {"index": 0, "id": "0", "status": "unscored", "error": {"kind": "queue_full"}}
ANSWER = (200, {}, json.dumps(RESULT).encode() + b"\n{}\n")


@pytest.mark.parametrize(
    ("status", "retry_after"),
    [(429, "0.1"), (503, "-1"), (503, "nan"), (503, "soon"), (503, "Thu, 01 Jan 1970 00:00:00 GMT")],
)
def test_a_full_server_is_asked_again(status, retry_after):
    """When it says, if it says so in any way that can be read."""
    done = scored_by((status, {"Retry-After": retry_after}, b"{}"), ANSWER)
    assert json.loads(done.stdout)["id"] == "0", done.stderr


@pytest.mark.parametrize("body", [b"<html>\n", b"[1]\n", b'{"groups": []}\n'])
def test_what_is_no_reward_server_is_exit_code_3(body):
    """Never a traceback."""
    done = scored_by((200, {}, body))
    assert (done.returncode, "Traceback" in done.stderr) == (3, False)


def test_no_server_is_exit_code_3():
    """A script can tell it from wrong input."""
    done = run("score", "-", "--url", "http://127.0.0.1:9", stdin=json.dumps(GOOD))
    assert done.returncode == 3


def test_a_server_that_takes_less_at_once_is_given_less(tmp_path, server):
    """Batches are halved until they fit."""
    file = tmp_path / "many.jsonl"
    file.write_text("\n".join(json.dumps({**GOOD, "prompt": "x" * 100_000}) for _ in range(150)))
    done = run("score", file, "--url", server.base_url)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 150


def test_check_says_what_isolates():
    """Exit code 0 where programs can be judged, as the tests of the sandbox need."""
    done = run("check")
    assert done.returncode == 0
    assert "fit to run untrusted programs" in done.stderr


def test_presets_are_shown_whole():
    """As JSON, and with their schema."""
    assert json.loads(run("presets", "magistral").stdout)["length"]["l_max"] == 40_960
    assert "properties" in json.loads(run("presets", "--schema").stdout)


def test_the_samples_score_as_expected():
    """What `make run` shows."""
    done = run("score", "--samples")
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"{len(samples.load_samples())} of {len(samples.load_samples())} samples" in done.stderr
