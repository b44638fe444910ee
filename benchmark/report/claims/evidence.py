"""Results as evidence: a number per run, and how far its settings are from the released ones."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from benchmark.core.run import DatasetSettings
from benchmark.experiments.extent import RELEASED
from benchmark.experiments.job import Job
from benchmark.experiments.labels import bracket, parse_label
from benchmark.experiments.presets import preset_names
from benchmark.report.claims.curves import COUNTS, CURVES, updates_to
from benchmark.results.scale import scale_of, unlike_clocks
from benchmark.results.view import Results
from benchmark.store.folder import run_folders
from methods import REGISTRY
from metrics import METRICS

Statistic = Literal["final", "average", "updates", "drops", "setbacks", "seconds"]
SHARED = ("z_dim", "coordinate_scale")  # what decides results of all methods, besides their size


class Evidence:
    """One folder of results: a preset's, or a changed preset's."""

    def __init__(self, out: Path, name: str, results: Results | None = None) -> None:
        self.name = name
        self.results = results or Results(out, name)
        self._samples: dict[tuple, pd.Series] = {}

    def find(self, dataset: str, method: str) -> str | None:
        """The label under which a method has runs here: ``gan[d_ratio=1]`` is ``gan`` where that
        is the usual setting. None where there are no such runs.
        """
        key, variant, asked = parse_label(method)
        labels = self.results.methods(dataset)
        here = self.results.settings(dataset, key)
        changed = {k: v for k, v in asked.items() if here.get(k) != v}
        for named in (asked, changed):
            label = key + bracket(named, variant=variant)
            record = self.results.record(dataset, label)
            settings = record.get("settings", {})
            matches = all(settings.get(k) == v for k, v in asked.items())
            if label in labels and "budget" in record and matches:
                return label
        return None

    def sample(
        self, dataset: str, label: str, metric: str, statistic: Statistic, level: float = math.nan
    ) -> pd.Series:
        """A number of every run, by seed.

        final: the last value of a metric, which is measured with the most samples. average: its
        mean over the evaluations during training, without the one before the first update (an
        untrained generator is broad and covers the ring). updates: the first of them from which on
        it is as good as ``level``; infinite where the last is not. drops: the sum of its decreases
        from one of them to the next, once it has risen at all. setbacks: that sum over the sum of
        its increases. seconds: training time per generator update; it has no metric. A run that did
        not complete, or measured NaN, has the metric's worst value, and infinitely many of what is
        counted. A run without the metric, or without two evaluations to compare, is left out.
        """
        key = (dataset, label, metric, statistic, level)
        if key not in self._samples:
            self._samples[key] = self._sample(*key)
        return self._samples[key].copy()

    def _sample(
        self, dataset: str, label: str, metric: str, statistic: Statistic, level: float
    ) -> pd.Series:
        runs = self.results.parts[dataset, label].groupby("seed")
        if statistic == "seconds":
            return (runs["train_seconds"].first() / runs["step"].max()).astype(float)
        status = runs["status"].first()
        lost = list(status.index[status != "complete"])
        miss = math.inf if statistic in COUNTS else METRICS[metric].miss
        if statistic == "final":
            rows = self.results.series.get((dataset, label, metric))
            last = [] if rows is None else rows.loc[rows.groupby("seed")["step"].idxmax()]
            found = dict(zip(last["seed"], last["value"], strict=True)) if len(last) else {}
        else:
            curves = self.results.evaluations(dataset, label, metric)
            curves = curves[curves["step"] > 0].set_index("step").groupby("seed")["value"]
            if statistic == "updates":
                sign = 1 if METRICS[metric].higher_is_better else -1
                found = {s: updates_to(sign * c, sign * level) for s, c in curves}
            else:
                found = {s: CURVES[statistic](c) for s, c in curves if len(c) > 1}
        return pd.Series(found | dict.fromkeys(lost, miss), dtype=float).fillna(miss)

    def share(self, dataset: str, label: str) -> float:
        """Generator updates times batch, as a share of the released number."""
        ours = self.results.recorded_budget(dataset, label)
        budget = self.released_budget(dataset)
        return ours["iterations"] * ours["batch"] / (budget.iterations * budget.batch)

    def released_budget(self, dataset: str) -> DatasetSettings:
        """The authors' on what the dataset is about, also where the preset ``paper`` has one of
        ours for it (``ring_unrolling``: none is stated). Raises UserError on unknown data.
        """
        return released().budget(self.results.data(dataset))

    def departures(self, dataset: str, label: str) -> dict[str, Any]:
        """Settings of the runs that are not those of the preset ``paper``, nor of the label.

        A setting that is newer than the runs had its default when they were made.
        """
        key, _, asked = parse_label(label)
        theirs = self.released_settings(dataset, key)
        ours = self.settings(dataset, label)
        return {k: v for k, v in ours.items() if k not in asked and theirs.get(k, v) != v}

    def settings(self, dataset: str, label: str) -> dict[str, Any]:
        """Settings of the runs: the method's own, and those that it shares with all others."""
        budget = self.results.recorded_budget(dataset, label)
        shared = {k: budget[k] for k in SHARED if k in budget}
        return shared | self.results.settings(dataset, label)

    def released_settings(self, dataset: str, key: str) -> dict[str, Any]:
        """The same of the preset ``paper``, on what the dataset is about; none for a method or data
        that it does not know.
        """
        name = dataset if released().has(dataset) else self.results.data(dataset)
        if key not in REGISTRY or not released().has(name):
            return {}
        run = released().runs(name, key)[0]
        return {k: getattr(run.budget, k) for k in SHARED} | run.settings

    def scale(self, dataset: str) -> str:
        """What there is to say of the size of the runs on a dataset; nothing in a folder that no
        shipped preset has the name of.
        """
        preset, _, changed = self.name.partition("[")
        if preset not in preset_names():
            return ""
        if changed:  # by which the budget is known
            words = f"{shipped(preset).scale(dataset)}; changed: [{changed}"
            return words + unlike_clocks(self.results, [dataset])
        return scale_of(self.results, shipped(preset), dataset)


@cache
def shipped(preset: str) -> Job:
    """A preset without changes."""
    return Job(preset)


def released() -> Job:
    """The released settings."""
    return shipped(RELEASED)


def every(out: Path, name: str | None = None) -> list[Evidence]:
    """All folders of results under ``out``, or the one of that name."""
    names = sorted(p.name for p in out.iterdir() if p.is_dir()) if out.is_dir() else []
    found = [n for n in names if run_folders(out, n) or (out / n / "figures").is_dir()]
    return [Evidence(out, n) for n in found if name in (None, n)]
