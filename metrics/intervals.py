"""Confidence intervals over seeds."""

from __future__ import annotations

import math

import numpy as np


def t_interval(values, level: float = 0.95) -> tuple[float, float, float]:
    """Mean and Student-t interval of independent runs: (mean, low, high).

    A percentile bootstrap covers only 84 % at 5 seeds where this covers 95 %. One value has no
    interval: low and high are NaN. An infinite value makes the mean infinite and the bounds NaN.
    Raises ValueError on no values.
    """
    values = np.asarray(values, dtype=float)
    if values.size == 0:
        raise ValueError("no values to average")
    mean = float(values.mean())
    if values.size == 1 or not np.isfinite(values).all():
        return mean, math.nan, math.nan
    from scipy.special import stdtrit

    half = stdtrit(values.size - 1, (1 + level) / 2) * values.std(ddof=1) / math.sqrt(values.size)
    return mean, mean - half, mean + half
