"""One call to score: which rollouts are settled, and what may still be hoped for. Holds state, does no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from reward_client._batch import Envelope, Parcel, unscored
from reward_client._errors import RewardConnectionError, RewardError, ServerError
from reward_client._models import Heading, ScoreResponse, ScoreResult, summarise
from reward_client._retry import NOT_YET_TRIED, Term


@dataclass
class Run:
    """The state of one batch.

    A result is settled once, by handing it to `deliver`. Results that are unscored and retryable are only noted: if
    nothing better comes before the deadline, they are the truest thing there is to return.
    """

    envelope: Envelope
    parcels: list[Parcel]
    term: Term
    result_attempts: int
    deliver: Callable[[ScoreResult], None]
    reached: bool = False  # a server took a connection
    failure: RewardError | None = None  # the latest reason why a request was not answered
    heading: Heading = field(default_factory=Heading)
    _settled: dict[int, ScoreResult] = field(default_factory=dict)
    _noted: dict[int, ScoreResult] = field(default_factory=dict)
    _attempts: dict[int, int] = field(default_factory=dict)

    def pending(self, parcels: Iterable[Parcel]) -> list[Parcel]:
        """Those that have no final result."""
        return [parcel for parcel in parcels if parcel.index not in self._settled]

    def take(self, result: ScoreResult) -> None:
        """Settle a result if it is final, else note it."""
        if result.index in self._settled:
            return
        if self._may_get_better(result):
            self._noted[result.index] = result
        else:
            self._settle(result)

    def take_heading(self, heading: Heading) -> None:
        """Keep by what a part of the batch was scored.

        Raises:
            ServerError: another part of the batch was scored by other rules. Rewards of two rules in one batch would
                be wrong without looking wrong.
        """
        if self.heading.preset_hash is None:
            self.heading = heading
        elif heading.preset_hash != self.heading.preset_hash:
            raise ServerError(
                "replicas score by different presets: "
                f"{self.heading.preset} {self.heading.preset_hash} and {heading.preset} {heading.preset_hash}"
            )

    def give_up(self, parcels: Iterable[Parcel]) -> None:
        """Settle those that are left, since no time is.

        Raises:
            RewardConnectionError: no server was ever reached, so that there is no outage to tell from a wrong address.
        """
        if not self.reached and isinstance(self.failure, RewardConnectionError):
            raise self.failure
        for parcel in self.pending(parcels):
            self._settle(self._noted.get(parcel.index) or unscored(parcel, "deadline_exceeded", self._reason()))

    def response(self) -> ScoreResponse:
        """Everything in the order it was given."""
        results = [self._settled[parcel.index] for parcel in self.parcels]
        return ScoreResponse(
            preset=self.heading.preset,
            preset_hash=self.heading.preset_hash,
            version=self.heading.version,
            results=results,
            groups=summarise(results),
        )

    def _settle(self, result: ScoreResult) -> None:
        self._settled[result.index] = result
        self.deliver(result)

    def _may_get_better(self, result: ScoreResult) -> bool:
        if result.scored or result.error is None or not result.error.retryable:
            return False
        if result.error.kind not in NOT_YET_TRIED:
            self._attempts[result.index] = self._attempts.get(result.index, 0) + 1
        return self._attempts.get(result.index, 0) < self.result_attempts

    def _reason(self) -> str:
        return self.term.reason(self.failure)
