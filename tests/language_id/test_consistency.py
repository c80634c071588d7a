"""The rule on real prose (see data/README.md) and at its edges. Every figure is a count over fixed texts."""

import itertools
import json
import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest

from language_id import scripts
from language_id.consistency import Consistency, ConsistencySettings, check
from language_id.detector import Detection, LanguageDetector

DATA = Path(__file__).parent / "data"
PAPER = ("en", "fr", "es", "it", "de", "zh", "ru")


def read(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (DATA / name).read_text("utf-8").splitlines()]


REASONING = read("reasoning.jsonl")
PROSE: dict[str, list[str]] = defaultdict(list)
for row in read("prose.jsonl"):
    PROSE[row["language"]].append(row["text"])
for row in REASONING:
    PROSE[row["language"]].append(row["thoughts"])


def cut(text: str, units: int) -> str:
    """The first words of a text, of that many units or barely more."""
    words = text.split(" ") if " " in text else list(text)
    lengths = itertools.accumulate(scripts.writing(word).units for word in words)
    count = next((index for index, length in enumerate(lengths, 1) if length >= units), len(words))
    return (" " if " " in text else "").join(words[:count])


def passage(language: str, units: int, dice: random.Random) -> str:
    """Paragraphs of one language with a formula after each, of at least so many units."""
    text = ""
    while scripts.writing(text).units < units:
        text += dice.choice(PROSE[language]) + r" Thus $x_1 + \frac{a}{b} = 5$."[5:] + "\n\n"
    return text


def pairs(languages: Sequence[str]) -> list[tuple[str, str]]:
    return list(itertools.permutations(languages, 2))


@pytest.mark.parametrize("units", [20, 40, 100, 400])
@pytest.mark.parametrize("language", sorted(PROSE))
def test_consistent_rollouts_are_not_denied(detector: LanguageDetector, language: str, units: int) -> None:
    """Problem, thoughts and answer from the same language, the answer from 20 letters up: 20 rollouts, none denied."""
    dice = random.Random(f"{language} {units}")
    denied = []
    for _ in range(20):
        problem = cut(passage(language, 80, dice), 80)
        answer = cut(passage(language, units, dice), units) + r" \boxed{42}"
        found = check(problem, passage(language, 600, dice), answer, detector=detector)
        if not found.consistent:
            denied.append((found.detail, answer))
    assert denied == []


def test_foreign_thoughts_are_caught(detector: LanguageDetector) -> None:
    """At least 99 of 100, from 160 letters on."""
    missed = 0
    for host, foreign in pairs(sorted(PROSE)):
        dice = random.Random(f"{host} {foreign}")
        for _ in range(3):
            problem, thoughts = passage(host, 60, dice), cut(passage(foreign, 160, dice), 160)
            missed += check(problem, thoughts, passage(host, 60, dice), detector=detector).consistent
    assert missed <= 0.01 * 3 * len(pairs(sorted(PROSE)))


def test_foreign_answers_are_caught(detector: LanguageDetector) -> None:
    """At least 95 of 100, from 40 letters on."""
    missed = 0
    for host, foreign in pairs(sorted(PROSE)):
        dice = random.Random(f"{host} {foreign}")
        for _ in range(3):
            answer = cut(passage(foreign, 40, dice), 40)
            thoughts = passage(host, 300, dice)
            missed += check(passage(host, 60, dice), thoughts, answer, detector=detector).consistent
    assert missed <= 0.05 * 3 * len(pairs(sorted(PROSE)))


@pytest.mark.parametrize("row", REASONING, ids=lambda row: f"{row['language']}-{row['topic']}")
def test_a_reasoned_solution_is_in_its_own_language(detector: LanguageDetector, row: dict[str, str]) -> None:
    """With formulas, code with English comments, English terms in brackets, names and prices in it."""
    found = check(row["problem"], row["thoughts"], row["answer"], detector=detector)
    assert (found.consistent, found.detail) == (True, " ".join([row["language"]] * 3))


@pytest.mark.parametrize(("host", "foreign"), pairs(PAPER))
def test_the_thoughts_to_another_language_s_problem_are_caught(
    detector: LanguageDetector, host: str, foreign: str
) -> None:
    """The same solution, translated: only the language differs."""
    for topic in ("sum", "code", "price"):
        own, other = (
            next(r for r in REASONING if (r["language"], r["topic"]) == (each, topic)) for each in (host, foreign)
        )
        found = check(own["problem"], other["thoughts"], own["answer"], detector=detector)
        assert (found.consistent, found.thoughts.language) == (False, foreign)


def row_of(language: str, topic: str) -> dict[str, str]:
    return next(row for row in REASONING if (row["language"], row["topic"]) == (language, topic))


