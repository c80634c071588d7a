"""Whether a problem, its thoughts and its answer are in one language (Magistral, section 2.2.4).

The rule: they agree when there is a language that none of the three is evidence against. A classifier's first guess on
short text is wrong too often to be evidence; a script the language is not written in, or a probability far below that
of another language, is: the shorter the text, the farther below. A part with too little text agrees with anything.

A long part is judged by windows spread evenly over the whole of it, so that a switch of language half-way is seen and
measured as a share. A small share is a quotation and is allowed. Names, identifiers and technical terms in Latin
letters inside another script are part of that script's text.

A problem is read sentence by sentence, and the English around a problem in another language is no part of it. Where
what remains is too little, or no sentences, or a quotation, the problem may be either and denies neither.

The cost is bounded whatever the length: at most `max_scanned_chars` are freed of markup and `max_windows` classified.
What this cannot see: foreign words spread thinly through every sentence, and a language the model does not know.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Protocol

from language_id import scripts
from language_id.detector import Detection
from language_id.families import FAMILIES, Families, by_label
from language_id.prose import strip
from language_id.scripts import Script
from language_id.windows import chunks, pieces, segments, spread


class Detector(Protocol):
    """What is needed of a classifier."""

    def __hash__(self) -> int:
        """What is found is kept by the classifier that found it."""

    def candidates(self, text: str, k: int) -> Sequence[Detection]:
        """The `k` most probable languages, most probable first."""


@dataclass(frozen=True, slots=True)
class ConsistencySettings:
    """Every threshold of the rule. A unit is a letter of an alphabet; a Han character makes three, see `scripts`."""

    # Where the settings come from outside, through pydantic, a misspelt one is refused.
    __pydantic_config__: ClassVar[Mapping[str, str]] = {"extra": "forbid"}

    min_units: int = 20  # a part with less tells nothing

    # A few Latin words may be terms and names in a Chinese or Russian text. They are evidence against it when they are
    # this many, or this surely one language.
    min_units_of_latin: int = 30
    min_probability_of_latin: float = 0.7

    # A language is contradicted by a window in which it is less probable than the best one times this ratio: the first
    # for a window of `min_units`, the second from `long_units` on, in geometric progression between.
    contradicting_ratio_short: float = 0.02
    contradicting_ratio_long: float = 0.3
    long_units: int = 80

    # What thoughts or answer may have in another language, as a quotation: this share, or so many units if that is
    # less than half. Problems mix more.
    max_foreign_share: float = 0.15
    max_quoted_units: int = 120
    max_foreign_share_of_problem: float = 0.7

    # Prompts in every language come with instructions in this one. They are set aside where the rest of the problem
    # has `min_units` of sentences that are with this probability in another. Empty: nothing is set aside.
    instruction_language: str = "en"
    min_probability_beside_instructions: float = 0.5
    max_segments_of_problem: int = 24

    window_units: int = 200
    max_windows: int = 12
    max_scanned_chars: int = 8_192
    families: Families = FAMILIES

    def __post_init__(self) -> None:
        """Refuse what makes no rule, or one that takes for ever."""
        for name, (least, most) in _BOUNDS.items():
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be from {least} to {most}")
        if not all(self.families):
            raise ValueError("families: an empty one has no name")


_BOUNDS: Mapping[str, tuple[float, float]] = {
    "min_units": (1, 10_000),
    "min_units_of_latin": (1, 10_000),
    "min_probability_of_latin": (0, 1),
    "contradicting_ratio_short": (1e-6, 1),
    "contradicting_ratio_long": (1e-6, 1),
    "long_units": (2, 100_000),
    "max_foreign_share": (0, 1),
    "max_quoted_units": (0, 100_000),
    "max_foreign_share_of_problem": (0, 1),
    "min_probability_beside_instructions": (0, 1),
    "max_segments_of_problem": (2, 128),
    "window_units": (40, 2_000),
    "max_windows": (2, 64),
    "max_scanned_chars": (1_024, 65_536),
}
_QUOTATION = re.compile(r"\"[^\"\n]+\"|“[^”]+”|„[^“”]+[“”]|«[^»]+»|「[^」]+」")
_HEADING = re.compile(r"^[ \t]*(?:#{1,6}[ \t][^\n]{0,80}$|\*\*[^*\n]{1,80}\*\*)", re.MULTILINE)
_SENTENCE_END = re.compile(r"[.!?:;,…)\]»”\"']\s*$")
_PART_COUNTED_CHARS = 2_000  # enough to see that a text is more than its headings
_FEWEST_UNITS = 6  # of what is called another language at all


@dataclass(frozen=True, slots=True)
class Part:
    """The language of one part: none where there is too little text, and the shares by language, largest first."""

    language: str | None
    shares: Mapping[str, float]
    units: int


@dataclass(frozen=True, slots=True)
class Consistency:
    """The outcome, its one-line reason, and what it rests on.

    `detail` names problem, thoughts and answer in this order, `-` where there is too little text to tell, and the
    shares by language where a part has more in another than a quotation: `en en:55%+zh:45% en`.
    """

    consistent: bool
    detail: str
    problem: Part
    thoughts: Part
    answer: Part


def check(
    problem: str | None, thoughts: str, answer: str, *, detector: Detector, settings: ConsistencySettings | None = None
) -> Consistency:
    """Decide whether the three parts share a language. Each is given as written, markup included."""
    rule = _rule(detector, settings or ConsistencySettings())
    reply = [rule.windows(thoughts), rule.windows(answer)]
    parts, common = rule.settle(rule.readings_of_problem(problem or ""), reply)
    described = [rule.describe(windows, common) for windows in parts]
    consistent = common is not None or not any(parts)
    detail = " ".join(_label(part, 1 - rule.settings.max_foreign_share) for part in described)
    return Consistency(consistent, detail, *described)


def _label(part: Part, plain_share: float) -> str:
    if part.language is None or part.shares[part.language] >= plain_share:
        return part.language or "-"
    return "+".join(f"{language}:{share:.0%}" for language, share in part.shares.items())


@dataclass(frozen=True, slots=True)
class _Window:
    """A stretch of text in one script, and how probable each family is."""

    units: int
    script: Script
    families: Mapping[str, float]

    @property
    def best(self) -> str:
        return max(self.families, key=lambda name: self.families[name], default="und")


class _Rule:
    """The rule under one group of settings."""

    def __init__(self, detector: Detector, settings: ConsistencySettings) -> None:
        self.detector, self.settings = detector, settings
        self.members = {names[0]: names for names in settings.families}
        self._families = {script: _FamiliesWrittenIn(script, by_label(settings.families)) for script in Script}
        # Every rollout of a group brings the same problem.
        self.readings_of_problem = lru_cache(maxsize=512)(self._readings_of_problem)

    def windows(self, text: str) -> list[_Window]:
        """The windows that stand for a part; none where it has too little text."""
        return self._enough(self._windows_of(self._language_of(text)))

    def _readings_of_problem(self, text: str) -> Sequence[list[_Window]]:
        """The windows of a problem without the instructions around it, for every way in which it may be read."""
        language = self._language_of(text)
        readings = self._without_instructions(language)
        unquoted = _QUOTATION.sub(" ", language) if readings[0] is not None else language
        if unquoted != language and self._without_instructions(unquoted)[0] is None:
            # Only what it quotes is in another language.
            return [self._enough(self._windows_of(unquoted)), *filter(None, readings)]
        return [self._enough(self._windows_of(language)) if each is None else each for each in readings]

    def _without_instructions(self, text: str) -> Sequence[list[_Window] | None]:
        """What a problem is without its instructions, None where it is all of it; both where one cannot tell."""
        instructions = self.settings.instruction_language
        own, sure = self._sentences_not_in(instructions, text) if instructions else ("", False)
        windows = self._windows_of(own)
        amount = sum(window.units for window in windows)
        denied = sum(window.units for window in windows if self._denies(window, instructions))
        if amount < self.settings.min_units:
            # "Calcule $1+1$." before a page of English: that was no English problem, but which one?
            least = _FEWEST_UNITS if own.isascii() else 3
            return [[]] if denied >= least else [None]
        if 2 * denied >= amount:
            return [windows] if sure else [None, windows]
        likeliest = max(windows, key=lambda window: window.units)
        return [None, windows] if likeliest.best != instructions and self._is_sure(likeliest) else [None]

    def _sentences_not_in(self, language: str, text: str) -> tuple[str, bool]:
        """What is not in a language, and whether it surely is a text: nothing where that would be all of it.

        The strings of a sample input are in no language either, but they are no sentences. What is neither is better
        than nothing.
        """
        settings = self.settings
        found = spread(list(segments(text, settings.min_units)), settings.max_segments_of_problem)
        if len(found) == 1:
            return "", False
        windows = [(segment, self._classified(segment)) for segment in found]
        other = [(segment, window) for segment, window in windows if window.units and window.best != language]
        if len(other) == sum(window.units > 0 for _, window in windows):
            return "", False
        sentences = [each for each in other if _is_sentence(*each)]
        sure = sum(window.units for _, window in sentences) >= settings.min_units
        return "".join(segment for segment, _ in (sentences if sure else other)), sure

    def _is_sure(self, window: _Window) -> bool:
        return window.families.get(window.best, 0.0) >= self.settings.min_probability_beside_instructions

    def _denies(self, window: _Window, language: str) -> bool:
        """Whether a window is in another language beyond doubt; of a short one, whether it seems to be."""
        if not self._is_sure(window):
            return False
        return (
            window.best != language if window.units < self.settings.min_units else self._contradicts(window, language)
        )

    def _enough(self, windows: list[_Window]) -> list[_Window]:
        return windows if sum(window.units for window in windows) >= self.settings.min_units else []

    def _windows_of(self, language: str) -> list[_Window]:
        settings = self.settings
        found = spread(list(chunks(language, settings.window_units)), settings.max_windows)
        return [window for window in map(self._classified, found) if window.units]

    def _language_of(self, text: str) -> str:
        """The language in a part: what is left without markup, or what was hidden in markup if that is more."""
        stripped = [strip(piece) for piece in pieces(text, self.settings.max_scanned_chars)]
        open_text = self._without_headings("\n".join(piece.prose for piece in stripped))
        wrapped = "\n".join(piece.wrapped for piece in stripped)
        hidden = scripts.units(wrapped)
        if hidden >= 4 * self.settings.min_units and hidden > scripts.units(open_text):
            return f"{open_text}\n{wrapped}"
        return open_text

    def _without_headings(self, text: str) -> str:
        """A text without its headings, which models write in English over text in any language, if enough remains."""
        if "**" not in text and "#" not in text:
            return text
        headings = scripts.units("\n".join(_HEADING.findall(text)))
        if not headings:
            return text
        bare = _HEADING.sub(" ", text)
        remaining, least = scripts.units(bare[:_PART_COUNTED_CHARS]), self.settings.min_units
        return bare if remaining >= least and headings <= max(remaining, 4 * least) else text

    def _classified(self, chunk: str) -> _Window:
        found = scripts.writing(chunk)
        if found.script is Script.CJK:
            return _Window(found.units, found.script, _chinese_or_japanese(found))
        labels = scripts.LABELS_BY_SCRIPT.get(found.script, frozenset())
        if len(labels) == 1:
            return _Window(found.units, found.script, dict.fromkeys(labels, 1.0))
        families = self._families[found.script]
        totals: dict[str, float] = {}
        for label, probability in self.detector.candidates(found.words, 12):
            family = families[label]
            if family is not None:
                totals[family] = totals.get(family, 0.0) + probability
        return _Window(found.units, found.script, totals)

    def settle(
        self, readings: Sequence[list[_Window]], reply: Sequence[list[_Window]]
    ) -> tuple[Sequence[list[_Window]], str | None]:
        """The parts and their common language, with the problem read in the way that has one, else in the first."""
        for reading in readings:
            common = self.common_language([reading, *reply])
            if common is not None or not any([reading, *reply]):
                return [reading, *reply], common
        return [readings[0], *reply], None

    def common_language(self, parts: Sequence[Sequence[_Window]]) -> str | None:
        """A language that no part contradicts, among those that are the likeliest for some part."""
        settings = self.settings
        limits = (settings.max_foreign_share_of_problem, settings.max_foreign_share, settings.max_foreign_share)
        for windows in parts:
            family = _likeliest(windows)
            if family and all(self._admits(part, family, limit) for part, limit in zip(parts, limits, strict=True)):
                return family
        return None

    def _admits(self, windows: Sequence[_Window], family: str, max_foreign_share: float) -> bool:
        """Whether a part can be in a language, but for quotations."""
        total = sum(window.units for window in windows)
        foreign = sum(window.units for window in windows if self._contradicts(window, family))
        quoted = foreign <= self.settings.max_quoted_units and 2 * foreign < total
        return quoted or foreign <= max_foreign_share * total

    def _contradicts(self, window: _Window, family: str) -> bool:
        """Whether a window is evidence against a language."""
        settings = self.settings
        if window.units < settings.min_units:
            return False
        best = window.families.get(window.best, 0.0)
        if not any(scripts.is_written_in(label, window.script) for label in self.members.get(family, (family,))):
            terms = window.units < settings.min_units_of_latin and best < settings.min_probability_of_latin
            return window.script is not Script.LATIN or not terms
        return window.families.get(family, 0.0) < self._ratio(window.units) * best

    def _ratio(self, units: int) -> float:
        settings = self.settings
        short, long = settings.contradicting_ratio_short, settings.contradicting_ratio_long
        position = (units - settings.min_units) / max(settings.long_units - settings.min_units, 1)
        return float(short * (long / short) ** min(max(position, 0.0), 1.0))

    def describe(self, windows: Sequence[_Window], common: str | None) -> Part:
        """Name the languages of a part; a window that does not contradict its main language is in it."""
        main = common or _likeliest(windows)
        total = sum(window.units for window in windows)
        if main is None or not total:
            return Part(None, {}, 0)
        amounts: dict[str, int] = {}
        for window in windows:
            language = window.best if self._contradicts(window, main) else main
            amounts[language] = amounts.get(language, 0) + window.units
        ordered = sorted(amounts, key=lambda name: (-amounts[name], name))
        return Part(ordered[0], {name: amounts[name] / total for name in ordered}, total)


def _is_sentence(segment: str, window: _Window) -> bool:
    return window.script is not Script.LATIN or _SENTENCE_END.search(segment) is not None


@lru_cache(maxsize=8)
def _rule(detector: Detector, settings: ConsistencySettings) -> _Rule:
    """The rule with what it keeps between checks; a service has one detector and hardly more than one setting."""
    return _Rule(detector, settings)


class _FamiliesWrittenIn(dict[str, str | None]):
    """The family of a label, or None where it cannot be written in the script; filled as labels come."""

    def __init__(self, script: Script, names: Mapping[str, str]) -> None:
        super().__init__()
        self._script, self._names = script, names

    def __missing__(self, label: str) -> str | None:
        family = self._names.get(label, label) if scripts.is_written_in(label, self._script) else None
        self[label] = family
        return family


def _likeliest(windows: Iterable[_Window]) -> str | None:
    votes: dict[str, float] = {}
    for window in windows:
        for family, probability in window.families.items():
            votes[family] = votes.get(family, 0.0) + probability * window.units
    return max(votes, key=lambda name: (votes[name], name)) if votes else None


def _chinese_or_japanese(found: scripts.Writing) -> Mapping[str, float]:
    """Tell by kana, which Japanese cannot do without for long and Chinese never has; a few characters may be either."""
    share = scripts.kana_share(found.words)
    if share >= 0.1:
        return {"ja": 1.0}
    return {"zh": 1.0} if share < 0.05 and found.units >= 60 else {"zh": 0.6, "ja": 0.4}
