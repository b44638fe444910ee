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
from benchmark.report.claims.curves import LOSSES, MEASURED, first_at, scaled, thirds, unscaled
from benchmark.results.scale import scale_of, unlike_clocks
from benchmark.results.view import Results
from benchmark.store.folder import run_folders
from methods import REGISTRY

Statistic = Literal["final", "late", "drops", "setbacks", "seconds"]
SHARED = ("z_dim", "coordinate_scale")  # what decides results of all methods, besides their size


class Evidence:
    """A folder of results, a preset's or a changed preset's. since: the least seed that counts."""

    def __init__(
        self, out: Path, name: str, results: Results | None = None, since: int = 0
    ) -> None:
        self.name = name
        self.results = results or Results(out, name)
        self.since = since
        self._curves: dict[tuple[str, str, str], dict[int, pd.Series]] = {}

    @property
    def seconds_only(self) -> bool:
        """Whether these runs were made to be timed, and are too short to show anything else."""
        return self.name in preset_names() and shipped(self.name).preset.seconds_only

    def fresh(self, since: int) -> Evidence:
        """The same runs without seeds below one."""
        return Evidence(Path(), self.name, self.results, since)

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
                return label if len(self._runs(dataset, label)) else None
        return None

    def sample(self, dataset: str, label: str, metric: str, statistic: Statistic) -> pd.Series:
        """A number of every run, by seed.

        final: the last value of a metric, which is measured with the most samples. late: its mean
        over the last third of the evaluations during training; of a divergence, the geometric one.
        drops: the sum of its decreases from one of them to the next, once it has risen at all.
        setbacks: that sum over the sum of its increases. seconds: training time per generator
        update; it has no metric. A run that did not complete, or measured NaN, has the metric's
        worst value, and infinitely many of what is counted. A run without the metric, or without
        enough evaluations, is left out.
        """
        runs = self._runs(dataset, label)
        if statistic == "seconds":
            return (runs["train_seconds"].first() / runs["step"].max()).astype(float)
        status = runs["status"].first()
        lost = list(status.index[status != "complete"])
        miss = math.inf if statistic in LOSSES else MEASURED[metric].miss
        if statistic == "final":
            rows = self.results.series.get((dataset, label, metric))
            last = [] if rows is None else rows.loc[rows.groupby("seed")["step"].idxmax()]
            found = dict(zip(last["seed"], last["value"], strict=True)) if len(last) else {}
            found = {seed: value for seed, value in found.items() if seed >= self.since}
        elif statistic == "late":
            ends = self.thirds(dataset, label, metric)["late"].dropna()
            found = {seed: unscaled(value, metric) for seed, value in ends.items()}
        else:
            sign = 1 if MEASURED[metric].higher_is_better else -1
            found = {
                seed: LOSSES[statistic](sign * scaled(curve, metric))
                for seed, curve in self.curves(dataset, label, metric).items()
                if len(curve) > 1
            }
        return pd.Series(found | dict.fromkeys(lost, miss), dtype=float).fillna(miss)

    def _runs(self, dataset: str, label: str) -> Any:
        """Rows of the runs, by seed."""
        rows = self.results.parts[dataset, label]
        return rows[rows["seed"] >= self.since].groupby("seed")

    def curves(self, dataset: str, label: str, metric: str) -> dict[int, pd.Series]:
        """A metric's evaluations after the start, by generator updates, of every seed; of two
        metrics with a stroke between, their ratio.
        """
        key = (dataset, label, metric)
        if key not in self._curves:
            self._curves[key] = self._read(*key)
        return self._curves[key]

    def _read(self, dataset: str, label: str, metric: str) -> dict[int, pd.Series]:
        above, stroke, below = metric.partition("/")
        if stroke:
            one, other = (self.curves(dataset, label, m) for m in (above, below))
            return {seed: one[seed] / other[seed] for seed in one.keys() & other.keys()}
        rows = self.results.evaluations(dataset, label, metric)
        rows = rows[(rows["step"] > 0) & (rows["seed"] >= self.since)]
        return dict(list(rows.set_index("step").groupby("seed")["value"]))

    def thirds(self, dataset: str, label: str, metric: str) -> pd.DataFrame:
        """Of every run that completed: means of the middle and the last third of the evaluations,
        on the scale of ``scaled``, and how many these are; NaN of too few.
        """
        status = self._runs(dataset, label)["status"].first()
        curves = self.curves(dataset, label, metric)
        none = pd.Series(dtype=float)
        found = {}
        for seed in status.index[status == "complete"]:
            curve = curves.get(seed, none)
            found[seed] = (*thirds(scaled(curve, metric)), len(curve))
        columns = ["middle", "late", "evaluations"]
        return pd.DataFrame.from_dict(found, orient="index", columns=columns)

    def reached(self, dataset: str, label: str, metric: str, value: float) -> pd.Series:
        """Updates to the first evaluation at a value or better, by seed; infinite where there is
        none. Empty where the metric was not measured.
        """
        sign = 1 if MEASURED[metric].higher_is_better else -1
        curves = self.curves(dataset, label, metric).items()
        return pd.Series({s: first_at(sign * c, sign * value) for s, c in curves}, dtype=float)

    def ran(self, dataset: str, label: str) -> pd.Series:
        """Generator updates of every run, by seed."""
        return self._runs(dataset, label)["step"].max().astype(float)

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
        """Settings of the runs, batch included, that are not those of the preset ``paper``, nor of
        the label.

        A setting that is newer than the runs had its default when they were made.
        """
        key, _, asked = parse_label(label)
        theirs = self.released_settings(dataset, key)
        ours = self.settings(dataset, label)
        if theirs and "batch" in (budget := self.results.recorded_budget(dataset, label)):
            ours |= {"batch": budget["batch"]}
            theirs |= {"batch": self.released_budget(dataset).batch}
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
