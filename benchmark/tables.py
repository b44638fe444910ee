"""Derived tables: every run's curves in one tidy file, and the summary over seeds."""

from __future__ import annotations

import io
import json
import math
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd

from benchmark.core.errors import UserError, printable
from benchmark.core.files import read_json, write_text
from benchmark.core.paths import ROOT
from benchmark.data import DATASETS
from benchmark.store.folder import run_folders
from benchmark.text import cells
from benchmark.text import markdown as plain
from methods import REGISTRY
from metrics import HEADLINES, METRICS, Metric
from metrics.intervals import t_interval

REFERENCE = ROOT / "results" / "reference.csv"  # published numbers, by source
SUMMARY_COLUMNS = [
    "dataset", "method", "metric", "mean", "low", "high", "n", "missed", "steps", "seconds"
]  # fmt: skip
FIRST_COLUMNS = ["dataset", "method", "seed", "step", "metric", "value", "status"]


def ordered(methods: Iterable[str]) -> list[str]:
    """Methods as the registry lists them, variants behind their method, plugins last."""
    rank = {name: i for i, name in enumerate(REGISTRY)}
    return sorted(set(methods), key=lambda m: (rank.get(m.split("[")[0], len(rank)), m))


def collect(out: Path, preset: str) -> pd.DataFrame:
    """All rows of all runs of a preset: FIRST_COLUMNS, then seconds of training and provenance."""
    frames = []
    for folder in comparable(run_folders(out, preset)):
        record = read_json(folder / "provenance.json")
        path = folder / "metrics.csv"
        frame = _rows(path) if path.is_file() else pd.DataFrame(_failed_row())
        frame["dataset"], frame["method"] = folder.parts[-3], folder.parts[-2]
        frame["seed"] = int(folder.name.removeprefix("seed"))
        for column in ("status", "commit", "device", "hardware", "train_seconds"):
            frame[column] = record.get(column)
        frames.append(frame)
    if not frames:
        return pd.DataFrame(columns=[*FIRST_COLUMNS, "seconds"])
    table = pd.concat(frames, ignore_index=True)
    table["train_seconds"] = pd.to_numeric(table["train_seconds"])  # None in a failed run
    rest = [c for c in table.columns if c not in FIRST_COLUMNS]
    return table[FIRST_COLUMNS + rest]


def _rows(path: Path) -> pd.DataFrame:
    """A run's metrics.csv. Raises UserError where it is damaged."""
    try:
        return pd.read_csv(path)[["step", "seconds", "metric", "value"]]
    except (ValueError, KeyError):  # no table, or another one
        raise UserError(
            f"{path}: damaged; delete its folder and the same command trains it again"
        ) from None


def comparable(folders: list[Path]) -> list[Path]:
    """Runs that may be averaged: of each method on a dataset, those of one version.

    Settings or code may have changed since some seeds were trained; the version with the most seeds
    counts, the latest of equals, and what is left out is named on standard error.
    """
    groups: dict[Path, dict[str, list[Path]]] = {}
    for folder in folders:
        settings = read_json(folder / "settings.json")
        version = {k: v for k, v in settings.items() if k not in ("seed", "fingerprint")}
        versions = groups.setdefault(folder.parent, {})
        versions.setdefault(json.dumps(version, sort_keys=True), []).append(folder)
    kept = []
    for parent, versions in groups.items():
        best = max(versions.values(), key=lambda v: (len(v), _latest(v)))
        kept += best
        for folder in (f for v in versions.values() if v is not best for f in v):
            name = f"{parent.parent.name}/{parent.name}/{folder.name}"
            line = f"left out of the tables: {name}, of another version"
            print(printable(line), file=sys.stderr)
    return kept


def _latest(folders: list[Path]) -> str:
    return max(read_json(f / "provenance.json").get("started", "") for f in folders)


