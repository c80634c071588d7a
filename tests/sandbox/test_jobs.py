"""Jobs and results on the wire: what goes in comes out, and nothing else does."""

from __future__ import annotations

import json
import zlib

import pytest

from sandbox import jobs
from sandbox.jobs import MalformedError, Reply, UnknownVersionError
from sandbox.models import (
    AssertTest,
    BadJobError,
    CallTest,
    Checker,
    CheckerKind,
    ExecuteJob,
    Execution,
    JobFailedError,
    JudgeJob,
    JudgeResult,
    Limits,
    SandboxUnavailableError,
    StdioTest,
    TestResult,
    Verdict,
)

CALLS = (
    CallTest((1, 1.0, -0.0, 2**200, "\ud800", None, True, [{"a": [float("inf")]}]), [1], maybe_wrapped=True),
    CallTest((), None),
)
JUDGED = JudgeResult(
    Verdict.WRONG_ANSWER,
    (
        TestResult(0, Verdict.ACCEPTED, 0.1, 0.2, 3.0),
        TestResult(1, Verdict.WRONG_ANSWER, 0.1, 0.2, 3.0, "\udcff", "differs", True),
    ),
    1,
    20,
)


@pytest.mark.parametrize(
    "job",
    [
        pytest.param(JudgeJob("print(1)", "python", (StdioTest(b"", b"\x00\xff"),)), id="bytes"),
        pytest.param(JudgeJob("\ud83d\ude00 \ud800 \x00", "c++", (StdioTest(b"", b""),)), id="halves of characters"),
        pytest.param(JudgeJob("def f(): 0", "python", CALLS, fn_name="f"), id="calls"),
        pytest.param(
            JudgeJob(
                "x = 1", "python", (AssertTest("assert x"),), stop_at_first_failure=False, objects_in_process=True
            ),
            id="assertions",
        ),
        pytest.param(
            JudgeJob(
                "",
                "c",
                (StdioTest(b"1" * 5_000_000, b"2" * 5_000_000),) * 2,
                limits=Limits(0.5, 7.0, 64, 1, 2, 3),
                checker=Checker(CheckerKind.PROGRAM, 0.1, 0.2, "raise SystemExit", "python"),
            ),
            id="many megabytes",
        ),
        pytest.param(ExecuteJob("print(input())", "python", b"\xfe", Limits(memory_mb=1)), id="a run"),
    ],
)
def test_a_job_comes_out_as_it_went_in(job: jobs.Job) -> None:
    """To the bit, and to the type."""
    assert repr(jobs.decode_job(jobs.encode_job(job))) == repr(job)


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(JUDGED, id="a verdict"),
        pytest.param(JudgeResult(Verdict.COMPILE_ERROR, (), 0, 3, "no", compiler_limited=True), id="not compiled"),
        pytest.param(Execution(Verdict.RUNTIME_ERROR, b"\xff", b"\x00", None, 9, 0.1, 0.2, 1.0, "c", "m"), id="a run"),
    ],
)
def test_a_result_comes_out_as_it_went_in(result: JudgeResult | Execution) -> None:
    """With how often its job was delivered."""
    assert jobs.decode_reply(jobs.encode_reply(Reply(result, 2))) == Reply(result, 2)


@pytest.mark.parametrize("kind", [BadJobError, SandboxUnavailableError, JobFailedError])
def test_an_error_crosses_as_an_error(kind: type[Exception]) -> None:
    """Of its kind, with its sentence: an outage is no verdict."""
    crossed = jobs.decode_reply(jobs.encode_reply(Reply(kind("why"), 1))).result
    assert (type(crossed), str(crossed)) == (kind, "why")


def test_large_documents_are_compressed_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bytes cannot become more memory than we allow."""
    large = JudgeJob("", "python", (StdioTest(b"7" * 1_000_000, b""),))
    packed = jobs.encode_job(large)
    assert len(packed) < 100_000
    monkeypatch.setattr(jobs, "MAX_BYTES", 100_000)
    with pytest.raises(MalformedError):
        jobs.decode_job(packed)


@pytest.mark.parametrize(
    "packed",
    [b"j", b"jnull", b"j[]", b'j{"v":1}', b'j{"v":1,"kind":"judge"}', b"z", b"zzz", b"z" + zlib.compress(b"{")[:-3]],
)
def test_what_is_not_ours_is_refused(packed: bytes) -> None:
    """Whatever it is, one error says so."""
    with pytest.raises(MalformedError):
        jobs.decode_job(packed)


@pytest.mark.parametrize("packed", [b'j{"v":2,"kind":"judge"}', b"q..."])
def test_another_version_is_told_from_a_broken_document(packed: bytes) -> None:
    """Somebody else can read it."""
    with pytest.raises(UnknownVersionError):
        jobs.decode_job(packed)


def test_what_json_cannot_hold_is_the_jobs_own_fault() -> None:
    """A nest without end and a number of many thousand digits are refused before they travel."""
    nest: list[object] = []
    for _ in range(100_000):
        nest = [nest]
    for value in (nest, 10**5000):
        with pytest.raises(BadJobError):
            jobs.encode_job(JudgeJob("", "python", (CallTest((value,), None),), fn_name="f"))  # type: ignore[arg-type]


def test_nothing_but_json_is_on_the_wire() -> None:
    """Versioned, so that two versions can live side by side."""
    document = json.loads(jobs.encode_job(JudgeJob("print(1)", "python", (StdioTest(b"a", b"b"),)))[1:])
    assert document["v"] == jobs.VERSION
    assert document["tests"] == [["stdio", "YQ==", "Yg=="]]