def text_of(language: str, units: int = 700) -> str:
    return passage(language, units, random.Random(language))


@pytest.mark.parametrize(("host", "foreign"), pairs(PAPER))
def test_a_switch_half_way_shows_as_shares(detector: LanguageDetector, host: str, foreign: str) -> None:
    """Not consistent, and `detail` says how much of the thoughts is in which language."""
    first, second = text_of(host), text_of(foreign)
    found = check(text_of(host, 60), first + second, text_of(host, 60), detector=detector)
    share = scripts.units(second) / scripts.units(first + second)
    assert not found.consistent
    assert found.thoughts.shares[foreign] == pytest.approx(share, abs=0.15)
    assert f"{foreign}:{found.thoughts.shares[foreign]:.0%}" in found.detail


@pytest.mark.parametrize(("host", "foreign"), pairs(PAPER))
def test_a_quotation_is_no_switch(detector: LanguageDetector, host: str, foreign: str) -> None:
    """A phrase in another language in the middle of a page."""
    quotation = f' "{cut(text_of(foreign), 50)}" '
    thoughts = text_of(host, 700) + quotation + text_of(host, 700)
    found = check(text_of(host, 60), thoughts, text_of(host, 60), detector=detector)
    assert (found.consistent, found.detail) == (True, f"{host} {host} {host}")


@pytest.mark.parametrize("units", [30_000, 400_000])
def test_a_long_text_is_looked_at_from_end_to_end(detector: LanguageDetector, units: int) -> None:
    """A switch is seen wherever it is, however long the thoughts are."""
    english, chinese = text_of("en"), text_of("zh")
    many = units // scripts.units(english)
    for order in (english * many + chinese * many, chinese * many + english * many):
        found = check("", order, "", detector=detector)
        assert not found.consistent or found.thoughts.shares.keys() == {"en", "zh"}
        assert 0.3 < found.thoughts.shares["zh"] < 0.7


@pytest.mark.parametrize(
    ("problem", "thoughts", "answer", "detail"),
    [
        pytest.param("Compute $1+1$.", text_of("fr"), r"\boxed{2}", "- fr -", id="no text around the formulas"),
        pytest.param(None, text_of("fr"), text_of("fr", 60), "- fr fr", id="no problem"),
        pytest.param("", text_of("ru"), "", "- ru -", id="empty parts"),
        pytest.param("", "", "", "- - -", id="nothing at all"),
        pytest.param(text_of("it"), "", r"\boxed{2}", "it - -", id="no thoughts"),
    ],
)
def test_a_part_without_text_agrees_with_anything(
    detector: LanguageDetector, problem: str | None, thoughts: str, answer: str, detail: str
) -> None:
    """And is shown as a dash."""
    found = check(problem, thoughts, answer, detector=detector)
    assert (found.consistent, found.detail) == (True, detail)


def test_without_a_problem_thoughts_and_answer_must_agree(detector: LanguageDetector) -> None:
    """The thoughts are then the measure."""
    found = check(None, text_of("fr"), text_of("en", 100), detector=detector)
    assert (found.consistent, found.detail) == (False, "- fr en")


@pytest.mark.parametrize(
    ("language", "thoughts"),
    [
        ("zh", "我们使用 dynamic programming 来解决 longest common subsequence 问题，其中 state 表示前缀的长度，" * 6),
        ("ru", "Здесь удобно применить binary search и prefix sums, как в решении Knuth и Sedgewick. " * 6),
        ("ja", "ここでは dynamic programming を使って、最長共通部分列の長さを求めることにします。" * 6),
        ("ko", "여기서는 dynamic programming 을 사용하여 가장 긴 공통 부분 수열의 길이를 구합니다. " * 6),
    ],
)
def test_latin_terms_belong_to_the_script_around_them(detector: LanguageDetector, language: str, thoughts: str) -> None:
    """Technical terms and names are written in Latin letters everywhere."""
    found = check(thoughts, thoughts, thoughts, detector=detector)
    assert (found.consistent, found.detail) == (True, f"{language} {language} {language}")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "Det er lett å se at summen av alle disse tallene er et partall.",
            "Det er let at se, at summen af alle disse tal er et lige tal.",
        ),
        (
            "Zbroj svih tih brojeva je paran, što se lako vidi iz formule.",
            "Збир свих тих бројева је паран, што се лако види из формуле.",
        ),
        (
            "我们来计算这些数的和，然后检查结果是不是偶数。",
            "我哋而家計下呢啲數嘅總和，然後睇下結果係咪雙數。",
        ),
        (
            "Jumlah semua bilangan ini adalah genap, seperti yang terlihat.",
            "Jumlah semua nombor ini ialah genap, seperti yang dapat dilihat.",
        ),
    ],
    ids=["Norwegian-Danish", "Croatian-Serbian", "Mandarin-Cantonese", "Indonesian-Malay"],
)
def test_a_family_counts_as_one_language(detector: LanguageDetector, one: str, other: str) -> None:
    """The classifier confuses them on short text, so nothing is held against either."""
    assert check(one * 3, other * 3, one, detector=detector).consistent


