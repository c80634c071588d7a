"""The judge of a server that was told to have none: every job is refused, and said to be ours to answer for."""

from __future__ import annotations

from sandbox.models import ExecuteJob, Execution, Health, JudgeJob, JudgeResult, SandboxUnavailableError


class AbsentJudge:
    """Judges nothing; is always ready to say so."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    async def start(self) -> None:
        """Nothing to start."""

    async def close(self) -> None:
        """Nothing to close."""

    async def judge(self, job: JudgeJob) -> JudgeResult:
        """Refuse."""
        raise SandboxUnavailableError(self._reason)

    async def execute(self, job: ExecuteJob) -> Execution:
        """Refuse."""
        raise SandboxUnavailableError(self._reason)

    def health(self) -> Health:
        """Ready, because nothing is asked of it."""
        return Health(ready=True, detail=self._reason)
