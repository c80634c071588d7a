"""Measure language consistency on real prose: consistent rollouts that are denied, foreign parts that are caught.

    python benchmarks/bench_language.py --root DIR --fetch     # once: unpack the packages below into DIR
    python benchmarks/bench_language.py --root DIR [--sources tuned|held-out|all] [--triples N]
    python benchmarks/bench_language.py --root DIR --only instructions [--problems DIR]   # this table alone

`--problems` takes real problems in place of the prose: a folder LANGUAGE/*.jsonl with a `question` in every line, as
the data of PolyMath (github.com/QwenLM/PolyMath) are kept.

The prose is the translated documentation of Debian packages and of FastAPI's source distribution, with the technical
terms, names and code they have, and LaTeX, numbers and code blocks put in. The thresholds were chosen on the sources
called `tuned`; figures worth quoting come from `held-out`. Untranslated English paragraphs, which most translations
have, are left out by their function words, not by the classifier that is measured.
"""

from __future__ import annotations

import argparse
import gzip
import html
import itertools
import json
import random
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from language_id import scripts
from language_id.consistency import ConsistencySettings, check
from language_id.detector import LanguageDetector
from language_id.families import by_label
from language_id.prose import prose

LANGUAGES = ("en", "fr", "es", "it", "de", "zh", "ru")
OTHERS = (
    "ja",
    "ko",
    "pt",
    "nl",
    "pl",
    "uk",
    "cs",
    "sv",
    "ro",
    "tr",
    "vi",
    "id",
    "da",
    "fi",
    "hu",
    "ar",
    "fa",
    "he",
    "el",
    "ca",
)
PACKAGES = """
    manpages manpages-dev manpages-fr manpages-de manpages-es manpages-it manpages-ru manpages-zh manpages-ja
    manpages-pl
    manpages-nl manpages-pt-br manpages-uk manpages-cs manpages-sv manpages-ro manpages-tr manpages-vi manpages-id
    manpages-da manpages-fi manpages-hu manpages-el manpages-fr-dev manpages-de-dev manpages-es-dev manpages-it-dev
    manpages-ru-dev debian-reference-en debian-reference-fr debian-reference-de debian-reference-es debian-reference-it
    debian-reference-ja debian-reference-pt debian-reference-zh-cn installation-guide-amd64 debian-handbook
    gnome-user-docs kmplot kturtle okular step cantor
"""
FASTAPI = "fastapi==0.110.0"  # the last releases whose source distribution holds the translated documentation

Corpus = dict[str, list[list[str]]]  # language -> documents -> paragraphs


@dataclass(frozen=True)
class Triple:
    problem: str
    thoughts: str
    answer: str
    languages: tuple[str, str, str]


# --- reading --------------------------------------------------------------------------------------------------------


def normal(code: str) -> str:
    return {"C": "en", "en-US": "en", "nb": "no", "zh_TW": "zh-TW"}.get(code, re.split(r"[-_@]", code)[0])


def man_pages(root: Path) -> Iterator[tuple[str, list[str]]]:
    for path in sorted(root.glob("usr/share/man/**/*.gz")):
        parts = path.relative_to(root / "usr/share/man").parts
        language = normal(parts[0]) if len(parts) == 3 else "en"
        if not path.is_symlink():
            yield language, roff(gzip.decompress(path.read_bytes()).decode("utf-8", "replace"))


def roff(text: str) -> list[str]:
    paragraphs, current = [], list[str]()
    for line in text.splitlines():
        if re.match(r"\.\s*(SH|SS|TP|PP|P|LP|IP|HP|sp|RS|RE|nf|fi|EX|EE)\b", line) or not line.strip():
            paragraphs.append(" ".join(current))
            current = []
        elif line.startswith("."):
            words = re.match(r"\.(B|I|BR|IR|RB|BI|IB|RI)\s+(.*)", line)
            current.append("`" + words[2].replace('"', "") + "`" if words else "")
        else:
            current.append(line)
    paragraphs.append(" ".join(current))
    return [
        re.sub(r"\\f(\[\w*\]|.)|\\&|\\\||\\:|\\%|\\\[\w+\]", "", p).replace("\\-", "-").replace("\\(aq", "'")
        for p in paragraphs
    ]


CODE = r"code|tt|kbd|pre|programlisting|screen|cmd|file|key|command|filename|literal|userinput|option|keycap"