INSTRUCTIONS = {row["name"]: row["text"] for row in read("instructions.jsonl") if row["set"] == "held-out"}
FOREIGN = sorted(set(PROSE) - {"en"})


def around(instruction: str, problem: str) -> str:
    return INSTRUCTIONS[instruction].replace("{problem}", problem)


@pytest.mark.parametrize("instruction", INSTRUCTIONS)
def test_english_instructions_do_not_make_an_english_problem(detector: LanguageDetector, instruction: str) -> None:
    """The reply follows the problem: none of it is denied, and at most 5 of 100 are paid for English instead."""
    denied, paid, total = [], 0, 0
    for language, units in itertools.product(FOREIGN, (40, 80, 160)):
        dice = random.Random(f"{instruction} {language} {units}")
        problem = around(instruction, cut(passage(language, units, dice), units) + ".")
        own, english = ((passage(each, 300, dice), cut(passage(each, 60, dice), 60) + ".") for each in (language, "en"))
        found = check(problem, *own, detector=detector)
        denied += [] if found.consistent else [(found.detail, problem)]
        paid += check(problem, *english, detector=detector).consistent
        total += 1
    assert (denied, paid <= 0.05 * total) == ([], True)


@pytest.mark.parametrize("row", [row for row in REASONING if row["language"] != "en"], ids=lambda r: r["problem"][:20])
@pytest.mark.parametrize("instruction", INSTRUCTIONS)
def test_a_short_problem_outweighs_a_page_of_instructions(
    detector: LanguageDetector, instruction: str, row: dict[str, str]
) -> None:
    """Whatever the topic, with the formulas and names it has."""
    problem, english = around(instruction, row["problem"]), row_of("en", row["topic"])
    assert check(problem, row["thoughts"], row["answer"], detector=detector).consistent
    assert not check(problem, english["thoughts"], english["answer"], detector=detector).consistent


@pytest.mark.parametrize("instruction", INSTRUCTIONS)
def test_an_english_problem_with_instructions_is_english(detector: LanguageDetector, instruction: str) -> None:
    """Sentences that the classifier takes for another language, and the strings of a sample, change nothing."""
    sample = "\n\nInput\n2\nabracadabra mississippi\nqwxzvbnmasdjklwer\nhola mundo adios\n\nOutput\nbanana ananab"
    for row in (row for row in REASONING if row["language"] == "en"):
        problem = around(instruction, row["problem"] + sample)
        assert check(problem, row["thoughts"], row["answer"], detector=detector).consistent
        french = row_of("fr", row["topic"])
        without_sample = around(instruction, row["problem"])
        assert not check(without_sample, french["thoughts"], french["answer"], detector=detector).consistent


def test_a_quotation_does_not_take_a_problem_away_from_english(detector: LanguageDetector) -> None:
    """It may be English and quote French, or be French and be quoted; neither reply is denied."""
    problem = f'What does the following sentence mean? "{cut(text_of("fr"), 60)}"'
    for language in ("en", "fr"):
        assert check(problem, text_of(language), text_of(language, 60), detector=detector).consistent
    assert not check(problem, text_of("de"), text_of("de", 60), detector=detector).consistent


@pytest.mark.parametrize("problem", ["Trouver $x+1$.", "求 $x$。", "Вычисли $1+1$."])
def test_too_short_a_problem_leaves_the_reply_its_language(detector: LanguageDetector, problem: str) -> None:
    """But makes it no English one; thoughts and answer must still agree."""
    whole = around("boxed-after", problem)
    for language in ("fr", "zh", "ru"):
        assert check(whole, text_of(language), text_of(language, 60), detector=detector).consistent
        assert not check(whole, text_of(language), text_of("en", 80), detector=detector).consistent


def test_the_language_of_instructions_is_a_setting(detector: LanguageDetector) -> None:
    """Without one, the part with more text decides."""
    problem = around("magistral", cut(text_of("fr"), 60) + ".")
    reply = text_of("en"), text_of("en", 60)
    assert not check(problem, *reply, detector=detector).consistent
    assert check(problem, *reply, detector=detector, settings=ConsistencySettings(instruction_language="")).consistent


