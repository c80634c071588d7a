"""How far a batch is: told to a callback, or drawn as one line on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO


@dataclass(frozen=True)
class Progress:
    """How many rollouts are settled, and how many of those have no reward."""

    done: int
    total: int
    unscored: int


ProgressCallback = Callable[[Progress], None]


def reporter(progress: bool | ProgressCallback) -> ProgressCallback | None:
    """The callback to tell; True stands for a bar on standard error."""
    if progress is True:
        return Bar(sys.stderr)
    return progress or None


class Bar:
    """Draws a bar on a terminal in place, and elsewhere (a log file) one line at the end."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def __call__(self, progress: Progress) -> None:
        """Draw, and end the line when everything is done."""
        ended = progress.done >= progress.total
        terminal = self._out.isatty()
        if terminal or ended:
            self._out.write(("\r" if terminal else "") + line(progress) + ("\n" if ended else ""))
            self._out.flush()


def line(progress: Progress, *, width: int = 30) -> str:
    """One line: a bar, the count, and the rollouts without a reward if there are any."""
    filled = width * progress.done // max(progress.total, 1)
    count = f"{progress.done}/{progress.total}".rjust(2 * len(str(progress.total)) + 1)
    trouble = f"  {progress.unscored} unscored" if progress.unscored else ""
    return f"scoring [{'#' * filled}{'.' * (width - filled)}] {count}{trouble}"
