"""Every method at the same training time, beside the tables at the same number of updates.

The time of a dataset is what its quickest competitor needed for all its updates. All values are
evaluations during training, the last one within that time, so all use the same number of samples.
"""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from benchmark.results import Results
from benchmark.tables import write_csv
from metrics import METRICS
from metrics.intervals import t_interval

REFERENCES = ("vae", "oracle")  # no competitors: one is the estimator alone, one is the data
COLUMNS = ["dataset", "method", "metric", "seconds", "steps", "mean", "low", "high", "n"]


def table(results: Results) -> pd.DataFrame:
    """A row per dataset, method and metric.

    seconds: the time. steps: generator updates within it, of the slowest seed. mean, low, high:
    over the n seeds, 95 % Student t; NaN where a seed was not evaluated within the time but before
    its first update.
    """
    rows = []
    runs = results.table.groupby(["dataset", "method", "seed"])["train_seconds"].first()
    totals = runs.groupby(["dataset", "method"]).mean()
    for dataset in dict.fromkeys(results.table["dataset"]):
        named = totals[dataset]
        named = named[[m.partition("[")[0] not in REFERENCES for m in named.index]].dropna()
        if named.empty:
            continue
        for method in results.methods(dataset):
            for metric in METRICS:
                curves = results.curves(dataset, method, metric)
                within = curves[curves["seconds"] <= named.min()].sort_values("step")
                last = within.groupby("seed").last()
                if last.empty:
                    continue
                steps = int(last["step"].min())
                found = t_interval(last["value"]) if steps else (math.nan,) * 3
                rows.append((dataset, method, metric, named.min(), steps, *found, len(last)))
    return pd.DataFrame(rows, columns=COLUMNS)


def write(results: Results) -> Path:
    """equal_time.csv of a preset."""
    path = results.folder / "equal_time.csv"
    write_csv(path, table(results))
    return path
