"""Tables for people: how each sample was scored, and the means of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from reward_server.samples import Expectation

COMPONENTS = ("format", "correctness", "length", "language")
Results = Sequence[Mapping[str, Any]]


def show_summary(console: Console, results: Results) -> None:
    """Show the mean of each component, how the answers ended, and why some have no reward."""
    scored = [result for result in results if result["status"] == "scored"]
    means = Table("component", "mean", "of", title="Means")
    for name in COMPONENTS if scored else ():
        values = [result["components"][name]["contribution"] for result in scored]
        means.add_row(name, f"{fmean(values):+.4f}", str(len(values)))
    if scored:
        means.add_row("[bold]reward[/bold]", f"{fmean(result['reward'] for result in scored):+.4f}", str(len(scored)))
    console.print(means)
    endings = Counter(_ending(result) for result in results)
    verdicts = Table("verdict", "rollouts", title="Verdicts")
    for verdict, count in endings.most_common():
        verdicts.add_row(verdict, str(count))
    console.print(verdicts)


def show_samples(console: Console, results: Results, expected: Mapping[str, Expectation]) -> bool:
    """Show every sample with its reward and why, and say whether all are as the contract demands."""
    console.print(f"  [bold]{'reward':>8}  {'format':>7} {'correct':>7} {'length':>7} {'lang.':>7}  verdict[/bold]")
    group = None
    wrong = []
    for result in results:
        if result["group"] != group:
            group = result["group"]
            console.rule(f"[bold]{group}[/bold]", align="left", style="dim")
        want = expected[result["id"]]
        good = _as_expected(result, want)
        if not good:
            wrong.append(f"{result['id']}: expected {want.reward} ({want.verdict or want.status})")
        console.print(_line(result, good), highlight=False)
        console.print(Padding(f"[dim]{escape(want.why)}[/dim]", (0, 0, 0, 12)), highlight=False)
    console.rule(style="dim")
    for sentence in wrong:
        console.print(f"[red]{escape(sentence)}[/red]", highlight=False)
    console.print(f"{len(results) - len(wrong)} of {len(results)} samples scored as the contract demands")
    return not wrong


def _line(result: Mapping[str, Any], good: bool) -> str:
    mark = "[green]✓[/green]" if good else "[red]✗[/red]"
    reward = "none" if result["reward"] is None else f"{result['reward']:.4g}"
    parts = " ".join(f"{_contribution(result, name):>7}" for name in COMPONENTS)
    return f"{mark} [bold]{reward:>8}[/bold]  {parts}  {escape(_ending(result)):24} [dim]{escape(result['id'])}[/dim]"


def _as_expected(result: Mapping[str, Any], want: Expectation) -> bool:
    if result["status"] != want.status or result["verdict"] != want.verdict:
        return False
    if want.reward is None:
        return result["reward"] is None
    return result["reward"] is not None and abs(result["reward"] - want.reward) < 1e-9


def _contribution(result: Mapping[str, Any], name: str) -> str:
    part = result["components"].get(name)
    return "" if part is None else f"{part['contribution']:+.3g}"


def _ending(result: Mapping[str, Any]) -> str:
    if result["error"] is not None:
        return f"unscored: {result['error']['kind']}"
    return result["verdict"] or "not verified"
