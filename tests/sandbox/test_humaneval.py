"""HumanEval's canonical solutions against its own check functions. The data is not ours and is looked for beside us."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

from sandbox.models import AssertTest, JudgeJob, JudgeResult, Verdict
from tests.sandbox.conftest import Bench


def test_every_canonical_solution_passes_and_its_stub_does_not(local: Bench) -> None:
    """Where `HUMANEVAL` names the file of problems, or it lies in `../shared/data`; nothing is claimed elsewhere."""
    beside = Path(__file__).parents[3] / "shared" / "data" / "humaneval.jsonl"
    path = Path(os.environ.get("HUMANEVAL", beside))
    problems = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    async def judged(solutions: list[str]) -> list[JudgeResult]:
        jobs = [
            JudgeJob(problem["prompt"] + solution, "python", (AssertTest(problem["test"]),), problem["entry_point"])
            for problem, solution in zip(problems, solutions, strict=True)
        ]
        return await asyncio.gather(*map(local.judge.judge, jobs))

    right = local.run(judged([problem["canonical_solution"] for problem in problems]))
    failed = {p["task_id"]: r.first_failure for p, r in zip(problems, right, strict=True) if r.verdict != "accepted"}
    assert not failed
    wrong = local.run(judged(["    return None\n" for _ in problems]))
    assert Verdict.ACCEPTED not in {result.verdict for result in wrong}
