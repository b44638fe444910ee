"""Confidence intervals over seeds."""

from __future__ import annotations

import math

import numpy as np

from metrics import Metric


def over_seeds(
    values, metric: Metric, level: float = 0.95, greatest: float = math.inf
) -> tuple[float, float, float]:
    """Independent runs as the metric is summarised: (centre, low, high).

    ``median_range`` of what is heavy-tailed, ``t_interval`` within the metric's support of the
    rest. greatest: the value that the metric cannot exceed on this data, where its ``of`` names
    one. Raises ValueError on no values.
    """
    if metric.summary == "median":
        return median_range(values)
    least, most = metric.support
    return t_interval(values, level, (least, min(most, greatest)))


def t_interval(
    values, level: float = 0.95, support: tuple[float, float] = (-math.inf, math.inf)
) -> tuple[float, float, float]:
    """Mean and Student-t interval of independent runs: (mean, low, high).

    A percentile bootstrap covers only 84 % at 5 seeds where this covers 95 %. One value has no
    interval: low and high are NaN. An infinite value makes the mean infinite and the bounds NaN.

    support: the least and the greatest possible value. What of the interval lies beyond is cut off,
    which costs no coverage: the mean of such values cannot lie there. Where most values are at an
    end of the support the interval is short, and few seeds cover less than they say, cut or not.
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
    # A mean that rounding took past the end stays within its interval.
    low, high = min(mean, support[0]), max(mean, support[1])
    return mean, max(mean - half, low), min(mean + half, high)


def median_range(values) -> tuple[float, float, float]:
    """Median, least and greatest of independent runs: (median, low, high).

    Of values orders of magnitude apart, whose mean is that of the largest. Infinite values count,
    so that the median stands as long as most runs are finite. One value has no range: low and high
    are NaN; so is all of it where a value is. Raises ValueError on no values.
    """
    values = np.asarray(values, dtype=float)
    if values.size == 0:
        raise ValueError("no values to average")
    if np.isnan(values).any():
        return math.nan, math.nan, math.nan
    if values.size == 1:
        return float(values[0]), math.nan, math.nan
    return float(np.median(values)), float(values.min()), float(values.max())
