"""Finished runs, as artefacts and reports read them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmark.experiments.job import Job
from benchmark.results.collect import read_runs, tidy
from benchmark.results.equal_time import at_equal_time
from benchmark.results.samples import unpacked
from benchmark.results.summary import summarise
from benchmark.store.sealed import SAMPLES, Record


class Results:
    """All runs of one preset on disk."""

    def __init__(self, out: Path, preset: str) -> None:
        self.folder = out / preset
        self.figures = self.folder / "figures"
        self._out, self._preset = out, preset

    @cached_property
    def runs(self) -> dict[tuple[str, str, int], Record]:
        """The runs in the table, by dataset, method and seed; all that is shown of them was read
        here, at once.
        """
        return {record.place: record for record in read_runs(self._out, self._preset)}

    @cached_property
    def table(self) -> pd.DataFrame:
        """Tidy rows of every run (``collect``)."""
        return tidy(self.runs.values())

    @cached_property
    def parts(self) -> dict[tuple[str, str], pd.DataFrame]:
        """The rows of ``table`` by dataset and method, in its order."""
        return dict(list(self.table.groupby(["dataset", "method"], sort=False)))

    @cached_property
    def series(self) -> dict[tuple[str, str, str], pd.DataFrame]:
        """The same by metric too: columns seed, step, seconds, value."""
        parts = self.table.groupby(["dataset", "method", "metric"], sort=False)
        return dict(list(parts[["seed", "step", "seconds", "value"]]))

    @cached_property
    def summary(self) -> pd.DataFrame:
        """Final values over seeds (``summarise``)."""
        return summarise(self.table)

    @cached_property
    def equal_time(self) -> pd.DataFrame:
        """Values at equal training time (``at_equal_time``)."""
        return at_equal_time(self.table)

    def data(self, dataset: str) -> str:
        """What a dataset of the preset is about."""
        found = [record.settings for (name, _, _), record in self.runs.items() if name == dataset]
        return next((s["data"] for s in found if "data" in s), dataset)

    def among(self, datasets: Iterable[str]) -> list[str]:
        """Those of the datasets that have runs."""
        have = {dataset for dataset, _ in self.parts}
        return [dataset for dataset in datasets if dataset in have]

    def strangers(self, job: Job) -> list[str]:
        """Datasets in the plane with runs here that a job does not know: of plugins that it was not
        given.
        """
        found = [d for d in dict.fromkeys(d for d, _ in self.parts) if not job.has(d)]
        return [d for d in found if "extent" in (self.samples(d, self.methods(d)[0]) or {})]

    def settings(self, dataset: str, method: str) -> dict[str, Any]:
        """A method's settings in its runs on a dataset; empty where there are none."""
        return self.record(dataset, method).get("settings", {})

    def record(self, dataset: str, method: str) -> dict[str, Any]:
        """``settings.json`` of a method's first run in the table on a dataset, budget included;
        empty where there is none. The runs in the table agree in it (``collect.comparable``).
        """
        part = self.parts.get((dataset, method))
        return {} if part is None else self.runs[dataset, method, part["seed"].min()].settings

    def recorded_budget(self, dataset: str, method: str) -> dict[str, Any]:
        """What a method's runs on a dataset have in common with others there: updates, batch, noise
        and samples, as recorded; empty where nothing is.
        """
        found = self.record(dataset, method).get("budget")
        older = {"coordinate_scale": 1.0}  # before it was a setting
        return older | found if isinstance(found, dict) else {}

    def records(self, dataset: str, methods: Iterable[str] = ()) -> list[dict[str, Any]]:
        """``provenance.json`` of the runs on a dataset, of some methods or all."""
        chosen = set(methods) or set(self.methods(dataset))
        return [r for (d, m, _), r in self.provenance.items() if d == dataset and m in chosen]

    @cached_property
    def provenance(self) -> dict[tuple[str, str, int], dict[str, Any]]:
        """``provenance.json`` of every run in the table, by dataset, method and seed."""
        return {key: record.provenance for key, record in self.runs.items()}

    def hours(self) -> float:
        """Training time of all runs; seeds that were trained as one program share theirs."""
        seconds = [
            record.get("train_seconds", 0.0) / record.get("stacked", 1)
            for record in self.provenance.values()
        ]
        return sum(seconds) / 3600

    def methods(self, dataset: str) -> list[str]:
        """Labels of the methods with at least one run on a dataset."""
        return [method for other, method in self.parts if other == dataset]

    def curves(self, dataset: str, method: str, metric: str) -> pd.DataFrame:
        """``evaluations``, only at steps that every seed reached: what a mean over seeds may be
        drawn from.
        """
        rows = self.evaluations(dataset, method, metric)
        if rows.empty:
            return rows
        reached = rows.groupby("step")["seed"].transform("nunique")
        return rows[reached == self.series[dataset, method, metric]["seed"].nunique()]

    def evaluations(self, dataset: str, method: str, metric: str) -> pd.DataFrame:
        """One metric of one method during training: columns seed, step, seconds, value.

        Without each run's last evaluation, which uses more samples (and follows the step at which
        a diverged run broke).
        """
        none = self.table[["seed", "step", "seconds", "value"]].iloc[:0]
        rows = self.series.get((dataset, method, metric), none)
        return rows[rows["step"] < rows.groupby("seed")["step"].transform("max")]

    def missed(self, dataset: str, method: str) -> int:
        """How many runs of a method diverged or failed."""
        part = self.parts.get((dataset, method))
        if part is None:
            return 0
        return int((part.groupby("seed")["status"].first() != "complete").sum())

    def samples(self, dataset: str, method: str) -> dict[str, np.ndarray] | None:
        """``samples.npz`` of the lowest seed in the table that has one, with that seed; None where
        there is none. The lowest seed rather than the best: a figure must not choose. Raises
        UserError where it is damaged.
        """
        for seed in sorted(s for d, m, s in self.runs if (d, m) == (dataset, method)):
            record = self.runs[dataset, method, seed]
            content = record.samples()
            if content is not None:
                return unpacked(record.path / SAMPLES, content) | {"seed": np.array(seed)}
        return None
