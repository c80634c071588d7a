"""The client of the reward server: batches of rollouts in, rewards out.

    from reward_client import RewardClient

    with RewardClient("http://127.0.0.1:8000") as client:
        response = client.score([{"prompt": "…", "completion": "<think>…", "task": {"kind": "math", "answer": "0.5"}}])
        response.rewards  # [1.1], or None where the server could not score: never 0 for an outage

`AsyncRewardClient` is the same for asyncio. Every exception is a `RewardError`. Events are logged to `reward_client`.
"""

from reward_client._async_client import AsyncRewardClient
from reward_client._batch import Batching, RolloutLike
from reward_client._client import RewardClient
from reward_client._errors import (
    AuthError,
    BadRequestError,
    FieldError,
    ResponseError,
    RewardConnectionError,
    RewardError,
    RewardTimeoutError,
    ServerError,
    TooLargeError,
    UnscoredError,
)
from reward_client._models import (
    AssertTest,
    CallTest,
    Checker,
    CodeTask,
    Component,
    DetectedLanguage,
    Execution,
    FirstFailure,
    GroupSummary,
    Health,
    Judgement,
    Limits,
    MathTask,
    NoTask,
    Preset,
    Rollout,
    ScoreFailure,
    ScoreResponse,
    ScoreResult,
    StdioTest,
    TestRow,
    TestSummary,
    Verification,
    summarise,
)
from reward_client._progress import Progress
from reward_client._retry import Clock, RetryPolicy
from reward_client._version import __version__

__all__ = [
    "AssertTest",
    "AsyncRewardClient",
    "AuthError",
    "BadRequestError",
    "Batching",
    "CallTest",
    "Checker",
    "Clock",
    "CodeTask",
    "Component",
    "DetectedLanguage",
    "Execution",
    "FieldError",
    "FirstFailure",
    "GroupSummary",
    "Health",
    "Judgement",
    "Limits",
    "MathTask",
    "NoTask",
    "Preset",
    "Progress",
    "ResponseError",
    "RetryPolicy",
    "RewardClient",
    "RewardConnectionError",
    "RewardError",
    "RewardTimeoutError",
    "Rollout",
    "RolloutLike",
    "ScoreFailure",
    "ScoreResponse",
    "ScoreResult",
    "ServerError",
    "StdioTest",
    "TestRow",
    "TestSummary",
    "TooLargeError",
    "UnscoredError",
    "Verification",
    "__version__",
    "summarise",
]
