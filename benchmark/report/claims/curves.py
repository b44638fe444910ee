"""Numbers of one curve: what a run gained and lost, when it got somewhere, where it ended."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from metrics import METRICS, Metric

# Above 1 where a mode's samples are narrower than the mode.
CONCENTRATION = "intra_mode_kl/intra_mode_kl_reverse"
MEASURED = METRICS | {
    CONCENTRATION: Metric("forward over reverse intra-mode KL", False, math.nan, 2)
}
# Counted in nats from 0 and orders of magnitude apart: they change by factors.
DIVERGENCES = (
    "intra_mode_kl", "intra_mode_kl_reverse", "kl", "js", "smnist_kl", "smnist_certain_kl",
    "smnist_training_kl", CONCENTRATION,
)  # fmt: skip
LEAST = 1e-6  # nats; below, an estimate from samples is noise


def scaled(values: Any, metric: str) -> Any:
    """The scale on which a metric changes and is compared: logarithms of a divergence."""
    return np.log(np.maximum(values, LEAST)) if metric in DIVERGENCES else values


def unscaled(value: float, metric: str) -> float:
    """Back from it."""
    return float(np.exp(value)) if metric in DIVERGENCES else value


def drops(curve: pd.Series) -> float:
    """Sum of the decreases of a curve, without those before its first increase: what an untrained
    generator loses was never learned.
    """
    changes = curve.diff()
    learning = (changes > 0).cummax()
    return abs(float(changes[learning].clip(upper=0).sum()))


def setbacks(curve: pd.Series) -> float:
    """Decreases of a curve over its increases; of one without increases 0 where it stays above 0,
    infinite where it stays at 0, and 1 where it only falls.
    """
    gains = float(curve.diff().clip(lower=0).sum())
    if gains > 0:
        return drops(curve) / gains
    if curve.nunique() > 1:
        return 1.0
    return 0.0 if curve.iloc[0] > 0 else math.inf


def first_at(curve: pd.Series, level: float) -> float:
    """The first place at which a curve is at least ``level``; infinite where it never is."""
    there = curve.index[(curve >= level).to_numpy()]
    return float(there[0]) if len(there) else math.inf


def thirds(curve: pd.Series) -> tuple[float, float]:
    """Means of the middle and the last third of a curve; NaN of a curve too short for thirds."""
    n = len(curve) // 3
    if n == 0:
        return math.nan, math.nan
    return float(curve.iloc[-2 * n : -n].mean()), float(curve.iloc[-n:].mean())


LOSSES = {"drops": drops, "setbacks": setbacks}