@pytest.mark.parametrize("draft", read("drafts.jsonl"), ids=lambda row: f"{row['topic']}-{row['language']}")
@pytest.mark.parametrize("language", sorted(PROSE))
def test_a_draft_of_code_without_a_fence_is_no_english(
    detector: LanguageDetector, language: str, draft: dict[str, str]
) -> None:
    """Once or twice between the thoughts, with its English comments."""
    thoughts, code = text_of(language, 200), f"\n{draft['code']}\n"
    for text in (thoughts + code, thoughts + code + thoughts + code):
        assert check(text_of(language, 80), text, text_of(language, 60), detector=detector).consistent


@pytest.mark.parametrize("heading", ["**Step %d: Understand the problem.** ", "### Step %d: Understand the problem\n"])
def test_english_headings_are_no_english_thoughts(detector: LanguageDetector, heading: str) -> None:
    """Unless there is little else."""
    sentences = [cut(text_of("zh"), 45)] * 3
    thoughts = "\n".join(heading % number + sentence for number, sentence in enumerate(sentences, 1))
    assert check(text_of("zh", 60), thoughts, text_of("zh", 60), detector=detector).consistent
    english = "\n".join(heading % number for number in range(1, 12))
    assert not check(text_of("zh", 60), english, text_of("zh", 60), detector=detector).consistent


@pytest.mark.parametrize(
    "wrapping",
    [
        "$%s$",
        r"$\text{%s}$",
        "```\n%s\n```",
        "```cpp\nint x;\n```\n```\n%s\n```",
        "<!-- %s -->",
        r"\boxed{%s}",
        "x = 1;\n%s;\ny = 2;",
        "## a\n**%s**",
    ],
)
def test_hiding_foreign_thoughts_in_markup_does_not_pay(detector: LanguageDetector, wrapping: str) -> None:
    """Whole thoughts wrapped, behind a line in the language asked for."""
    hidden = PROSE["zh"][0] + PROSE["zh"][1]
    found = check(text_of("en", 80), f"Let me think.\n{wrapping % hidden}", text_of("en", 80), detector=detector)
    assert not found.consistent


def test_hiding_foreign_thoughts_in_many_snippets_does_not_pay(detector: LanguageDetector) -> None:
    """When there is more language inside the markup than outside, it is what is judged."""
    snippets = " ".join(f"$\\text{{{word}}}$" for word in text_of("fr").split()[:80])
    assert not check(text_of("en", 80), snippets, text_of("en", 80), detector=detector).consistent


class Fixed:
    """A classifier that always gives the same answer."""

    def __init__(self, **probabilities: float) -> None:
        self.found = [Detection(label, probability) for label, probability in probabilities.items()]

    def candidates(self, text: str, k: int) -> Sequence[Detection]:
        return self.found[:k]


def check_with(probabilities: dict[str, float], units: int, **settings: float) -> Consistency:
    class Doubting(Fixed):
        def candidates(self, text: str, k: int) -> Sequence[Detection]:
            return [Detection("en", 1.0)] if "problem" in text else super().candidates(text, k)

    answer = "answer " * (units // 6)
    return check(
        "problem " * 30,
        "",
        answer,
        detector=Doubting(**probabilities),
        settings=ConsistencySettings(**settings),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("units", "english", "consistent"),
    [
        pytest.param(18, 0.0, True, id="too little text to tell"),
        pytest.param(24, 0.05, True, id="short: a small probability is enough"),
        pytest.param(24, 0.001, False, id="short: contradicted"),
        pytest.param(120, 0.05, False, id="long: the same probability is not enough"),
        pytest.param(120, 0.4, True, id="long: undecided"),
    ],
)
def test_the_shorter_the_text_the_more_it_takes_to_contradict(units: int, english: float, consistent: bool) -> None:
    """What counts is the probability beside that of the likeliest language."""
    assert check_with({"fr": 0.9, "en": english}, units).consistent is consistent


def test_every_threshold_is_a_setting() -> None:
    """The minimum of text, here."""
    assert not check_with({"fr": 1.0}, 60).consistent
    assert check_with({"fr": 1.0}, 60, min_units=100).consistent


def test_the_same_texts_give_the_same_outcome(detector: LanguageDetector) -> None:
    """Windows are chosen by position, nothing by chance."""
    thoughts = text_of("de", 9000) + text_of("en", 3000)
    first = check(text_of("de"), thoughts, text_of("de"), detector=detector)
    assert all(check(text_of("de"), thoughts, text_of("de"), detector=detector) == first for _ in range(3))


@pytest.mark.parametrize(
    "text", ["\0", "\ud800" * 50, "\n" * 1000, "‮" * 99, "𝒜" * 300, "🙂" * 500, "ⴰⵣⵓⵍ" * 50, "a" * 100_000]
)
def test_no_text_makes_it_raise(detector: LanguageDetector, text: str) -> None:
    """Whatever a model prints is judged."""
    assert isinstance(check(text, text, text, detector=detector).detail, str)
