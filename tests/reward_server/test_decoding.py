"""A batch that is decoded in pieces means what it means whole, and is refused in the same words."""

from __future__ import annotations

import asyncio
import json

import pytest

from reward_server import turns
from reward_server.decoding import decode, decode_batch
from reward_server.errors import ApiError
from reward_server.models import ScoreRequest
from reward_server.turns import Turns

MATH = {"completion": "<think>a</think>\\boxed{1}", "task": {"kind": "math", "answer": "1"}}
LARGE = {"kind": "code", "language": "python", "tests": [{"stdin": f"{n} " * 9, "stdout": "x"} for n in range(99)]}
CODE = {"completion": "<think>a</think>\n```python\nx\n```", "task": LARGE}


def batch(*rollouts, **fields):
    return json.dumps({**fields, "rollouts": rollouts}).encode()


def in_pieces(body):
    return asyncio.run(decode_batch(body, Turns()))


def faults(read, body):
    with pytest.raises(ApiError) as refused:
        read(body)
    return [error.loc for error in refused.value.errors]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(batch(MATH), id="one"),
        pytest.param(
            batch(MATH, CODE, CODE, MATH, seed="s", preset="p", overrides={"a": {"b": [1]}}), id="a mixed one"
        ),
        pytest.param(batch(CODE, {**CODE, "task": {**LARGE, "limits": {"cpu_seconds": 1}}}), id="tasks that differ"),
        pytest.param(batch({**MATH, "completion": "\ud800", "prompt": "\udfff"}, CODE), id="half a character"),
        pytest.param(
            batch(CODE, {**CODE, "completion": "NaN \ud83d\ude00 \ud83d"}), id="half of one beside a whole one"
        ),
        pytest.param(
            b' {"seed" : "1" , "rollouts"\n:\t[ '
            + json.dumps(CODE).encode()
            + b" ,\n"
            + json.dumps(MATH).encode()
            + b" ] } ",
            id="blanks wherever they may stand",
        ),
        pytest.param(
            b'{"rollouts": [], "seed": "\\"rollouts\\": [", "rollouts": [' + json.dumps(MATH).encode() + b"]}",
            id="a name that stands twice",
        ),
        pytest.param(
            b'{"rollouts": [], "rollouts": ['
            + json.dumps({**MATH, "id": "NaN", "completion": "\udc00"}).encode()
            + b"]}",
            id="twice, with half a character",
        ),
    ],
)
def test_pieces_mean_what_the_whole_means(body):
    """Field by field."""
    assert in_pieces(body) == decode(body, ScoreRequest)


def number(rollout, text):
    """A rollout with a number in it that is none."""
    return json.dumps({**rollout, "completion_tokens": 777}).replace("777", text)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b"{}", id="no rollouts"),
        pytest.param(b'{"rollouts": {}}', id="rollouts that are no list"),
        pytest.param(batch(), id="none"),
        pytest.param(batch(MATH, 5), id="one that is none"),
        pytest.param(batch(MATH, seed=1.5), id="a wrong option"),
        pytest.param(batch({**MATH, "x": 1}, MATH, {**CODE, "task": {**LARGE, "y": 1}}, z=1), id="unknown fields"),
        pytest.param(batch(CODE, {**CODE, "task": {**LARGE, "language": "\ud800"}}), id="half a character in a task"),
        pytest.param(batch(CODE, preset="\ud800"), id="half a character in an option"),
        pytest.param(batch(CODE, {**MATH, "id": "\ud800", "completion": "\ud800"}), id="one that may be and one not"),
        pytest.param(f'{{"rollouts": [{number(CODE, "NaN")}, {number(MATH, "-Infinity")}]}}'.encode(), id="no numbers"),
        pytest.param(batch(CODE)[:-1], id="cut short"),
        pytest.param(batch(*[{**MATH, "x": 1}] * 60), id="more faults than are named"),
    ],
)
def test_pieces_are_refused_as_the_whole_is(body):
    """By the same fields; those beside the rollouts come first."""
    assert sorted(faults(in_pieces, body)) == sorted(faults(lambda text: decode(text, ScoreRequest), body))


def test_a_field_is_named_in_a_body_of_any_size():
    """Where a small body is decoded whole for the words of the fault, a large one must not be."""
    body = f'{{"rollouts": [{", ".join([json.dumps(CODE)] * 200)}, {number(CODE, "NaN")}]}}'.encode()
    assert faults(in_pieces, body) == ["rollouts[200].completion_tokens"]


def test_rollouts_of_one_task_share_it():
    """A task is decoded once, however many members of its group bring it."""
    request = in_pieces(batch(CODE, MATH, CODE, {**CODE, "task": {**LARGE, "language": "cpp"}}))
    assert request.rollouts[0].task is request.rollouts[2].task
    assert request.rollouts[0].task is not request.rollouts[3].task


def test_the_loop_has_turns_while_a_batch_is_decoded(monkeypatch):
    """With no time for more, one after every rollout."""
    monkeypatch.setattr(turns, "TURN_SECONDS", 0)

    async def rounds():
        decoding = asyncio.create_task(decode_batch(batch(*[MATH] * 500), Turns()))
        count = 0
        while not decoding.done():
            await asyncio.sleep(0)
            count += 1
        return count

    assert asyncio.run(rounds()) >= 500
