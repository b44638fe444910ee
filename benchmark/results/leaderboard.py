"""The rows of a leaderboard: every method on every dataset that has a score.

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
from metrics import METRICS

# What decides between methods, the weightiest first: of points in the plane, stacks of digits,
# points on the line, photographs. No two of these measure the same.
DECIDING = (
    "modes_covered", "high_quality_pct", "intra_mode_kl", "sliced_w2",
    "smnist_modes", "smnist_kl", "smnist_certain_modes",
    "js", "kl", "fid", "kid",
)  # fmt: skip
SHAPES = {"plane": (2,), "stacks": (3, 28, 28)}  # of a point
PLAYERS = ("theta", "phi", "psi", "xi")
SHARP = 90.0  # per cent of high quality that ``reached`` asks for, of all modes
LEARNED = 50.0  # per cent below which modes are covered by chance: noise covers many
COLUMNS = [
    "data", "preset", "experiment", "method", "role", "seeds", "missed", "updates", "batch",
    *(f"{name}{end}" for name in DECIDING for end in ("", "_low", "_high")),
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
        data, found = results.data(dataset), part.set_index("metric")
        scores = [name for name in DECIDING if name in found.index]
        if not scores:
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
        for name in scores:
            ends = {"": "mean", "_low": "low", "_high": "high"}
            row |= {f"{name}{end}": found.loc[name, of] for end, of in ends.items()}
        rows.append(row | _reach(dataset, results.parts[dataset, method]))
    return pd.DataFrame(rows, columns=COLUMNS)


def ranked(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows on one dataset, the best first; ``learned`` says whether half of the samples are of high
    quality, where that is measured.

    References come last, before them what never learned, and before these what runs diverged of.
    """
    rows = rows.assign(
        learned=~(rows["high_quality_pct"] < LEARNED),
        apart=rows["role"] == "reference",
        lost=rows["missed"] / rows["seeds"],
    )
    better = [METRICS[name].higher_is_better for name in DECIDING]
    order = ["apart", "learned", "lost", *DECIDING]
    rows = rows.sort_values(order, ascending=[True, False, True, *(not b for b in better)],
                            kind="stable")  # fmt: skip
    return rows.drop(columns=["apart", "lost"])


def shown(rows: pd.DataFrame) -> list[str]:
    """The scores that any of the rows has."""
    return [name for name in DECIDING if rows[name].notna().any()]


def best(rows: pd.DataFrame) -> dict[str, float]:
    """The best value of every score among the methods that learned, where two or more compete."""
    rivals = rows[rows["learned"] & (rows["role"] != "reference")]
    if len(rivals) < 2:
        return {}
    return {
        name: rivals[name].max() if METRICS[name].higher_is_better else rivals[name].min()
        for name in shown(rivals)
    }


def _reach(dataset: str, runs: pd.DataFrame) -> dict[str, float]:
    """modes, reached and seconds_to_reach of the rows of a method's runs on data in the plane."""
    modes = modes_of(dataset, runs)
    covered, quality = (
        runs[runs["metric"] == name].set_index(["seed", "step"])[["value", "seconds"]]
        for name in ("modes_covered", "high_quality_pct")
    )
    if covered.empty or quality.empty:
        return {"modes": modes}
    both = quality[(covered["value"] >= modes) & (quality["value"] >= SHARP)]
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
    """Trained numbers of all players, as the code of today counts them; NaN of a plugin's method,
    of data of other shapes and of settings that this code does not know.
    """
    if names.key(method) not in REGISTRY or family(data) not in SHAPES:
        return math.nan
    module = load_module(REGISTRY[names.key(method)])
    budget = record.get("budget", {})
    spec = Spec(SHAPES[family(data)], budget.get("z_dim", 256), budget.get("batch", 2))
    try:
        state = module.build(spec, config_class(module)(**record.get("settings", {}))).init(0)
    except (ValidationError, ValueError):
        return math.nan
    return sum(state[player].numel() for player in PLAYERS if player in state)
