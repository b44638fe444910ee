"""Finished runs, as artefacts and reports read them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmark import tables
from benchmark.core.files import read_json
from benchmark.data import DATASETS
from benchmark.experiments.job import Job
from benchmark.experiments.presets import STUDENTS

BUDGET = {  # what decides how far a run got, besides its method: setting -> in words
    "iterations": "{} updates",
    "batch": "batch {}",
    "z_dim": "noise of {} dimensions",
    "coordinate_scale": "coordinates times {}",
}


class Results:
    """All runs of one preset on disk."""

    def __init__(self, out: Path, preset: str) -> None:
        self.folder = out / preset
        self.figures = self.folder / "figures"
        self._out, self._preset = out, preset

    @cached_property
    def table(self) -> pd.DataFrame:
        """Tidy rows of every run (``tables.collect``)."""
        return tables.collect(self._out, self._preset)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """Final values over seeds (``tables.summarise``)."""
        return tables.summarise(self.table)

    def data(self, dataset: str) -> str:
        """What a dataset of the preset is about."""
        found = sorted((self.folder / "runs" / dataset).glob("*/seed*/settings.json"))
        return read_json(found[0]).get("data", dataset) if found else dataset

    def stacked(self) -> list[str]:
        """Datasets with runs that are Stacked MNIST or its stand-in, the real one first; of
        several, that of the data's own name.
        """
        names = [d for d in dict.fromkeys(self.table["dataset"]) if not d.startswith(STUDENTS)]
        found = [(d, self.data(d)) for d in names]
        found.sort(key=lambda pair: pair[0] != pair[1])
        stacks = (name for name, entry in DATASETS.items() if entry.family == "stacks")
        return [d for name in stacks for d, data in found if data == name]

    def settings(self, dataset: str, method: str) -> dict[str, Any]:
        """A method's settings in its runs on a dataset; empty where there are none."""
        return self.record(dataset, method).get("settings", {})

    def record(self, dataset: str, method: str) -> dict[str, Any]:
        """``settings.json`` of a method's first run in the table on a dataset, budget included;
        empty where there is none. The runs in the table agree in it (``tables.comparable``).
        """
        rows = self.table[(self.table["dataset"] == dataset) & (self.table["method"] == method)]
        if rows.empty:
            return {}
        run = self.folder / "runs" / dataset / method / f"seed{rows['seed'].min()}"
        return read_json(run / "settings.json")

    def budget(self, dataset: str, method: str) -> dict[str, Any]:
        """What a method's runs on a dataset have in common with others there: updates, batch, noise
        and samples, as recorded; empty where nothing is.
        """
        found = self.record(dataset, method).get("budget")
        older = {"coordinate_scale": 1.0}  # before it was a setting
        return older | found if isinstance(found, dict) else {}

    def scale(self, job: Job, dataset: str | None = None) -> str:
        """What tables and figures must say of the size of the runs on a dataset, or on all that the
        preset's own words are about: those words, and where runs differ from the preset, or their
        seconds do not compare.
        """
        about = [dataset]
        if not dataset:
            found = dict.fromkeys(self.table["dataset"])
            about = [d for d in found if job.has(d) and not job.budget(d).scale]
        return job.scale(dataset) + self.other_budgets(job, about) + self.unlike_clocks(about)

    def other_budgets(self, job: Job, datasets: list[str]) -> str:
        """``; some runs of another budget: 64,000 updates``, where runs were made before the preset
        asked for what it asks for now; nothing where none were.
        """
        found: dict[str, set[float]] = {key: set() for key in BUDGET}
        for dataset, method in ((d, m) for d in datasets if job.has(d) for m in self.methods(d)):
            budget = job.budget(dataset)
            wanted = {key: {getattr(budget, key)} for key in BUDGET}
            wanted["iterations"] = job.updates(dataset, method)
            for key, value in self.budget(dataset, method).items():
                if key in BUDGET and isinstance(value, Real) and value not in wanted[key]:
                    found[key].add(value)
        words = [text.format(tables.span(found[k])) for k, text in BUDGET.items() if found[k]]
        return f"; some runs of another budget: {', '.join(words)}" if words else ""

    def unlike_clocks(self, datasets: Iterable[str]) -> str:
        """``; timed under unlike conditions: cpu A and cpu B``, where the runs on one of the
        datasets were; nothing otherwise.
        """
        several = [found for d in datasets if len(found := self.clocks(d)) > 1]
        names = sorted({name for found in several for name in found})
        return f"; timed under unlike conditions: {' and '.join(names)}" if names else ""

    def clocks(self, dataset: str, methods: Iterable[str] = ()) -> list[str]:
        """The conditions under which runs on a dataset were timed, of some methods or all: device,
        hardware, and what else changes their speed. Without runs that did not say.
        """
        records = self.records(dataset, methods)
        return sorted({_clock(record) for record in records if record.get("hardware")})

    def records(self, dataset: str, methods: Iterable[str] = ()) -> list[dict[str, Any]]:
        """``provenance.json`` of the runs on a dataset, of some methods or all."""
        chosen = set(methods) or set(self.methods(dataset))
        return [r for (d, m, _), r in self.provenance.items() if d == dataset and m in chosen]

    @cached_property
    def provenance(self) -> dict[tuple[str, str, int], dict[str, Any]]:
        """``provenance.json`` of every run in the table, by dataset, method and seed."""
        keys = self.table[["dataset", "method", "seed"]].drop_duplicates()
        return {
            (d, m, s): read_json(self.folder / "runs" / d / m / f"seed{s}" / "provenance.json")
            for d, m, s in keys.itertuples(index=False)
        }

    def hours(self) -> float:
        """Training time of all runs; seeds that were trained as one program share theirs."""
        seconds = [
            record.get("train_seconds", 0.0) / record.get("stacked", 1)
            for record in self.provenance.values()
        ]
        return sum(seconds) / 3600

    def methods(self, dataset: str) -> list[str]:
        """Labels of the methods with at least one run on a dataset."""
        rows = self.table[self.table["dataset"] == dataset]
        return list(dict.fromkeys(rows["method"]))

    def curves(self, dataset: str, method: str, metric: str) -> pd.DataFrame:
        """``evaluations``, only at steps that every seed reached: what a mean over seeds may be
        drawn from.
        """
        t = self.table
        chosen = (t["dataset"] == dataset) & (t["method"] == method) & (t["metric"] == metric)
        rows = self.evaluations(dataset, method, metric)
        reached = rows.groupby("step")["seed"].transform("nunique")
        return rows[reached == t.loc[chosen, "seed"].nunique()]

    def evaluations(self, dataset: str, method: str, metric: str) -> pd.DataFrame:
        """One metric of one method during training: columns seed, step, seconds, value.

        Without each run's last evaluation, which uses more samples (and follows the step at which
        a diverged run broke).
        """
        t = self.table
        chosen = (t["dataset"] == dataset) & (t["method"] == method) & (t["metric"] == metric)
        rows = t.loc[chosen, ["seed", "step", "seconds", "value"]]
        return rows[rows["step"] < rows.groupby("seed")["step"].transform("max")]

    def missed(self, dataset: str, method: str) -> int:
        """How many runs of a method diverged or failed."""
        t = self.table
        runs = t[(t["dataset"] == dataset) & (t["method"] == method)].groupby("seed")["status"]
        return int((runs.first() != "complete").sum())

    def samples(self, dataset: str, method: str) -> dict[str, np.ndarray] | None:
        """``samples.npz`` of the lowest seed in the table that has one, with that seed; None where
        there is none. The lowest seed rather than the best: a figure must not choose.
        """
        seeds = sorted(s for d, m, s in self.provenance if (d, m) == (dataset, method))
        runs = self.folder / "runs" / dataset / method
        found = [(s, p) for s in seeds if (p := runs / f"seed{s}" / "samples.npz").is_file()]
        if not found:
            return None
        seed, path = found[0]
        with np.load(path, allow_pickle=False) as archive:
            return dict(archive) | {"seed": np.array(seed)}


def _clock(record: dict[str, Any]) -> str:
    """What a run's seconds depend on besides what it computes, in words."""
    words = [" ".join(str(record[k]) for k in ("device", "hardware") if record.get(k))]
    words += ["not compiled"] if not record.get("compiled", True) else []
    words += ["TF32"] if record.get("tf32") else []
    stacked = record.get("stacked", 1)
    words += [f"{stacked} seeds as one program"] if stacked > 1 else []
    return ", ".join(words)
