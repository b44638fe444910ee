"""Every method at the same training time, beside the tables at the same number of updates.

Two times per dataset: what the quickest competitor needed for all its updates, and, where a method
was not yet measured by then, the first time by which every one had been. All values are evaluations
during training, the last one within the time, so all use the same number of samples. At the time of
the slowest all have ended, and the tables at the end of training say the same.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmark.results.names import role
from benchmark.results.summary import modes_of, ordered
from metrics import HEADLINES, METRICS
from metrics.intervals import over_seeds

QUICKEST, MEASURED = "quickest done", "all measured"
COLUMNS = [
    "dataset", "clock", "seconds", "method", "metric", "mean", "low", "high", "n", "missed",
    "steps", "at", "first", "total",
]  # fmt: skip


class Curve(NamedTuple):
    """A run. rows: its evaluations without the last one, which uses more samples (and follows the
    step at which a diverged run broke). steps, total: generator updates and seconds in all; total
    is NaN where a failed run did not say.
    """

    rows: pd.DataFrame
    steps: int
    total: float
    complete: bool

    @property
    def first(self) -> float:
        """Seconds until it was first measured after an update; NaN without such an evaluation."""
        return float(self.rows.loc[self.rows["step"] > 0, "seconds"].min())

    def missed(self, seconds: float) -> bool:
        """Whether it has diverged or failed within a time."""
        return not self.complete and not self.total > seconds


def at_equal_time(table: pd.DataFrame) -> pd.DataFrame:
    """From the tidy rows of runs: a row per dataset, clock, method and metric.

    clock, seconds: which time, and how long it is. mean, low, high: over the n seeds, 95 % Student
    t; NaN where a seed was not evaluated within the time but before its first update. missed: runs
    that diverged or failed within it; they count with the metric's worst value. steps: generator
    updates at the values, of the slowest seed. at: seconds of training there, mean over seeds.
    first: seconds until the first evaluation after an update, of the slowest seed. total: seconds
    of a whole run, mean over seeds; less than the time where the method had ended.
    """
    rows = []
    for dataset, part in table.groupby("dataset", sort=False):
        runs = dict(list(part.groupby("method")))
        curves = {method: _curves(runs[method]) for method in ordered(runs)}
        here = set(part["metric"])
        for clock, seconds in _clocks(curves).items():
            for method, runs in curves.items():
                for metric in _metrics(runs, here, seconds):
                    found = _row(runs, metric, seconds, modes_of(dataset, part))
                    rows += [(dataset, clock, seconds, method, metric, *found)] if found else []
    return pd.DataFrame(rows, columns=COLUMNS)


def _curves(table: pd.DataFrame) -> list[Curve]:
    found = []
    for _, run in table.groupby("seed"):
        steps = int(run["step"].max())
        total = float(pd.to_numeric(run["train_seconds"]).iloc[0])
        rows = run[run["metric"].isin(METRICS)]
        complete = run["status"].iloc[0] == "complete"
        found.append(Curve(rows[rows["step"] < steps].sort_values("step"), steps, total, complete))
    return found


def _clocks(curves: dict[str, list[Curve]]) -> dict[str, float]:
    """Both times in seconds. Only complete runs are done; one that broke early was not quick."""
    rivals = [runs for m, runs in curves.items() if role(m) != "reference"]
    done = [[r.total for r in runs if r.complete and r.total == r.total] for runs in rivals]
    totals = [float(np.mean(seconds)) for seconds in done if seconds]
    if not totals:
        return {}
    clocks = {QUICKEST: min(totals)}
    kept = [r for runs in rivals for r in runs if not r.rows.empty]
    firsts = [r.first for r in kept if r.complete or r.first == r.first]
    if firsts and all(map(math.isfinite, firsts)) and max(firsts) > clocks[QUICKEST]:
        clocks[MEASURED] = max(firsts)
    return clocks


def _metrics(runs: list[Curve], here: set[str], seconds: float) -> list[str]:
    """What a method measures; where all its runs broke before any of it, the headlines of the data
    (as in ``summarise``).
    """
    own = {m for run in runs for m in run.rows["metric"]}
    if not own and all(run.missed(seconds) for run in runs):
        own = here & set(HEADLINES)
    return [m for m in METRICS if m in own]


def _row(runs: list[Curve], metric: str, seconds: float, modes: float) -> tuple | None:
    """mean to total; None where no run has the metric."""
    missed = [run for run in runs if run.missed(seconds)]
    lasts = []
    for run in (r for r in runs if not r.missed(seconds)):
        rows = run.rows[(run.rows["metric"] == metric) & (run.rows["seconds"] <= seconds)]
        lasts += [rows.iloc[-1]] if len(rows) else []
    values = [last["value"] if last["step"] else math.nan for last in lasts]
    values += [METRICS[metric].miss] * len(missed)
    if not values:
        return None
    steps = min(last["step"] for last in lasts) if lasts else min(r.steps for r in missed)
    at = _mean([last["seconds"] for last in lasts]) if steps else math.nan
    first = max((r.first for r in runs if r.first == r.first), default=math.nan)
    total = _mean([r.total for r in runs])
    greatest = modes if METRICS[metric].of else math.inf
    middle = over_seeds(values, METRICS[metric], greatest=greatest)
    return (*middle, len(values), len(missed), int(steps), at, first, total)


def _mean(seconds: list[float]) -> float:
    known = [s for s in seconds if s == s]
    return float(np.mean(known)) if known else math.nan
