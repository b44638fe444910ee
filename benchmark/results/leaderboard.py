"""The rows of a leaderboard: every method on every dataset whose modes are counted.

A row is one method, or variant, of one experiment of one preset, over its seeds. Rows of other
budgets, batches and machines stand side by side: the columns say which, and seconds compare only
where ``hardware`` is the same.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from benchmark.core.modules import config_class, load_module
from benchmark.data import family
from benchmark.results import names
from benchmark.results.summary import modes_of
from benchmark.results.view import Results
from methods import REGISTRY
from methods.base import Spec

# Of a family, what decides between methods, best first, and the shape of a point.
METRICS = {
    "plane": ("modes_covered", "high_quality_pct", "intra_mode_kl", "sliced_w2"),
    "stacks": ("smnist_modes", "smnist_kl", "smnist_certain_modes"),
}
SHAPES = {"plane": (2,), "stacks": (3, 28, 28)}
PLAYERS = ("theta", "phi", "psi", "xi")
SHARP = 90.0  # per cent of high quality that ``reached`` asks for, of all modes
COLUMNS = [
    "data", "preset", "experiment", "method", "role", "seeds", "missed", "updates", "batch",
    *(f"{name}{end}" for shown in METRICS.values() for name in shown
      for end in ("", "_low", "_high")),
    "modes", "reached", "seconds_to_reach", "seconds", "parameters", "hardware",
]  # fmt: skip


def leaderboard(results: Results, preset: str) -> pd.DataFrame:
    """A row per dataset and method of a preset's results, in the order of the summary.

    missed: runs that diverged or failed. updates: of the generator. Metrics: as in the summary.
    reached: seeds that once had all modes and SHARP of quality. seconds_to_reach: of training until
    then, median over all seeds, infinite where fewer than half reached it; NaN where the data have
    no such target. seconds: of training, mean over seeds. parameters: of all players.
    """
    rows = []
    for (dataset, method), part in results.summary.groupby(["dataset", "method"], sort=False):
        data = results.data(dataset)
        if family(data) not in METRICS:
            continue
        budget, first = results.recorded_budget(dataset, method), part.iloc[0]
        row = {
            "data": data,
            "preset": preset,
            "experiment": dataset,
            "method": method,
            "role": names.role(method),
            "batch": budget.get("batch", 0),
            "parameters": parameters(data, results.record(dataset, method), method),
            "hardware": _hardware(results, dataset, method),
            **{"seeds": first["n"], "missed": first["missed"], "updates": first["steps"]},
            "seconds": first["seconds"],
        }
        found = part.set_index("metric")
        for name in METRICS[family(data)]:
            if name in found.index:
                ends = {"": "mean", "_low": "low", "_high": "high"}
                row |= {f"{name}{end}": found.loc[name, of] for end, of in ends.items()}
        rows.append(row | _reach(dataset, results.parts[dataset, method]))
    return pd.DataFrame(rows, columns=COLUMNS)


def ranked(table: pd.DataFrame, data: str) -> pd.DataFrame:
    """The rows on one dataset, the best first."""
    part = table[table["data"] == data].assign(certain=lambda t: -t["missed"] / t["seeds"])
    shown = METRICS[family(data)][:3]
    falls = {"intra_mode_kl", "smnist_kl"}
    keys = ["certain", *shown]
    part = part.sort_values(keys, ascending=[k in falls for k in keys], kind="stable")
    return part.drop(columns="certain")


def _reach(dataset: str, runs: pd.DataFrame) -> dict[str, float]:
    """modes, reached and seconds_to_reach of the rows of a method's runs on data in the plane."""
    modes = modes_of(dataset, runs)
    value = {name: rows.set_index(["seed", "step"]) for name, rows in runs.groupby("metric")}
    if not {"modes_covered", "high_quality_pct"} <= set(value):
        return {"modes": modes}
    all_modes = value["modes_covered"]["value"] >= modes
    both = value["high_quality_pct"][all_modes & (value["high_quality_pct"]["value"] >= SHARP)]
    seconds = both.groupby("seed")["seconds"].min().reindex(runs["seed"].unique()).fillna(math.inf)
    return {
        "modes": modes,
        "reached": int(np.isfinite(seconds).sum()),
        "seconds_to_reach": float(seconds.median()),
    }


def _hardware(results: Results, dataset: str, method: str) -> str:
    records = results.records(dataset, [method])
    return "; ".join(sorted({str(r["hardware"]) for r in records if r.get("hardware")}))


def parameters(data: str, record: dict[str, Any], method: str) -> float:
    """Trained numbers of all players, as the code of today counts them; NaN of a plugin's method
    and of settings that this code does not know.
    """
    if names.key(method) not in REGISTRY:
        return math.nan
    module = load_module(REGISTRY[names.key(method)])
    budget = record.get("budget", {})
    spec = Spec(SHAPES[family(data)], budget.get("z_dim", 256), budget.get("batch", 2))
    try:
        state = module.build(spec, config_class(module)(**record.get("settings", {}))).init(0)
    except (ValidationError, ValueError):
        return math.nan
    return sum(state[player].numel() for player in PLAYERS if player in state)
