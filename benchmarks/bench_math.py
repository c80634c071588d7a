"""Measure math verification against Math-Verify, on the same rollouts in one run.

    python benchmarks/bench_math.py [--rollouts FILE] [--workers 2] [--skip-pool]

One core: each side judges every rollout once, in one process, in the same shuffled order, with cold caches; CPU
time.
Pool: the whole `MathVerifier`, as the server holds it, against Math-Verify in a process pool of the same size; wall time.
`FILE` holds a problem a line: `answer` and `responses`; without it only the made rollouts are judged. The string floor
is what finding the box and comparing the strings alone would take.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from math_verify import LatexExtractionConfig, parse, verify

from reward_server.math import symbolic
from reward_server.math.extract import last_boxed
from reward_server.math.ladder import compare, compare_at_length
from reward_server.math.models import MathSettings, MathVerdict
from reward_server.math.verifier import MathVerifier

SETTINGS = MathSettings()

# ruff: noqa: E501 - a problem a line

# A reference, other spellings of it, and wrong answers. The first half are plain numbers.
PLAIN: list[tuple[str, list[str], list[str]]] = [
    *((str(n), [f"{n}.0", rf"\text{{{n}}}", f"x = {n}"], [str(n + 1), str(-n), f"{n}.5"]) for n in range(7, 700, 43)),
    *(
        (rf"\frac{{{a}}}{{{b}}}", [f"{a}/{b}", rf"\dfrac{{{2 * a}}}{{{2 * b}}}"], [rf"\frac{{{b}}}{{{a}}}", f"{a}"])
        for a, b in [(3, 7), (1, 9), (22, 35), (5, 12), (7, 18), (11, 4), (9, 16), (40, 153)]
    ),
    *((f"{n:,}", [str(n), f"{n:,}".replace(",", "{,}")], [str(n + 1), str(n // 10)]) for n in (1024, 90125, 1771561)),
    *((f"0.{n}", [rf"\frac{{{n}}}{{1000}}"], [f"0.{n + 1}"]) for n in (125, 375, 641, 999)),
]
OTHERS: list[tuple[str, list[str], list[str]]] = [
    (r"\sqrt{12}", [r"2\sqrt{3}", r"\sqrt{4}\sqrt{3}"], [r"3\sqrt{2}", r"\sqrt{13}", "12"]),
    (r"\frac{\sqrt{3}}{2}", [r"\frac{3}{2\sqrt{3}}", r"\sqrt{\frac{3}{4}}"], [r"\frac{\sqrt{2}}{2}", r"\frac{1}{2}"]),
    (r"\frac{1+\sqrt{5}}{2}", [r"\frac{\sqrt{5}}{2}+\frac12"], [r"\frac{1-\sqrt{5}}{2}", r"\frac{1+\sqrt{3}}{2}"]),
    (r"7\pi", [r"\pi\cdot 7", r"14\cdot\frac{\pi}{2}"], [r"7\pi^2", r"\frac{\pi}{7}", "7"]),
    (r"\frac{\pi}{4}", ["45^\\circ", r"\frac{2\pi}{8}"], [r"\frac{\pi}{3}", r"\frac{4}{\pi}"]),
    (r"2-\ln 3", [r"-\ln 3+2", r"2+\ln\frac13"], [r"2+\ln 3", r"\ln 3-2"]),
    (r"e^{2}-1", [r"-1+e^2", r"(e-1)(e+1)"], [r"e^{2}+1", r"e^{-2}-1"]),
    (r"3+4i", [r"4i+3", r"(2+i)^2"], [r"3-4i", r"4+3i"]),
    ("x^2+2x+1", ["(x+1)^2", "1+2x+x^2"], ["x^2+2x-1", "(x-1)^2"]),
    ("4a-2", ["2(2a-1)", "-2+4a"], ["4a+2", "2a-2"]),
    (r"\frac{x+2}{7}", [r"\frac{x}{7}+\frac{2}{7}", r"\frac17(x+2)"], [r"\frac{x-2}{7}", r"\frac{x+7}{2}"]),
    (r"\sin 2x", [r"2\sin x\cos x"], [r"\sin x", r"2\sin x"]),
    (r"\frac{n(n+1)}{2}", [r"\binom{n+1}{2}", r"\frac{n^2+n}{2}"], [r"\frac{n(n-1)}{2}", "n^2"]),
    ("(1,2)", [r"\left(1, 2\right)", "(1, 2.0)"], ["(2,1)", "(1,3)", r"\{1,2\}"]),
    (r"\left(3,\frac{\pi}{2}\right)", [r"(3,\frac{\pi}{2})", r"(3,\pi/2)"], [r"(3,\frac{2\pi}{3})", r"(\frac{\pi}{2},3)"]),
    ("(-2,5,0)", ["(-2, 5, 0)"], ["(2,5,0)", "(-2,5)", "(5,-2,0)"]),
    (r"\{1,2,3\}", ["3,1,2", r"\{3, 2, 1\}"], [r"\{1,2\}", r"\{1,2,4\}", "(1,2,3)"]),
    ("-2,1", ["1,-2", "x=1, x=-2"], ["2,1", "-2", "1,-2,3"]),
    (r"1\pm\sqrt{19}", [r"1+\sqrt{19},1-\sqrt{19}"], [r"1+\sqrt{19}", r"-1\pm\sqrt{19}"]),
    ("[0,1)", [r"0\le x<1", r"\left[0,1\right)"], ["(0,1]", "[0,1]", "[0,2)"]),
    (r"(-\infty,3)", ["x<3", r"(-\infty, 3)"], [r"x\le 3", r"(3,\infty)"]),
    (r"(-\infty,2)\cup(3,\infty)", [r"x<2\text{ or }x>3"], ["(2,3)", r"(-\infty,2]\cup[3,\infty)"]),
    ("y=2x+3", ["2x+3", "2x-y+3=0"], ["y=2x-3", "y=3x+2"]),
    ("2x+4y-3=0", [r"y=-\frac12x+\frac34", "4x+8y=6"], ["2x+4y+3=0", "4x+2y-3=0"]),
    ("(x-1)^2+(y-2)^2=9", ["x^2+y^2-2x-4y-4=0"], ["(x-1)^2+(y-2)^2=3", "(x+1)^2+(y-2)^2=9"]),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", [r"\begin{bmatrix}1&2\\3&4\end{bmatrix}"], [r"\begin{pmatrix}1&3\\2&4\end{pmatrix}"]),
    (r"\begin{pmatrix}-\frac74&-2\\4&\frac14\end{pmatrix}", [r"\begin{pmatrix}-1.75&-2\\4&0.25\end{pmatrix}"], [r"\begin{pmatrix}-\frac74&2\\4&\frac14\end{pmatrix}"]),
    (r"\text{Evelyn}", ["Evelyn"], [r"\text{Angela}", r"\text{Briana}"]),
    ("C", [r"\text{(C)}", r"\textbf{C}"], ["B", r"\text{(D)}"]),
    (r"5\text{ cm}", ["5", r"5\,\mathrm{cm}"], [r"5\text{ m}", "6"]),
    (r"75\%", ["0.75", r"\frac34"], ["75", r"7.5\%"]),
    ("204_5", ["204_{5}"], ["204_6", "204"]),
]  # fmt: skip

SENTENCES = [
    r"First, note that $a^2 + b^2 = (a+b)^2 - 2ab$, so the expression becomes $\frac{s^2 - 2p}{p}$ for the sum $s$.",
    r"Let us check the boundary: when $x = \frac{1}{3}$ the left side equals $2 \cdot \frac{1}{9} - 1 = -\frac{7}{9}$.",
    r"By the law of cosines, \[c^2 = a^2 + b^2 - 2ab\cos\gamma,\] and substituting $\gamma = 60^\circ$ gives $c = 7$.",
    r"There are $\binom{8}{3} = 56$ ways to choose the three positions, and each leaves $2^5 = 32$ arrangements.",
    r"Wait, I should double-check that step, because the sign of the second term looked wrong to me at first.",
    r"The sequence satisfies $a_{n+1} = 3a_n - 2a_{n-1}$ with $a_0 = 1$, $a_1 = 4$, hence $a_n = 3 \cdot 2^n - 2$.",
    r"Since $\gcd(84, 30) = 6$, the fraction reduces and the remaining factor must divide $14$, so we try each case.",
]


@dataclass(frozen=True)
class Rollout:
    reference: str
    text: str
    correct: bool | None  # None where nobody knows for certain


@dataclass(frozen=True)
class Run:
    name: str
    seconds: float
    each: list[float]
    verdicts: list[bool]


def made(random_: random.Random) -> list[Rollout]:
    """64 problems × 16: 45 % exact, 20 % spelled otherwise, 35 % wrong; 5,000 characters each."""
    rollouts = []
    for reference, variants, wrong in [*PLAIN[:32], *OTHERS[:32]]:
        for index in range(16):
            share = (index + 0.5) / 16
            if share < 0.45:
                answer, correct = reference, True
            elif share < 0.65:
                answer, correct = random_.choice(variants), True
            else:
                answer, correct = random_.choice(wrong), False
            text = thoughts(random_) + f"\n\nSo the answer is $\\boxed{{{answer}}}$."
            rollouts.append(Rollout(reference, text, correct))
    return rollouts


def thoughts(random_: random.Random) -> str:
    text = ""
    while len(text) < 4_900:
        text += random_.choice(SENTENCES) + random_.choice([" ", "\n\n"])
    return text


def real(path: Path) -> list[Rollout]:
    problems = map(json.loads, path.read_text().splitlines())
    return [Rollout(problem["answer"], text, None) for problem in problems for text in problem["responses"]]


def timed(name: str, judge: Callable[[Rollout], bool], rollouts: Sequence[Rollout]) -> Run:
    each, verdicts = [], []
    started = time.process_time()
    for rollout in rollouts:
        before = time.perf_counter()
        verdicts.append(judge(rollout))
        each.append(time.perf_counter() - before)
    return Run(name, time.process_time() - started, each, verdicts)


def ours(rollout: Rollout) -> bool:
    answer = last_boxed(rollout.text)
    if not answer:
        return False
    found = compare(rollout.reference, answer, SETTINGS)
    if found is None:
        found = compare_at_length(rollout.reference, answer, SETTINGS, symbolic.equal)
    return found.verdict is MathVerdict.CORRECT


def theirs(rollout: Rollout) -> bool:
    config = [LatexExtractionConfig(boxed_match_priority=0)]
    gold = parse(f"${rollout.reference}$", config, parsing_timeout=None)
    answer = parse(rollout.text, config, parsing_timeout=None)
    return bool(verify(gold, answer, timeout_seconds=None))


def floor(rollout: Rollout) -> bool:
    return last_boxed(rollout.text) == rollout.reference


async def through_the_pool(rollouts: Sequence[Rollout], workers: int) -> tuple[Run, list[str]]:
    verifier = MathVerifier(workers=workers)
    await verifier.start()
    each: list[float] = []
    started = time.perf_counter()

    async def one(rollout: Rollout) -> tuple[bool, str]:
        before = time.perf_counter()
        found = await verifier.verify(
            answer=last_boxed(rollout.text), references=[rollout.reference], settings=SETTINGS
        )
        each.append(time.perf_counter() - before)
        return found.verdict is MathVerdict.CORRECT, found.method

    found = await asyncio.gather(*map(one, rollouts))
    run = Run("ours, through the pool", time.perf_counter() - started, each, [verdict for verdict, _ in found])
    await verifier.close()
    return run, [method for _, method in found]


def their_pool(rollouts: Sequence[Rollout], workers: int) -> Run:
    with ProcessPoolExecutor(workers, initializer=quiet) as pool:
        list(pool.map(theirs, rollouts[:1] * 2 * workers))  # warm
        started = time.perf_counter()
        verdicts = list(pool.map(theirs, rollouts, chunksize=8))
        return Run("Math-Verify, process pool", time.perf_counter() - started, [], verdicts)


def quiet() -> None:
    logging.getLogger("math_verify").setLevel(logging.ERROR)


def show(runs: Sequence[Run], rollouts: Sequence[Rollout]) -> None:
    slowest = runs[0].seconds
    for run in runs:
        line = f"{run.name:28} {len(rollouts) / run.seconds:10,.0f} pairs/s  {slowest / run.seconds:7.1f} x"
        if run.each:
            cuts = statistics.quantiles(run.each, n=100)
            line += f"   p50 {cuts[49] * 1e3:8.3f} ms  p99 {cuts[98] * 1e3:8.3f} ms  max {max(run.each) * 1e3:8.2f} ms"
        wrong = sum(
            rollout.correct is not None and rollout.correct != verdict
            for rollout, verdict in zip(rollouts, run.verdicts, strict=True)
        )
        print(line + f"   accepts {sum(run.verdicts)}, wrong {wrong}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rollouts", type=Path)
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--skip-pool", action="store_true")
    chosen = arguments.parse_args()
    quiet()
    random_ = random.Random(7)
    sets = {"made": made(random_)} | ({"real": real(chosen.rollouts)} if chosen.rollouts else {})
    theirs(Rollout("1", r"\boxed{1}", True))
    symbolic_warm = compare_at_length(r"\int_0^1 x\,dx", "1", SETTINGS, symbolic.equal)
    assert symbolic_warm.verdict is MathVerdict.INCORRECT
    for name, rollouts in sets.items():
        random_.shuffle(rollouts)
        characters = statistics.mean(len(rollout.text) for rollout in rollouts)
        print(f"\n{name}: {len(rollouts)} rollouts of {characters:,.0f} characters; one core, CPU time")
        show(
            [
                timed("Math-Verify", theirs, rollouts),
                timed("ours", ours, rollouts),
                timed("string floor", floor, rollouts),
            ],
            rollouts,
        )
        if not chosen.skip_pool:
            print(f"{chosen.workers} processes, wall time")
            run, methods = asyncio.run(through_the_pool(rollouts, chosen.workers))
            show([their_pool(rollouts, chosen.workers), run], rollouts)
            print("decided by: " + ", ".join(f"{method} {count}" for method, count in Counter(methods).most_common()))


if __name__ == "__main__":
    main()