def markup(text: str) -> list[str]:
    """The paragraphs of HTML, Mallard or DocBook, with inline code in backticks."""
    found = re.findall(r"<(?:p\b|para\b|div class=.para.)[^>]*>(.*?)</(?:p|para|div)>", text, re.S)
    coded = (re.sub(rf"<({CODE})\b[^>]*>(.*?)</\1>", r"`\2`", p, flags=re.S) for p in found)
    return [re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", "", p))).replace("``", "").strip() for p in coded]


def tagged(pattern: str, language: Callable[[Path], str]) -> Callable[[Path], Iterator[tuple[str, list[str]]]]:
    def read(root: Path) -> Iterator[tuple[str, list[str]]]:
        for path in sorted(root.glob(pattern)):
            if path.is_file() and not path.is_symlink():
                yield normal(language(path)), markup(path.read_text("utf-8", "replace"))

    return read


def markdown(root: Path) -> Iterator[tuple[str, list[str]]]:
    for path in sorted(root.glob("fastapi-*/docs/*/docs/**/*.md")):
        language = path.relative_to(root).parts[2]
        if language != "em":  # emoji
            text = re.sub(r"^(#|\||!!!|\{|<|\s*-).*$", "", path.read_text("utf-8"), flags=re.M)
            yield normal(language), re.split(r"\n\s*\n", re.sub(r"```.*?```", "", text, flags=re.S))


SOURCES: dict[str, dict[str, Callable[[Path], Iterator[tuple[str, list[str]]]]]] = {
    "tuned": {
        "man": man_pages,
        "debian-reference": tagged("usr/share/debian-reference/ch*.html", lambda p: p.name.split(".")[1]),
        "install": tagged("usr/share/doc/installation-guide-amd64/*/*.html", lambda p: p.parent.name),
    },
    "held-out": {
        "gnome": tagged("usr/share/help/*/*/*.page", lambda p: p.parent.parent.name),
        "handbook": tagged("usr/share/doc/debian-handbook/html/*/*.html", lambda p: p.parent.name),
        "kde": tagged("usr/share/doc/HTML/*/**/*.docbook", lambda p: p.parts[p.parts.index("HTML") + 1]),
        "fastapi": markdown,
    },
}

ENGLISH = re.compile(
    r"\b(the|of|and|is|to|that|this|are|for|with|you|your|can|be|it|by|which|or|when|not|used|using|these|from|has|will|should|in|on|their)\b",
    re.I,
)
NOT_PROSE = re.compile(
    r"copyright|license|©|gnu|https?://|@|[{}]|\bISBN|\||\[-|\\|/\*|#\w|\w\(\), \w+\(|\.\.\. \w", re.I
)


def is_prose(paragraph: str, language: str) -> bool:
    """A paragraph of sentences in its own language: long enough, ended, not mostly code, and translated."""
    bare = re.sub(r"`[^`]*`", "", paragraph)
    amount = scripts.units(bare)
    if amount < 60 or NOT_PROSE.search(paragraph) or not re.search(r"[.。！？!?:：]\W*$", paragraph.strip()):
        return False
    if amount < 0.5 * len(paragraph.replace(" ", "")):
        return False
    if language != "en" and is_english(bare):
        return False
    return scripts.writing(bare).script in SCRIPTS.get(language, (scripts.Script.LATIN,))


def is_english(text: str) -> bool:
    """Whether a paragraph of a translation was left as it was."""
    return len(ENGLISH.findall(text)) > 0.12 * max(len(re.findall(r"[A-Za-z]+", text)), 8)


SCRIPTS = {
    **dict.fromkeys(("ru", "uk", "bg", "sr"), (scripts.Script.CYRILLIC,)),
    **dict.fromkeys(("zh", "zh-TW", "ja"), (scripts.Script.CJK,)),
    **dict.fromkeys(("ar", "fa"), (scripts.Script.ARABIC,)),
    "ko": (scripts.Script.HANGUL,),
    "he": (scripts.Script.HEBREW,),
    "el": (scripts.Script.GREEK,),
}


def corpus(root: Path, names: Iterable[str], only: Iterable[str] = ()) -> dict[str, Corpus]:
    found: dict[str, Corpus] = {}
    for group in names:
        for source, read in SOURCES[group].items():
            if only and source not in only:
                continue
            documents: Corpus = defaultdict(list)
            seen: set[str] = set()
            for language, paragraphs in read(root):
                kept = []
                for paragraph in (re.sub(r"\s+", " ", p).strip() for p in paragraphs):
                    if paragraph not in seen and is_prose(paragraph, language):
                        seen.add(paragraph)
                        kept.append(paragraph)
                if kept:
                    documents[language].append(kept)
            found[source] = documents
    return found


# --- making rollouts ------------------------------------------------------------------------------------------------

FORMULAS = (
    r"$x^2 + y^2 = r^2$", r"$n$", r"\(a_n = 2a_{n-1} + 1\)", r"$\frac{a}{b}$",
    r"\[ \sum_{k=1}^{n} k = \frac{n(n+1)}{2} \]",
    r"$$\int_0^1 x^2 \, dx = \frac{1}{3}$$", r"$f(x) = \sin x$", r"\(p \equiv 1 \pmod 4\)",
    "3.14159", "1,024", "O(n log n)",
    r"$P(A) = \frac{\text{favorable}}{\text{total}}$", "x = 5", r"$\triangle ABC$",
    r"\begin{align} x &= 1 \\ y &= 2 \end{align}",
)  # fmt: skip
SNIPPETS = (
    "```python\ndef solve(n):\n    # count the pairs that satisfy it\n    return sum(i * i for i in range(n))\n```",
    "```cpp\n#include <bits/stdc++.h>\nusing namespace std;\nint main() { int n; cin >> n; cout << n * 2; }\n```",
    "`max_value`", "`dp[i][j]`", "`O(n)`",
)  # fmt: skip
NAMES = ("Euler", "Fibonacci", "Cauchy-Schwarz", "Dijkstra", "Alice", "Python", "SymPy", "Müller", "GitHub", "Fermat")


def cut(text: str, amount: int) -> str:
    """The first `amount` units of a text, to the end of a word."""
    if scripts.units(text) <= amount:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if scripts.units(text[:middle]) < amount else (low, middle)
    if scripts.writing(text).script is scripts.Script.CJK:
        return text[:low]
    end = re.compile(r"\s|$").search(text, low)
    return text[: end.start()] if end else text


def salted(text: str, dice: random.Random, every: int) -> str:
    """Formulas, code, names and numbers put between words, one for about `every` words."""
    words = re.split(r"(?<=[\s，。])", text)
    for index in range(len(words)):
        if dice.random() < 1 / every:
            words[index] += dice.choice(dice.choice((FORMULAS, FORMULAS, SNIPPETS, NAMES, NAMES))) + " "
    return "".join(words)


def passage(documents: list[list[str]], amount: int, dice: random.Random) -> str:
    """Running paragraphs of one document, from anywhere in it, as many as it takes."""
    text, start = "", None
    while scripts.units(text) < amount:
        document = dice.choice(documents)
        start = dice.randrange(len(document))
        for paragraph in document[start:]:
            text += ("\n\n" if text else "") + paragraph
            if scripts.units(text) >= amount:
                break
    return cut(text, amount)


def sentence(documents: list[list[str]], language: str, amount: int, dice: random.Random) -> str:
    """About `amount` units of one paragraph, beginning with a sentence of it, for every length a fresh start."""
    for _ in range(50):
        parts = re.split(r"(?<=[.!?])\s+(?=\w)|(?<=[。！？])", dice.choice(dice.choice(documents)))
        text = " ".join(parts[dice.randrange(len(parts)) :])
        if amount <= scripts.units(re.sub(r"`[^`]*`", "", text)) and (
            language == "en" or not is_english(cut(text, amount))
        ):
            break
    return cut(re.sub(r"`([^`]*)`", r"\1", text) if amount < 60 else text, amount)


# --- measuring ------------------------------------------------------------------------------------------------------


class Measurement:
    def __init__(self, documents: Corpus, settings: ConsistencySettings, triples: int, seed: str) -> None:
        self.documents, self.settings, self.triples, self.seed = documents, settings, triples, seed
        self.detector = LanguageDetector()
        self.seconds = 0.0
        self.calls = 0
        self.shown: Counter[str] = Counter()

    def check(self, triple: Triple) -> tuple[bool, str]:
        start = time.perf_counter()
        result = check(triple.problem, triple.thoughts, triple.answer, detector=self.detector, settings=self.settings)
        self.seconds += time.perf_counter() - start
        self.calls += 1
        return result.consistent, result.detail

    def make(self, languages: tuple[str, str, str], sizes: tuple[int, int, int], dice: random.Random) -> Triple:
        problem, thoughts, answer = (
            sentence(self.documents[language], language, size, dice)
            if size <= 300
            else passage(self.documents[language], size, dice)
            for language, size in zip(languages, sizes, strict=True)
        )
        return Triple(
            salted(problem, dice, 15),
            salted(thoughts, dice, 12),
            salted(answer, dice, 15) + r" $\boxed{42}$",
            languages,
        )

    def rate(self, languages: tuple[str, str, str], sizes: tuple[int, int, int]) -> tuple[int, int]:
        """How many of the triples are called consistent, of how many."""
        dice = random.Random(f"{self.seed} {languages} {sizes}")
        agreed = 0
        for _ in range(self.triples):
            triple = self.make(languages, sizes, dice)
            consistent, detail = self.check(triple)
            agreed += consistent
            if consistent != (len(set(languages)) == 1) and self.shown[str(sizes)] < SHOW:
                self.shown[str(sizes)] += 1
                print(
                    "   ",
                    languages,
                    sizes,
                    detail,
                    "|",
                    repr(triple.answer if sizes[2] < sizes[1] else triple.thoughts)[:300],
                )
        return agreed, self.triples


SHOW = 0
PROBLEM = 120


def report(
    name: str, documents: Corpus, languages: tuple[str, ...], settings: ConsistencySettings, triples: int
) -> None:
    present = tuple(each for each in languages if sum(map(len, documents.get(each, ()))) >= 25)
    measured = Measurement(documents, settings, triples, name)
    print(f"\n== {name}: " + " ".join(f"{each}:{sum(map(len, documents[each]))}" for each in present))
    families = by_label(settings.families)
    pairs = [(a, b) for a in present for b in present if families.get(a, a) != families.get(b, b)]
    print("consistent triples denied, % (answer units across, thoughts 1,500 units)")
    table(present, (20, 40, 80, 160, 400), lambda each, size: denied(measured, each, (PROBLEM, 1500, size)))
    print("consistent triples denied, % (thoughts units across, answer 100 units)")
    table(present, (40, 160, 500, 5000, 20000), lambda each, size: denied(measured, each, (PROBLEM, size, 100)))
    print("foreign answers caught, % (answer units across), by the language of problem and thoughts")
    table(present, (20, 40, 80, 160), lambda each, size: caught(measured, pairs, each, 2, (PROBLEM, 1500, size)))
    print("foreign thoughts caught, % (thoughts units across), by the language of problem and answer")
    table(present, (40, 80, 160, 500, 5000), lambda each, size: caught(measured, pairs, each, 1, (PROBLEM, size, 100)))
    print(f"{measured.calls} checks, {1e3 * measured.seconds / measured.calls:.2f} ms each")


def table(rows: Iterable[str], columns: tuple[int, ...], cell: Callable[[str, int], tuple[int, int]]) -> None:
    print("      " + "".join(f"{column:>8}" for column in columns))
    totals = [[0, 0] for _ in columns]
    for row in rows:
        line = f"{row:>6}"
        for total, column in zip(totals, columns, strict=True):
            part, whole = cell(row, column)
            total[0] += part
            total[1] += whole
            line += f"{100 * part / whole:8.2f}"
        print(line, flush=True)
    print("   all" + "".join(f"{100 * part / whole:8.2f}" for part, whole in totals))


def denied(measured: Measurement, language: str, sizes: tuple[int, int, int]) -> tuple[int, int]:
    agreed, total = measured.rate((language, language, language), sizes)
    return total - agreed, total


def caught(
    measured: Measurement, pairs: list[tuple[str, str]], language: str, position: int, sizes: tuple[int, int, int]
) -> tuple[int, int]:
    found = total = 0
    for host, foreign in pairs:
        if host == language:
            languages = [host, host, host]
            languages[position] = foreign
            agreed, of = measured.rate((languages[0], languages[1], languages[2]), sizes)
            found, total = found + of - agreed, total + of
    return found, total


def switches(documents: Corpus, settings: ConsistencySettings, triples: int) -> None:
    """Thoughts that change language half-way, and thoughts that quote a sentence."""
    measured = Measurement(documents, settings, triples, "switch")
    present = [each for each in LANGUAGES if len(documents.get(each, ())) >= 5]
    for share in (0.05, 0.1, 0.2, 0.3, 0.5, 0.7):
        for size in (500, 2000, 8000, 30000):
            dice = random.Random(f"{share} {size}")
            inconsistent = errors = 0.0
            for _ in range(triples):
                host, foreign = dice.sample(present, 2)
                thoughts = (
                    passage(documents[host], round(size * (1 - share)), dice)
                    + "\n\n"
                    + passage(documents[foreign], round(size * share), dice)
                )
                problem = sentence(documents[host], host, PROBLEM, dice)
                result = check(
                    problem, salted(thoughts, dice, 12), problem, detector=measured.detector, settings=settings
                )
                inconsistent += not result.consistent
                errors += abs(result.thoughts.shares.get(foreign, 0.0) - share)
            print(
                f"share {share:4.0%} of {size:6}: inconsistent {inconsistent / triples:5.1%}, "
                f"mean error of the share {errors / triples:.3f}"
            )


DATA = Path(__file__).parent.parent / "tests/language_id/data"
# A sample as programming contests print it: strings in no language, or in another one.
SAMPLES = (
    "abracadabra mississippi", "hola mundo adios", "aabbccddeeff xyzzy qwerty", "Alice Bob Carol Dave", "banana ananab",
    "zzyyxxwwvv", "codeforces timus acm tester", "qwxzvbnmasdjklwer", "evqlsysoeoujramhgdapnyt", "AABAAB",
)  # fmt: skip
PROBLEM_UNITS = (20, 40, 80, 160)


def sampled(problem: str, dice: random.Random) -> str:
    lines = "\n".join(dice.sample(SAMPLES, 3))
    output = f"Output\n{dice.choice(SAMPLES)}\n\nNote\nIn the first example, the answer is 3."
    return f"{problem}\n\nInput\n3\n{lines}\n\n{output}"


def instructions(
    documents: Corpus, problems: Mapping[str, list[str]], group: str, settings: ConsistencySettings, triples: int
) -> None:
    """English instructions around a problem, by the length of the problem; the reply in its language or in English."""
    rows = [json.loads(line) for line in (DATA / "instructions.jsonl").read_text("utf-8").splitlines()]
    texts = [row["text"] for row in rows if row["set"] == group]
    detector = LanguageDetector()
    known = [each for each in (*LANGUAGES, *OTHERS) if len(documents.get(each, ())) >= 5 and each != "en"]
    languages = [each for each in known if not problems or each in problems]
    counts: dict[str, Counter[int]] = defaultdict(Counter)

    def tell(row: str, size: int, problem: str, language: str, wrong: bool) -> None:
        thoughts, answer = passage(documents[language], 400, dice), sentence(documents[language], language, 80, dice)
        found = check(problem, thoughts, answer, detector=detector, settings=settings)
        counts[row][size] += found.consistent is wrong
        counts[f"{row}, of"][size] += 1

    def problem_in(language: str, size: int) -> str | None:
        if not problems:
            return sentence(documents[language], language, size, dice).rstrip(".") + (".。"[language == "zh"])
        fitting = [each for each in problems[language] if size <= scripts.units(prose(each)) < 2 * size]
        return dice.choice(fitting) if fitting else None

    for language, text, size, _ in itertools.product(languages, texts, PROBLEM_UNITS, range(triples)):
        dice = random.Random(f"{language} {text} {size} {_}")
        if (own := problem_in(language, size)) is not None:
            around = text.replace("{problem}", own)
            tell("its own language denied", size, around, language, False)
            tell("English paid", size, around, "en", True)
            tell("its own language denied, with a sample", size, sampled(around, dice), language, False)
        if (english := problem_in("en", size)) is not None:
            around = text.replace("{problem}", english)
            tell("English problem: English denied", size, around, "en", False)
            tell("English problem: English denied, with a sample", size, sampled(around, dice), "en", False)
            tell("English problem: another language paid", size, around, language, True)
            tell("English problem: another language paid, with a sample", size, sampled(around, dice), language, True)
    print(f"\n== instructions ({group}), %, problem units across, {len(languages)} languages: {' '.join(languages)}")
    for row in [row for row in counts if not row.endswith(", of")]:
        parts = [(counts[row][size], counts[f"{row}, of"][size]) for size in PROBLEM_UNITS]
        print(f"{row:>58}" + "".join(f"{100 * part / max(whole, 1):8.2f} of {whole:5}" for part, whole in parts))


def drafts(documents: Corpus, settings: ConsistencySettings, triples: int) -> None:
    """Programs between the thoughts without a fence; the same thoughts in another language are to be caught."""
    codes = [json.loads(line)["code"] for line in (DATA / "drafts.jsonl").read_text("utf-8").splitlines()]
    detector = LanguageDetector()
    languages = [each for each in LANGUAGES if len(documents.get(each, ())) >= 5]
    denied = missed = total = 0
    for language, code, index in itertools.product(languages, codes, range(triples)):
        dice = random.Random(f"{language} {code} {index}")
        foreign = dice.choice([each for each in languages if each != language])
        problem, answer = (sentence(documents[language], language, 100, dice) for _ in range(2))
        own, other = (passage(documents[each], 200, dice) for each in (language, foreign))
        denied += not check(
            problem, f"{own}\n{code}\n{own}\n{code}", answer, detector=detector, settings=settings
        ).consistent
        missed += check(problem, f"{other}\n{code}\n", answer, detector=detector, settings=settings).consistent
        total += 1
    print(f"\n== drafts of code: {denied} of {total} consistent denied, {missed} of {total} foreign thoughts missed")


def fetch(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["apt-get", "download", "-qq", *PACKAGES.split()], cwd=folder, check=True)
        for package in Path(folder).glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, root], check=True)
        subprocess.run([sys.executable, "-m", "venv", "venv"], cwd=folder, check=True)
        pip = f"{folder}/venv/bin/pip"
        subprocess.run([pip, "install", "-q", "hatchling"], check=True)  # to read the metadata of a source distribution
        options = ["-q", "--no-deps", "--no-binary", ":all:", "--no-build-isolation"]
        subprocess.run([pip, "download", *options, FASTAPI], cwd=folder, check=True)
        for archive in Path(folder).glob("fastapi*.tar.gz"):
            with tarfile.open(archive) as content:
                content.extractall(root, filter="data")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path("/"), help="where the packages are unpacked")
    parser.add_argument("--fetch", action="store_true", help="download and unpack the packages first")
    parser.add_argument("--sources", default="held-out", choices=("tuned", "held-out", "all"))
    parser.add_argument("--languages", default="paper", choices=("paper", "others"))
    parser.add_argument("--triples", type=int, default=200, help="for every cell of a table")
    parser.add_argument("--only", nargs="*", help="names of sources")
    parser.add_argument("--problems", type=Path, help="LANGUAGE/*.jsonl of problems to put into the instructions")
    parser.add_argument("--show", type=int, default=0, help="print this many wrong triples for every column")
    arguments = parser.parse_args()
    global SHOW
    SHOW = arguments.show
    if arguments.fetch:
        fetch(arguments.root)
    groups = ("tuned", "held-out") if arguments.sources == "all" else (arguments.sources,)
    settings = ConsistencySettings()
    languages = LANGUAGES if arguments.languages == "paper" else OTHERS
    tables = arguments.only != ["instructions"]
    found = corpus(arguments.root, groups, (arguments.only or ()) if tables else ())
    for source, documents in found.items() if tables else ():
        report(source, documents, languages, settings, arguments.triples)
    merged: Corpus = defaultdict(list)
    for documents in found.values():
        for language, pages in documents.items():
            merged[language].extend(pages)
    problems: dict[str, list[str]] = defaultdict(list)
    for path in sorted(arguments.problems.glob("*/*.jsonl")) if arguments.problems else ():
        problems[path.parent.name] += [json.loads(line)["question"] for line in path.read_text("utf-8").splitlines()]
    for group in groups:
        instructions(merged, problems, group, settings, max(arguments.triples // 20, 1))
    drafts(merged, settings, max(arguments.triples // 10, 1))
    if not tables:
        return
    print("\n== switches")
    switches(merged, settings, max(arguments.triples // 2, 20))


if __name__ == "__main__":
    main()