def _failed_row() -> dict[str, list]:
    return {"step": [0], "seconds": [0.0], "metric": ["none"], "value": [float("nan")]}


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Final values over seeds, one row per dataset, method and metric.

    Columns: dataset, method, metric, mean, low, high (95 % Student t), n, missed (runs that
    diverged or failed; they count with the metric's worst value), steps, seconds (mean training
    wall time of a run).
    """
    rows = []
    groups = dict(list(table.groupby(["dataset", "method"])))
    rank = {name: i for i, name in enumerate(DATASETS)}
    datasets = sorted({d for d, _ in groups}, key=lambda d: (rank.get(d, len(rank)), d))
    keys = [(d, m) for d in datasets for m in ordered(m for e, m in groups if e == d)]
    measured = table.groupby("dataset")["metric"].unique()
    for dataset, method in keys:
        runs = groups[dataset, method]
        seeds = list(runs.groupby("seed"))
        missed = sum(run["status"].iloc[0] != "complete" for _, run in seeds)
        # Not every method measures the same, nor every dataset anything. Where all runs failed
        # before a measurement, what the dataset's other methods measure, or all there is, has its
        # worst value.
        names = set(runs["metric"]) | {m for m in measured[dataset] if m in HEADLINES}
        if missed == len(seeds) and not names & set(METRICS):
            names = set(measured[dataset]) & set(METRICS) or set(METRICS)
        for name, metric in ((n, m) for n, m in METRICS.items() if n in names):
            values = [final(run, name, metric.miss) for _, run in seeds]
            mean, low, high = t_interval(values)
            rows.append(
                {
                    "dataset": dataset,
                    "method": method,
                    "metric": name,
                    "mean": mean,
                    "low": low,
                    "high": high,
                    "n": len(seeds),
                    "missed": missed,
                    "steps": int(runs["step"].max()),
                    "seconds": runs.groupby("seed")["train_seconds"].first().mean(),
                }
            )
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)


def final(run: pd.DataFrame, metric: str, miss: float) -> float:
    """The last value of a metric in one run's rows; ``miss`` where the run did not complete, NaN
    where it was not measured.
    """
    if run["status"].iloc[0] != "complete":
        return miss
    rows = run[run["metric"] == metric]
    if rows.empty:
        return math.nan
    return float(rows.loc[rows["step"].idxmax(), "value"])


def write(folder: Path, table: pd.DataFrame, scale: Callable[[str], str]) -> pd.DataFrame:
    """Rebuild metrics.csv, summary.csv and summary.md of a preset's folder from ``collect``'s
    table; returns the summary.
    """
    summary = summarise(table)
    write_csv(folder / "metrics.csv", table)
    write_csv(folder / "summary.csv", summary)
    write_text(folder / "summary.md", markdown(summary, scale))
    return summary


def markdown(summary: pd.DataFrame, scale: Callable[[str], str]) -> str:
    """The summary as Markdown, a table per dataset, the paper's numbers beside ours."""
    reference = pd.read_csv(REFERENCE).query("comparable == 'yes'")
    published = reference.set_index(["dataset", "method", "metric"])["value"]
    lines = ["Mean [95 % interval over seeds]; (paper: ...) where it has a number."]
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
                values.append(_cell(by.loc[name], metric.digits) + extra)
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


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Replace a CSV file atomically; equal tables give equal bytes."""
    buffer = io.StringIO()
    cells(table).to_csv(buffer, index=False, lineterminator="\n", float_format="%.10g")
    write_text(path, buffer.getvalue())


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
            cells = [_cell(by.loc[name], metric.digits) for name, metric in shown.items()]
            first = rows.iloc[0]
            tail = f"  {_seeds(first):>5}  {first.steps:>9,}  {first.seconds:>5.0f}"
            lines.append(_row(method, *cells) + tail)
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _row(name: str, *cells: str) -> str:
    return f"{printable(name):20}" + "".join(f"{cell:>24}" for cell in cells)


def _cell(row: pd.Series, digits: int) -> str:
    if row.low != row.low:
        return f"{row['mean']:.{digits}f}"
    return f"{row['mean']:.{digits}f} [{row.low:.{digits}f}, {row.high:.{digits}f}]"
