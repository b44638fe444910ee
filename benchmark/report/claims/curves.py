"""Numbers of one curve: what a run gained, lost, and when it reached a level."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd


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


def updates_to(curve: pd.Series, level: float) -> float:
    """The first place from which on a curve is at least ``level``, to its end."""
    kept = np.logical_and.accumulate((curve >= level).to_numpy()[::-1])[::-1]
    return float(curve.index[kept.argmax()]) if kept.any() else math.inf


LOSSES = ("drops", "setbacks")
COUNTS = ("updates", *LOSSES)
CURVES = {"average": lambda curve: float(curve.mean()), "drops": drops, "setbacks": setbacks}
