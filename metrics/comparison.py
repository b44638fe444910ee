"""Two small samples of independent runs compared: interval, exact test, effect size.

No function assumes more than a few values a sample, none is NaN because all values agree, and runs
that diverged may count as infinite. Least two-sided p of the exact test: 2 / C(2n, n) for two
samples of n (0.1 at 3, 0.008 at 5), 2 / 2^n for n pairs (0.25 at 3, 0.06 at 5).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np

from metrics.intervals import t_interval

# Of how many seeds ``difference`` goes by ranks: fewer have too few orders, of more the mean is
# known well enough. Samples that differ more in size than the factor err too often where they also
# differ in spread (in 36 % at 5 against 20).
RANKED, UNEQUAL = range(5, 31), 1.5
RESAMPLES = 99_999  # above so many relabellings, random ones: a standard error of p below 0.002


def t_difference(
    a: Sequence[float], b: Sequence[float], paired: bool = False, level: float = 0.95
) -> tuple[float, float, float]:
    """Difference of means a - b with its Student-t interval: (difference, low, high).

    Paired: of the differences, value by value. Otherwise Welch's, which does not assume equal
    variances. They equal the difference where no value of either sample varies, and where one has
    only infinite values and the other none; they are NaN where a sample has one value, or some that
    are infinite. Raises ValueError on no values.
    """
    a, b = _samples(a, b, paired)
    difference = float(a.mean()) - float(b.mean())
    finite = sorted(np.isfinite(values).mean() for values in (a, b))
    if finite == [0, 1] and min(len(a), len(b)) > 1:
        return difference, difference, difference
    if finite != [1, 1]:
        return difference, math.nan, math.nan
    if paired:
        return t_interval(a - b, level)
    if min(len(a), len(b)) < 2:
        return difference, math.nan, math.nan
    errors = np.array([values.var(ddof=1) / len(values) for values in (a, b)])
    if not errors.any():
        return difference, difference, difference
    # Not scipy's ttest_ind, which warns where one of the samples does not vary.
    from scipy.special import stdtrit

    freedom = errors.sum() ** 2 / (errors**2 / [len(a) - 1, len(b) - 1]).sum()
    half = float(stdtrit(freedom, (1 + level) / 2) * math.sqrt(errors.sum()))
    return difference, difference - half, difference + half


def shift(
    a: Sequence[float], b: Sequence[float], level: float = 0.95
) -> tuple[float, float, float]:
    """How much higher a value of a is than one of b, with an exact interval: (shift, low, high).

    Hodges and Lehmann's estimate, the median of all differences, between the two of them that the
    Mann-Whitney test at that level leaves. It assumes no distribution, only that a is one of b's
    shape, moved. Where one sample of 5 spreads a hundredfold, 94 % of the intervals hold the
    difference of medians, at whatever higher level, too. Infinitely wide where no level so high
    exists for so few values. Values must be finite. Raises ValueError on none.
    """
    a, b = _samples(a, b, paired=False)
    gaps = np.sort((a[:, None] - b[None, :]).ravel())
    orders = _mann_whitney(len(a), len(b))
    tail = 2 * np.cumsum(orders) / orders.sum()
    bound = int((tail <= 1 - level + 1e-12).sum())  # of the interval: so many-th gap from each end
    low, high = (gaps[bound - 1], gaps[-bound]) if bound else (-math.inf, math.inf)
    return float(np.median(gaps)), float(low), float(high)


@cache
def _mann_whitney(n: int, m: int) -> np.ndarray:
    """How many orders of n and m values have U = 0, 1, ... n m pairs with the former higher."""
    if n == 0 or m == 0:
        return np.ones(1)
    orders = np.zeros(n * m + 1)
    orders[m:] += _mann_whitney(n - 1, m)  # the highest of all is of the n, above all m
    orders[: n * (m - 1) + 1] += _mann_whitney(n, m - 1)
    return orders


def _ranked(a: np.ndarray, b: np.ndarray, paired: bool) -> bool:
    """Whether samples are compared by rank."""
    few, many = sorted((len(a), len(b)))
    sized = few in RANKED and many in RANKED and many <= UNEQUAL * few
    return sized and not paired and bool(np.isfinite([*a, *b]).all())


def difference(
    a: Sequence[float], b: Sequence[float], paired: bool = False, level: float = 0.95
) -> tuple[float, float, float]:
    """How much a exceeds b, with the interval that decides their order: (difference, low, high).

    ``shift``, where the numbers of values allow it: a method that collapses in some seeds has
    values orders of magnitude apart, which tell nothing of its mean and all of its rank. Else
    ``t_difference``: of pairs, for which five are too few; of infinite values; where that level
    does not exist; and where the shift has no width though values vary, which is most of them
    being equal.
    """
    a, b = _samples(a, b, paired)
    if _ranked(a, b, paired):
        found = shift(a, b, level)
        same = found[1] == found[2] and np.ptp(a) + np.ptp(b) > 0
        if math.isfinite(found[1]) and not same:
            return found
    return t_difference(a, b, paired, level)


def cautious(
    a: Sequence[float], b: Sequence[float], paired: bool = False, level: float = 0.95
) -> tuple[float, float]:
    """An interval of the difference that refutes: what ``shift``, where samples are compared by
    rank, and ``t_difference`` hold together. By rank alone, no level protects from one wide sample.
    """
    a, b = _samples(a, b, paired)
    _, low, high = t_difference(a, b, paired, level)
    if _ranked(a, b, paired):
        _, least, most = shift(a, b, level)
        low, high = min(low, least), max(high, most)
    return low, high


def permutation_p(a: Sequence[float], b: Sequence[float], paired: bool = False) -> float:
    """Two-sided p-value of the permutation test on the difference of means.

    Exact over all ways to divide the values into two samples, or to swap the values of pairs, as
    long as there are at most RESAMPLES; 1 where all values agree. With an infinite value among
    them, the test is that on ranks (of absolute differences in pairs, signed).
    """
    from scipy.stats import permutation_test, rankdata

    a, b = _samples(a, b, paired)
    if not np.isfinite([*a, *b]).all():
        if paired:
            gap = np.where(a == b, 0.0, a - np.where(a == b, 0.0, b))
            a, b = np.sign(gap) * rankdata(np.abs(gap)), np.zeros(len(gap))
        else:
            a, b = np.split(rankdata([*a, *b]), [len(a)])
    if len(a) == len(b) == 1:
        return 1.0  # both labellings are equally extreme
    if min(len(a), len(b)) == 1:  # which scipy refuses
        return _one_against(a, b) if len(a) == 1 else _one_against(b, a)

    def difference(x, y, axis=-1):
        return x.mean(axis=axis) - y.mean(axis=axis)

    found = permutation_test(
        (a, b),
        difference,
        permutation_type="samples" if paired else "independent",
        vectorized=True,
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(0),
    )
    null = found.null_distribution
    if len(null) == RESAMPLES:  # random ones, to which the observed one belongs
        null = np.append(null, found.statistic)
    return _two_sided(null, found.statistic, np.abs([*a, *b]).max())


def _one_against(one: np.ndarray, many: np.ndarray) -> float:
    """``permutation_p`` of a single value: each of all could have been the one."""
    values = np.concatenate([one, many])
    gaps = values - (values.sum() - values) / len(many)
    return _two_sided(gaps, gaps[0], np.abs(values).max())


def _two_sided(null: np.ndarray, observed: float, size: float) -> float:
    """p-value of a statistic among those of all relabellings of values up to ``size``.

    What differs by rounding is equal. scipy's own tolerance is relative to the statistic, so that
    it has none at 0.
    """
    near = 1e-12 * size
    tails = [(null <= observed + near).mean(), (null >= observed - near).mean()]
    return min(1.0, 2 * float(min(tails)))


def superiority(a: Sequence[float], b: Sequence[float], paired: bool = False) -> float:
    """Effect size: how probably a value of a exceeds one of b, ties counted half; 0.5 is no effect.

    Over all pairs of values (Vargha and Delaney's A), or over the given pairs.
    """
    a, b = _samples(a, b, paired)
    left, right = (a, b) if paired else (a[:, None], b[None, :])
    return float(((left > right) + 0.5 * (left == right)).mean())


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment: rejecting what is below alpha makes one error among all
    comparisons with probability at most alpha, however they depend on each other.
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def _samples(a, b, paired: bool) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if not a.size or not b.size:
        raise ValueError("no values to compare")
    if paired and a.shape != b.shape:
        raise ValueError(f"{a.size} and {b.size} values are no pairs")
    if np.isnan([*a, *b]).any():
        raise ValueError("NaN cannot be compared")
    return a, b
