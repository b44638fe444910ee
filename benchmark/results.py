"""Finished runs, as artefacts and reports read them."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark import tables


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

    def methods(self, dataset: str) -> list[str]:
        """Labels of the methods with at least one run on a dataset."""
        rows = self.table[self.table["dataset"] == dataset]
        return list(dict.fromkeys(rows["method"]))

    def curves(self, dataset: str, method: str, metric: str) -> pd.DataFrame:
        """One metric of one method during training: columns seed, step, seconds, value.

        Without each run's last evaluation, which uses more samples (and follows the step at which
        a diverged run broke), and only at steps that every seed reached.
        """
        t = self.table
        chosen = (t["dataset"] == dataset) & (t["method"] == method) & (t["metric"] == metric)
        rows = t.loc[chosen, ["seed", "step", "seconds", "value"]]
        rows = rows[rows["step"] < rows.groupby("seed")["step"].transform("max")]
        reached = rows.groupby("step")["seed"].transform("nunique")
        return rows[reached == t.loc[chosen, "seed"].nunique()]

    def missed(self, dataset: str, method: str) -> int:
        """How many runs of a method diverged or failed."""
        t = self.table
        runs = t[(t["dataset"] == dataset) & (t["method"] == method)].groupby("seed")["status"]
        return int((runs.first() != "complete").sum())

    def samples(self, dataset: str, method: str) -> dict[str, np.ndarray] | None:
        """``samples.npz`` of the lowest seed that has one, with that seed; None where there is
        none. The lowest seed rather than the best: a figure must not choose.
        """
        found = (self.folder / "runs" / dataset / method).glob("seed*/samples.npz")
        folders = [p for p in found if p.parent.name.removeprefix("seed").isdigit()]
        if not folders:
            return None
        path = min(folders, key=lambda p: int(p.parent.name.removeprefix("seed")))
        with np.load(path, allow_pickle=False) as archive:
            return dict(archive) | {"seed": np.array(int(path.parent.name.removeprefix("seed")))}
