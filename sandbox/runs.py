"""What is run, how it ended, and what a slot must offer: the border between judging and isolation.

A slot runs one submission at a time, wherever it is: in a jail on this machine, in a container. What crosses the border
is a program and the input of one test; an outcome comes back. Expected outputs stay on the side of the judge.

Whatever goes wrong on the far side is `SlotDiedError`, which says nothing about the program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sandbox.image import Image
from sandbox.models import Limits, Verdict


class SlotDiedError(Exception):
    """The slot, or the submission in it, is gone or does not answer."""


@dataclass(frozen=True, slots=True)
class Program:
    """What is run: Python source, or an image or files with a command line."""

    source: bytes = b""
    mode: str = "exec"
    argv: tuple[str, ...] = ()
    environment: Mapping[str, str] | None = None
    image: Image | None = None  # an executable, started from a sealed copy in memory
    copies: Mapping[str, bytes] | None = None  # file name in /tmp -> content
    fn_name: str | None = None
    product: str | None = None
    least_processes: int = 0

    @property
    def single(self) -> bool:
        """Whether it is one file that leaves none: source for the warm interpreter, or an image."""
        return not self.copies and self.product is None and (self.mode != "exec" or self.image is not None)


@dataclass(frozen=True, slots=True)
class Run:
    """A program with its input and what it may use."""

    program: Program
    stdin: bytes
    limits: Limits


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended, before anything is compared: `accepted` says that it ended well."""

    verdict: Verdict
    message: str | None
    stdout: bytes
    stderr: bytes
    exit_code: int | None
    signal: int | None
    cpu_seconds: float
    wall_seconds: float
    memory_mb: float
    report: Mapping[str, Any]
    starved: bool = False  # wall-clock expiry while the machine gave it no core
    starved_seconds: float = 0.0  # for how long it had none, as far as that was looked at
    unexplained: bool = False  # killed by a signal that neither we nor, as a rule, programs send
    product: bytes | None = None
    slot_mb: float = 0.0  # what its slot held at most, with whatever was beside it; 0 where nobody counts


@dataclass(frozen=True, slots=True)
class Room:
    """A place of its own within a submission: its root directory, the size of its /tmp, what is imported ahead."""

    root: str
    disk_bytes: int
    preload: tuple[str, ...] = ()


class Submission(Protocol):
    """One program and whatever judges it, for as long as its tests take."""

    @property
    def longest_series(self) -> int:
        """How many runs are told at once; 1 where that saves nothing."""

    async def run(self, run: Run, *, room: int = 0) -> Outcome:
        """Run a program once. Cancelling the call leaves it to `close` to end the program. Raises SlotDiedError."""

    async def run_series(self, program: Program, inputs: Sequence[bytes], limits: Limits) -> list[Outcome]:
        """Run a program on small inputs, one after the other, for less than as many runs would cost.

        It goes on as long as the program ends well, at once and with little output: the outcomes of the first inputs,
        at least of one. No more than `longest_series`. Raises SlotDiedError.
        """

    async def run_joined(self, candidate: Run, asserting: Run) -> tuple[Outcome, Outcome]:
        """Run both at once, in the first room and the second, with one socket between them. Raises SlotDiedError."""

    async def close(self) -> None:
        """End the submission and wait until nothing of it is left."""


class Slot(Protocol):
    """One core's worth of running. Not safe for two submissions at once."""

    @property
    def alive(self) -> bool:
        """Whether it takes submissions; where not, `start` makes it whole again."""

    async def start(self) -> None:
        """Start it, ending what is left of an earlier life. Raises SlotDiedError when it does not come up."""

    async def stop(self) -> None:
        """End everything in it and wait until nothing is left."""

    def pause(self) -> bool:
        """Stop everything in it until `resume`, without its knowing. False where that cannot be done."""

    def resume(self) -> None:
        """Let it go on, if it was paused."""

    def submission(self, *rooms: Room) -> Submission:
        """A fresh submission with these rooms. Raises SlotDiedError."""
