"""Finished runs, as artefacts and reports read them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmark.core.files import read_json
from benchmark.data import DATASETS
from benchmark.experiments.presets import STUDENTS
from benchmark.results.collect import collect
from benchmark.results.summary import summarise


class Results:
    """All runs of one preset on disk."""

    def __init__(self, out: Path, preset: str) -> None:
        self.folder = out / preset
        self.figures = self.folder / "figures"
        self._out, self._preset = out, preset

    @cached_property
    def table(self) -> pd.DataFrame:
        """Tidy rows of every run (``collect``)."""
        return collect(self._out, self._preset)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """Final values over seeds (``summarise``)."""
        return summarise(self.table)

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
        empty where there is none. The runs in the table agree in it (``collect.comparable``).
        """
        rows = self.table[(self.table["dataset"] == dataset) & (self.table["method"] == method)]
        if rows.empty:
            return {}
        run = self.folder / "runs" / dataset / method / f"seed{rows['seed'].min()}"
        return read_json(run / "settings.json")

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
