"""Runs on disk as one tidy table, versions told apart."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.core.errors import printable
from benchmark.core.files import damaged
from benchmark.store.folder import run_folders
from benchmark.store.sealed import METRICS, Record, read

FIRST_COLUMNS = ["dataset", "method", "seed", "step", "metric", "value", "status"]
OF_A_RUN = ["step", "seconds", "metric", "value"]  # metrics.csv


def collect(out: Path, preset: str) -> pd.DataFrame:
    """All rows of all runs of a preset: FIRST_COLUMNS, then seconds of training and provenance."""
    return tidy(read_runs(out, preset))


def read_runs(out: Path, preset: str) -> list[Record]:
    """The runs of a preset that count, each read once. Raises UserError where one is damaged."""
    found = map(read, run_folders(out, preset))
    return comparable([record for record in found if record is not None])


def tidy(records: Iterable[Record]) -> pd.DataFrame:
    """``collect`` from runs that were read."""
    frames = []
    for record in records:
        frame = pd.DataFrame(_failed_row()) if record.metrics is None else _rows(record)
        frame["dataset"], frame["method"], frame["seed"] = record.place
        for column in ("status", "commit", "device", "hardware", "train_seconds"):
            frame[column] = record.provenance.get(column)
        frames.append(frame)
    if not frames:
        return pd.DataFrame(columns=[*FIRST_COLUMNS, "seconds"])
    table = pd.concat(frames, ignore_index=True)
    table["train_seconds"] = pd.to_numeric(table["train_seconds"])  # None in a failed run
    rest = [c for c in table.columns if c not in FIRST_COLUMNS]
    return table[FIRST_COLUMNS + rest]


def _rows(record: Record) -> pd.DataFrame:
    """A run's metrics.csv. Raises UserError where it is damaged."""
    path = record.path / METRICS
    try:
        table = pd.read_csv(
            io.BytesIO(record.metrics),
            dtype={"step": np.int64, "seconds": np.float64, "metric": str, "value": np.float64},
            keep_default_na=False,  # a loss may be called NA
            na_values={"value": ["nan"]},
        )
    except (ValueError, OverflowError) as error:  # no table, or another one
        raise damaged(path, printable(error)) from None
    if list(table.columns) != OF_A_RUN or table.empty:
        raise damaged(path, f"its columns are not {', '.join(OF_A_RUN)}")
    clocks = np.isfinite(table["seconds"]) & (table["seconds"] >= 0) & (table["step"] >= 0)
    if not clocks.all():
        raise damaged(path, "a step or a time is below 0, or none")
    return table


def comparable(records: list[Record]) -> list[Record]:
    """Runs that may be averaged: of each method on a dataset, those of one version.

    Settings or code may have changed since some seeds were trained; the version with the most seeds
    counts, the latest of equals, and what is left out is named on standard error.
    """
    groups: dict[Path, dict[str, list[Record]]] = {}
    for record in records:
        version = {k: v for k, v in record.settings.items() if k not in ("seed", "fingerprint")}
        versions = groups.setdefault(record.path.parent, {})
        versions.setdefault(json.dumps(version, sort_keys=True), []).append(record)
    kept = []
    for parent, versions in groups.items():
        best = max(versions.values(), key=lambda v: (len(v), _latest(v)))
        kept += best
        for record in (r for v in versions.values() if v is not best for r in v):
            name = f"{parent.parent.name}/{parent.name}/{record.path.name}"
            line = f"left out of the tables: {name}, of another version"
            print(printable(line), file=sys.stderr)
    return kept


def _latest(records: list[Record]) -> str:
    return max(record.provenance.get("started", "") for record in records)


def _failed_row() -> dict[str, list]:
    return {"step": [0], "seconds": [0.0], "metric": ["none"], "value": [float("nan")]}
