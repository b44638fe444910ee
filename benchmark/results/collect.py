"""Runs on disk as one tidy table, versions told apart."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd

from benchmark.core.errors import UserError, printable
from benchmark.core.files import read_json
from benchmark.store.folder import run_folders

FIRST_COLUMNS = ["dataset", "method", "seed", "step", "metric", "value", "status"]


def collect(out: Path, preset: str) -> pd.DataFrame:
    """All rows of all runs of a preset: FIRST_COLUMNS, then seconds of training and provenance."""
    frames = []
    for folder in comparable(run_folders(out, preset)):
        record = read_json(folder / "provenance.json")
        path = folder / "metrics.csv"
        frame = _rows(path) if path.is_file() else pd.DataFrame(_failed_row())
        frame["dataset"], frame["method"] = folder.parts[-3], folder.parts[-2]
        frame["seed"] = int(folder.name.removeprefix("seed"))
        for column in ("status", "commit", "device", "hardware", "train_seconds"):
            frame[column] = record.get(column)
        frames.append(frame)
    if not frames:
        return pd.DataFrame(columns=[*FIRST_COLUMNS, "seconds"])
    table = pd.concat(frames, ignore_index=True)
    table["train_seconds"] = pd.to_numeric(table["train_seconds"])  # None in a failed run
    rest = [c for c in table.columns if c not in FIRST_COLUMNS]
    return table[FIRST_COLUMNS + rest]


def _rows(path: Path) -> pd.DataFrame:
    """A run's metrics.csv. Raises UserError where it is damaged."""
    try:
        return pd.read_csv(path)[["step", "seconds", "metric", "value"]]
    except (ValueError, KeyError):  # no table, or another one
        raise UserError(
            f"{path}: damaged; delete its folder and the same command trains it again"
        ) from None


def comparable(folders: list[Path]) -> list[Path]:
    """Runs that may be averaged: of each method on a dataset, those of one version.

    Settings or code may have changed since some seeds were trained; the version with the most seeds
    counts, the latest of equals, and what is left out is named on standard error.
    """
    groups: dict[Path, dict[str, list[Path]]] = {}
    for folder in folders:
        settings = read_json(folder / "settings.json")
        version = {k: v for k, v in settings.items() if k not in ("seed", "fingerprint")}
        versions = groups.setdefault(folder.parent, {})
        versions.setdefault(json.dumps(version, sort_keys=True), []).append(folder)
    kept = []
    for parent, versions in groups.items():
        best = max(versions.values(), key=lambda v: (len(v), _latest(v)))
        kept += best
        for folder in (f for v in versions.values() if v is not best for f in v):
            name = f"{parent.parent.name}/{parent.name}/{folder.name}"
            line = f"left out of the tables: {name}, of another version"
            print(printable(line), file=sys.stderr)
    return kept


def _latest(folders: list[Path]) -> str:
    return max(read_json(f / "provenance.json").get("started", "") for f in folders)


def _failed_row() -> dict[str, list]:
    return {"step": [0], "seconds": [0.0], "metric": ["none"], "value": [float("nan")]}
