"""What the package drags in, what its types promise, and that its README is true."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "clients" / "python" / "README.md"


def test_importing_it_loads_no_heavy_package():
    """It goes into trainers' processes, whose packages are none of its business."""
    forbidden = (
        "{'sympy', 'fastapi', 'redis', 'numpy', 'starlette', 'uvicorn', 'reward_server', 'sandbox', 'language_id'}"
    )
    program = f"import reward_client, sys; print(sorted({forbidden} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_it_is_typed():
    """Type checkers look for the marker."""
    assert resources.files("reward_client").joinpath("py.typed").is_file()


@pytest.mark.parametrize("number", range(4))
def test_the_examples_of_the_readme_run(server, service, reply, number, capsys):
    """Each by itself, against a server."""
    examples = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(examples) == 4
    service.script = lambda seen: _answer_example(seen, reply)
    exec(examples[number].replace("http://127.0.0.1:8000", server.url), {"__name__": "__main__"})
    assert capsys.readouterr().out


def _answer_example(seen, reply):
    if seen.path == "/v1/verify":
        return reply.json({"verdict": "correct", "method": "rational"})
    if "answer" not in seen.body["rollouts"][0]["task"]:
        errors = [{"loc": "rollouts[0].task.answer", "message": "Field required"}]
        return reply.json({"status": 422, "detail": "1 error", "errors": errors}, status=422)
    results = [{"id": rollout["id"], "status": "scored", "reward": 1.1} for rollout in seen.body["rollouts"]]
    if seen.path == "/v1/score":
        return reply.json({"results": results, "groups": []})
    return reply(200, b"\n".join(json.dumps(line).encode() for line in [*results, {"groups": []}]))
