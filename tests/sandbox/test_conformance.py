"""What every backend must do with honest and with hostile programs."""

from __future__ import annotations

import ast

import pytest

from sandbox.models import Execution, JudgeJob, Limits, StdioTest, Verdict
from tests.sandbox.conftest import Bench, Sample, samples

INNOCENT = "import os\nprint(len(os.listdir('/tmp')), sum(map(int, input().split())))"
SECRET = b"SECRET-EXPECTED-OUTPUT 8f1c"


@pytest.mark.parametrize("sample", samples("honest"), ids=lambda sample: sample.name)
def test_an_honest_program_runs_as_it_would_anywhere(bench: Bench, sample: Sample) -> None:
    """It ends by itself, and its output is its own to the byte."""
    execution = bench.execute(sample.code, sample.language, sample.stdin, **sample.limits)
    if bench.lacks(sample):
        assert execution.verdict is Verdict.RUNTIME_ERROR, execution
        return
    assert execution.verdict is Verdict.ACCEPTED, execution
    if "stdout-size" in sample.header:
        assert len(execution.stdout) == int(sample.header["stdout-size"])
    elif "stdout-bytes" in sample.header:
        assert execution.stdout == bytes.fromhex(sample.header["stdout-bytes"])
    else:
        assert execution.stdout.decode() == ast.literal_eval(sample.header["stdout"])


@pytest.mark.parametrize("sample", samples("hostile"), ids=lambda sample: sample.name)
def test_a_hostile_program_gets_nothing(bench: Bench, sample: Sample) -> None:
    """Nothing it tries works, it is judged for what it did, it passes no test, and the next program never knows."""
    execution = bench.execute(sample.code, sample.language, **sample.limits)
    if bench.lacks(sample):
        assert execution.verdict is Verdict.RUNTIME_ERROR, execution
    else:
        assert_nothing_gained(execution, sample)
    if execution.verdict is Verdict.ACCEPTED:
        limits = Limits(**sample.limits)
        job = JudgeJob(sample.code, sample.language, (StdioTest(b"", SECRET),), limits=limits)
        assert bench.decide(job).verdict is not Verdict.ACCEPTED
    innocent = bench.execute(INNOCENT, stdin=b"1 2")
    assert (innocent.verdict, innocent.stdout) == (Verdict.ACCEPTED, b"0 3\n")


@pytest.mark.parametrize(
    "sample",
    [
        sample
        for sample in samples("hostile")
        if sample.name.startswith(("memory_", "sysv_", "fork_", "output_", "disk_"))
    ],
    ids=lambda sample: sample.name,
)
def test_without_control_groups_the_same_limits_hold(watched: Bench, sample: Sample) -> None:
    """Where memory is watched instead of held, what could not be seen there is refused."""
    execution = watched.execute(sample.code, sample.language, **sample.limits)
    assert_nothing_gained(execution, sample)


def assert_nothing_gained(execution: Execution, sample: Sample) -> None:
    assert b"ESCAPED" not in execution.stdout, execution.stdout
    if "expect" in sample.header:
        assert execution.verdict in sample.header["expect"].split(), execution
    if "expect-not" in sample.header:
        assert execution.verdict not in sample.header["expect-not"].split(), execution
    if "says-not" in sample.header:
        assert sample.header["says-not"] not in (execution.compile_output or "")
