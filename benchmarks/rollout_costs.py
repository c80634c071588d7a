"""What a rollout of code costs, from measured service times: cores for a step, and draws for the simulation.

    python -m benchmarks.rollout_costs     the sizing table of docs/operations.md

    core-seconds of a rollout = sum over kinds of  share × (measured seconds + tests run × seconds a test computes)
    cores for a step          = rollouts × core-seconds of a rollout / seconds for the step / utilisation

The measured seconds are those of `service_times.json`, made by `python -m benchmarks.service_times` with programs that
compute next to nothing. How the rollouts of a step end, and how long the programs compute, belong to the model that is
trained and to its tasks: they are assumptions here, and yours to replace.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

STORED: Final = Path(__file__).with_name("service_times.json")
CPU_LIMIT_SECONDS: Final = 4.0
UTILISATION: Final = 0.8  # more leaves no room for uneven streams and for the last jobs of a step
STEP_SECONDS: Final = 60.0
# Of these a program computes until it is stopped, or never runs: the knob for computing does not apply.
_COMPUTE_NOTHING: Final = frozenset({"python_time_limit", "cpp_does_not_compile", "remembered"})


@dataclass(frozen=True, slots=True)
class ServiceTimes:
    """What was measured, by kind."""

    mean_seconds: Mapping[str, float]
    quantiles_seconds: Mapping[str, tuple[float, ...]]
    tests_run: Mapping[str, int]

    @staticmethod
    def load(path: Path = STORED) -> ServiceTimes:
        """Read what `service_times` wrote."""
        kinds = json.loads(path.read_text("utf-8"))["kinds"]
        return ServiceTimes(
            {name: kind["mean_seconds"] for name, kind in kinds.items()},
            {name: tuple(kind["quantiles_seconds"]) for name, kind in kinds.items()},
            {name: kind["tests_run"] for name, kind in kinds.items()},
        )


@dataclass(frozen=True, slots=True)
class Mix:
    """How the rollouts of a step end, by share, and the mean CPU time that a program computes in one test."""

    shares: Mapping[str, float]
    computes_seconds: float = 0.02
    spread: float = 1.0  # sigma of the lognormal distribution of `computes_seconds` over programs

    def __post_init__(self) -> None:
        if abs(sum(self.shares.values()) - 1) > 1e-9:
            raise ValueError(f"shares add up to {sum(self.shares.values())}, not to 1")


def ending(*, cpp: float, fail_early: float) -> Mix:
    """A share of C++ among the programs, and in each language a share that fails its first test; all others pass."""
    return Mix(
        {
            "python_accepted": (1 - cpp) * (1 - fail_early),
            "python_first_fails": (1 - cpp) * fail_early,
            "cpp_accepted": cpp * (1 - fail_early),
            "cpp_first_fails": cpp * fail_early,
        }
    )


# One in three passes, most others fail at once, some never end: a policy in the middle of its training.
TYPICAL: Final = Mix(
    {
        "python_accepted": 0.25,
        "python_first_fails": 0.40,
        "python_time_limit": 0.03,
        "remembered": 0.07,
        "cpp_accepted": 0.08,
        "cpp_first_fails": 0.12,
        "cpp_does_not_compile": 0.05,
    }
)

SIZED: Final = {
    "Python, all pass": ending(cpp=0, fail_early=0),
    "Python, 2 of 3 fail early": ending(cpp=0, fail_early=2 / 3),
    "half C++, all pass": ending(cpp=0.5, fail_early=0),
    "half C++, 2 of 3 fail early": ending(cpp=0.5, fail_early=2 / 3),
    "C++, all pass": ending(cpp=1, fail_early=0),
    "typical": TYPICAL,
}


def core_seconds(mix: Mix, times: ServiceTimes) -> float:
    """The mean cost of a rollout."""
    return sum(
        share * (times.mean_seconds[kind] + computing_tests(kind, times) * mix.computes_seconds)
        for kind, share in mix.shares.items()
    )


def cores(rollouts: int, mix: Mix, times: ServiceTimes, *, step_seconds: float = STEP_SECONDS) -> int:
    """How many cores judge a step of so many rollouts in that time."""
    return max(1, round(rollouts * core_seconds(mix, times) / step_seconds / UTILISATION))


def computing_tests(kind: str, times: ServiceTimes) -> int:
    """The tests of a job that the program's own time is spent in."""
    return 0 if kind in _COMPUTE_NOTHING else times.tests_run[kind]


def draw(mix: Mix, times: ServiceTimes, jobs: int, *, seed: int) -> list[float]:
    """Service times of so many jobs in random order; their mean is close to `core_seconds`."""
    dice = np.random.default_rng(seed)
    names = list(mix.shares)
    kinds = dice.choice(len(names), size=jobs, p=list(mix.shares.values()))
    mu = np.log(mix.computes_seconds) - mix.spread**2 / 2
    computes = np.minimum(dice.lognormal(mu, mix.spread, jobs), CPU_LIMIT_SECONDS)
    places = dice.random(jobs)
    seconds = np.zeros(jobs)
    for number, name in enumerate(names):
        chosen = kinds == number
        points = times.quantiles_seconds[name]
        measured = np.interp(places[chosen], np.linspace(0, 1, len(points)), points)
        seconds[chosen] = measured + computing_tests(name, times) * computes[chosen]
    return [float(value) for value in seconds]


def sizing_table(times: ServiceTimes) -> str:
    """Cores for a step of one minute, in Markdown."""
    costs = [f"{core_seconds(mix, times):.2f}" for mix in SIZED.values()]
    lines = [
        "| rollouts | " + " | ".join(SIZED) + " |",
        "|---|" + "---|" * len(SIZED),
        "| core-seconds each | " + " | ".join(costs) + " |",
    ]
    for thousands in (1, 2, 4, 8, 16, 32, 64):
        needed = [f"{cores(thousands * 1000, mix, times):,}" for mix in SIZED.values()]
        lines.append(f"| {thousands},000 | " + " | ".join(needed) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(sizing_table(ServiceTimes.load()))
