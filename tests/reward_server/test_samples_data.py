"""The sample rollouts are well formed, and what is expected of them is arithmetic that the contract allows."""

import json
import subprocess
import sys
from collections import Counter, defaultdict

import pytest

from reward_server.models import CodeTask, MathTask, NoTask, Rollout
from reward_server.samples import expected, load_samples

L_MAX, L_CACHE = 40_960, 8_192
SAMPLES = load_samples()
EXPECTED = expected()
BY_GROUP = defaultdict(list)
for _sample in SAMPLES:
    BY_GROUP[_sample["group"]].append(_sample)

RIGHT = {"correct", "accepted"}
every_sample = pytest.mark.parametrize("sample", SAMPLES, ids=[str(sample["id"]) for sample in SAMPLES])


def parsed(sample):
    return Rollout.model_validate_json(json.dumps(sample))


def length_penalty(sample):
    overrun = sample.get("completion_tokens", 0) - (L_MAX - L_CACHE)
    return -0.1 * min(max(overrun, 0) / L_CACHE, 1)


def code_tests(task):
    if task.tests is not None:
        return task.tests
    return list(zip(task.input_output.inputs, task.input_output.outputs, strict=True))


@every_sample
def test_a_sample_is_a_rollout_of_the_api(sample):
    """Every line can be sent as it is: the wire model, which refuses unknown fields, takes it."""
    assert parsed(sample).id == sample["id"]


def test_every_sample_has_one_id_and_one_expectation():
    """Ids are unique, and there is an expectation for each of them and for nothing else."""
    ids = [sample["id"] for sample in SAMPLES]
    assert len(set(ids)) == len(ids)
    assert list(EXPECTED) == ids


@pytest.mark.parametrize("group", BY_GROUP)
def test_members_of_a_group_differ_in_their_completion_alone(group):
    """A group is several attempts at one problem: same prompt, same task, and no completion twice."""
    members = BY_GROUP[group]
    assert 2 <= len(members) <= 5
    assert all(member["prompt"] == members[0]["prompt"] and member["task"] == members[0]["task"] for member in members)
    completions = [json.dumps(member["completion"]) for member in members]
    assert len(set(completions)) == len(completions)


@every_sample
def test_an_expected_reward_is_a_sum_the_contract_allows(sample):
    """Without format 0; else 0.1, 0.9 when right, the length penalty, and 0.1 or nothing for language."""
    expectation = EXPECTED[sample["id"]]
    if expectation.status == "unscored":
        assert (expectation.reward, expectation.verdict) == (None, None)
    elif expectation.verdict == "format_error":
        assert expectation.reward == 0
    else:
        correctness = 0.9 if expectation.verdict in RIGHT else 0.0
        language = expectation.reward - 0.1 - correctness - length_penalty(sample)
        assert language == pytest.approx(0.0, abs=1e-9) or language == pytest.approx(0.1, abs=1e-9)


@every_sample
def test_a_verdict_belongs_to_the_kind_of_task(sample):
    """Math has its verdicts, code its own, and a task of kind none has none."""
    verdict = EXPECTED[sample["id"]].verdict
    match parsed(sample).task:
        case MathTask():
            assert verdict in {"correct", "incorrect", "format_error", None}
        case CodeTask():
            assert verdict not in {"correct", "incorrect", "math_timeout", "no_answer", None}
        case NoTask():
            assert verdict is None


@every_sample
def test_an_expectation_says_why_in_one_sentence(sample):
    """A person reads it beside the reward."""
    why = EXPECTED[sample["id"]].why
    assert why.endswith(".")
    assert "\n" not in why


@pytest.mark.parametrize("group", BY_GROUP)
def test_a_code_task_has_five_to_forty_tests(group):
    """Enough to catch a wrong program, few enough to be quick."""
    task = parsed(BY_GROUP[group][0]).task
    if isinstance(task, CodeTask):
        assert 5 <= len(code_tests(task)) <= 40


def test_the_samples_show_every_way_to_end():
    """A reader of the demonstration meets every verdict that an honest mistake leads to, and an unscored rollout."""
    assert {expectation.verdict for expectation in EXPECTED.values()} >= {
        "correct",
        "incorrect",
        "accepted",
        "wrong_answer",
        "runtime_error",
        "time_limit_exceeded",
        "memory_limit_exceeded",
        "output_limit_exceeded",
        "compile_error",
        "no_code",
        "format_error",
    }
    assert Counter(expectation.status for expectation in EXPECTED.values())["unscored"] >= 1


def test_the_samples_show_every_form_of_input():
    """Both languages, all test forms, chat and text, reasoning fields, lists of answers, absent token counts."""
    rollouts = [parsed(sample) for sample in SAMPLES]
    tasks = [rollout.task for rollout in rollouts]
    code = [task for task in tasks if isinstance(task, CodeTask)]
    forms = {type(task.tests[0]).__name__ for task in code if task.tests}
    assert {task.language for task in code} == {"python", "cpp"}
    assert forms == {"StdioTest", "CallTest", "AssertTest"}
    assert {task.input_output.fn_name is None for task in code if task.input_output} == {True, False}
    assert max(len(code_tests(task)) for task in code) == 40
    assert {type(task.answer) for task in tasks if isinstance(task, MathTask)} == {str, list}
    assert any(isinstance(task, NoTask) for task in tasks)
    assert {type(rollout.prompt) for rollout in rollouts} == {str, list}
    assert {type(rollout.completion) for rollout in rollouts} == {str, list}
    chats = [rollout.completion for rollout in rollouts if isinstance(rollout.completion, list)]
    assert any(message.thoughts for chat in chats for message in chat)
    assert any(rollout.completion_tokens is None for rollout in rollouts)
    assert {rollout.finish_reason for rollout in rollouts} == {"stop", "length"}


def test_the_samples_show_the_whole_length_penalty():
    """The last free length, the middle, the limit, and beyond it."""
    counts = {sample.get("completion_tokens") for sample in SAMPLES}
    assert {L_MAX - L_CACHE, L_MAX - L_CACHE // 2, L_MAX} <= counts
    assert any(count is not None and count > L_MAX for count in counts)


def test_loading_gives_fresh_objects():
    """What one caller changes, the next does not see."""
    load_samples()[0]["id"] = "changed"
    expected().clear()
    assert load_samples() == SAMPLES
    assert expected() == EXPECTED


def test_importing_the_samples_reads_no_file():
    """The data are opened when they are asked for."""
    program = (
        "import sys; opened = []\n"
        "sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == 'open' else None)\n"
        "import reward_server.samples\n"
        "assert not [path for path in opened if path.endswith(('.jsonl', '.json'))], opened"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
