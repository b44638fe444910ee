"""From the rows of runs to values over seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pandas as pd

from benchmark.data import DATASETS
from benchmark.experiments.presets import experiments
from methods import REGISTRY
from metrics import HEADLINES, METRICS
from metrics.intervals import over_seeds

SUMMARY_COLUMNS = [
    "dataset", "method", "metric", "mean", "low", "high", "n", "missed", "steps", "seconds",
    "statistic", "over", "of",
]  # fmt: skip


def ordered(methods: Iterable[str]) -> list[str]:
    """Methods as the registry lists them, variants behind their method, plugins last."""
    rank = {name: i for i, name in enumerate(REGISTRY)}
    return sorted(set(methods), key=lambda m: (rank.get(m.split("[")[0], len(rank)), m))


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Final values over seeds, one row per dataset, method and metric.

    Columns: dataset, method, metric, mean, low, high (95 % Student t within the metric's support;
    where ``statistic`` is median, median, least and greatest), n, missed (runs that diverged or
    failed; they count with the metric's worst value), steps, seconds (mean training wall time of a
    run), over and of: how many modes the value is an average over, mean over seeds, of how many.
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
            modes = modes_of(dataset, runs)
            mean, low, high = over_seeds(values, metric, greatest=modes if metric.of else math.inf)
            over = [final(run, metric.over, 0.0) for _, run in seeds] if metric.over else [math.nan]
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
                    "statistic": metric.summary,
                    "over": sum(over) / len(over),
                    "of": modes if metric.over else math.nan,
                }
            )
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)


def modes_of(dataset: str, runs: pd.DataFrame) -> float:
    """How many modes the data of an experiment have; infinite where nobody says."""
    said = runs.loc[runs["metric"] == "modes", "value"]
    if len(said):
        return float(said.iloc[0])
    entry = experiments().get(dataset)
    data = entry.settings["data"] if entry else dataset
    return (data in DATASETS and DATASETS[data].modes) or math.inf


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
