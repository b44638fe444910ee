"""Derived tables on disk and in a terminal: every run's curves, and the summary over seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import pandas as pd

from benchmark.core.errors import printable
from benchmark.core.files import write_text
from benchmark.results.inert import markdown as plain
from benchmark.results.inert import write_csv
from benchmark.results.published import comparable
from benchmark.results.view import Results
from metrics import HEADLINES, Metric


def write(results: Results, scale: Callable[[str], str]) -> None:
    """Rebuild metrics.csv, summary.csv, summary.md and equal_time.csv of a preset's folder."""
    write_csv(results.folder / "metrics.csv", results.table)
    write_csv(results.folder / "summary.csv", results.summary)
    write_text(results.folder / "summary.md", markdown(results.summary, scale))
    write_csv(results.folder / "equal_time.csv", results.equal_time)


def markdown(summary: pd.DataFrame, scale: Callable[[str], str]) -> str:
    """The summary as Markdown, a table per dataset, the paper's numbers beside ours."""
    published = comparable()
    lines = [
        "Mean [95 % interval over seeds], of a KL median [range]; (paper: ...) where it has one."
    ]
    for dataset, part in summary.groupby("dataset", sort=False):
        shown = headlines(part)
        head = ["method", *(m.label for m in shown.values()), "seeds", "updates", "s/run"]
        title = f"**{plain(dataset)}**: {plain(scale(dataset))}"
        lines += ["", title, "", _pipe(head), _pipe(["---"] * len(head))]
        for method, rows in part.groupby("method", sort=False):
            by, values = rows.set_index("metric"), []
            for name, metric in shown.items():
                theirs = published.get((dataset, method, name))
                extra = "" if theirs is None else f" (paper: {theirs:g})"
                values.append(cell(by.loc[name], metric) + extra)
            first = rows.iloc[0]
            tail = [_seeds(first), f"{first.steps:,}", f"{first.seconds:.0f}"]
            lines.append(_pipe([plain(method), *values, *tail]))
    return "\n".join(lines) + "\n"


def headlines(summary: pd.DataFrame) -> dict[str, Metric]:
    """The metrics of one dataset's summary that have a column of their own."""
    return {name: metric for name, metric in HEADLINES.items() if name in set(summary["metric"])}


def span(values: Iterable[float], text: Callable[[float], str] = "{:,.10g}".format) -> str:
    """Numbers in words: the only one, or the least and the greatest."""
    known = sorted(set(values))
    return " to ".join(dict.fromkeys(map(text, known[:1] + known[-1:])))


def _pipe(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _seeds(row: pd.Series) -> str:
    return f"{row.n}" + (f" ({row.missed} missed)" if row.missed else "")


def render(summary: pd.DataFrame, scale: Callable[[str], str]) -> str:
    """The summary for a terminal: a block per dataset, mean and 95 % interval per metric."""
    if summary.empty:
        return "nothing measured"
    blocks = []
    for dataset, part in summary.groupby("dataset", sort=False):
        shown = headlines(part)
        lines = [
            printable(f"{dataset}: {scale(dataset)}"),
            _row("method", *(m.label for m in shown.values())),
        ]
        lines[-1] += "  seeds    updates  s/run"
        for method, rows in part.groupby("method", sort=False):
            by = rows.set_index("metric")
            cells = [cell(by.loc[name], metric) for name, metric in shown.items()]
            first = rows.iloc[0]
            tail = f"  {_seeds(first):>5}  {first.steps:>9,}  {first.seconds:>5.0f}"
            lines.append(_row(method, *cells) + tail)
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _row(name: str, *cells: str) -> str:
    return f"{printable(name):20}" + "".join(f"{cell:>24}" for cell in cells)


def cell(row: pd.Series, metric: Metric) -> str:
    """A value over seeds: middle, interval or range, and of how many modes it is an average where
    that is not all of them.
    """
    text = f"{row['mean']:.{metric.digits}f}"
    if row.low == row.low:
        text += f" [{row.low:.{metric.digits}f}, {row.high:.{metric.digits}f}]"
    return text + over(row)


def over(row: pd.Series) -> str:
    """`` over 3.4 of 8 modes``, of a value that leaves modes out; nothing of others."""
    return f" over {row.over:.3g} of {row.of:.0f} modes" if row.over < row.of < math.inf else ""
