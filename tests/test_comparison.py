"""Statistics over few seeds: against known values, and their coverage and level by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import stdtrit
from scipy.stats import mannwhitneyu, ttest_ind

from metrics.comparison import (
    cautious,
    difference,
    holm,
    permutation_p,
    shift,
    superiority,
    t_difference,
)
from metrics.intervals import t_interval

INF = math.inf


@pytest.mark.parametrize(
    ("n", "paired", "least"),
    [(2, False, 1 / 3), (3, False, 0.1), (5, False, 2 / 252), (3, True, 0.25), (5, True, 2 / 32)],
)
def test_least_p_of_separate_samples(n, paired, least):
    a, b = np.arange(n) + 10.0, np.arange(n)
    assert permutation_p(a, b, paired) == pytest.approx(least)
    assert permutation_p(b, a, paired) == pytest.approx(least)


def test_p_counts_relabellings():
    # Of 20 divisions of 1..6, the sums 6, 7, 8, 8 are as low as 1 + 3 + 4 = 8: 4 in 20, doubled.
    assert permutation_p([1, 3, 4], [2, 5, 6]) == pytest.approx(0.4)
    # Of 8 swaps, the sums of differences 6 and 4 reach 1 + 2 + 3 - 2: 2 in 8, doubled.
    assert permutation_p([-1, 2, 3], [0, 0, 0], paired=True) == pytest.approx(0.5)


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("scale", [1e-9, 1, 1e9])
def test_a_difference_of_zero_has_p_1_however_sums_round(paired, scale):
    rng = np.random.default_rng(0)
    for _ in range(20):
        a = scale * rng.integers(1, 100, 4) / 10
        assert permutation_p(a, rng.permutation(a), paired) == 1


@pytest.mark.parametrize("paired", [False, True])
def test_nothing_is_nan_when_all_seeds_agree(paired):
    same, other = [8.0] * 3, [7.0] * 3
    assert permutation_p(same, same, paired) == 1
    assert superiority(same, same, paired) == 0.5
    assert t_difference(same, same, paired) == (0, 0, 0)
    assert t_difference(same, other, paired) == (1, 1, 1)
    assert superiority(same, other, paired) == 1


@pytest.mark.parametrize("paired", [False, True])
def test_a_diverged_run_counts_as_the_worst(paired):
    assert superiority([INF, INF, INF], [1, 2, 3], paired) == 1
    assert permutation_p([INF, INF, INF], [1, 2, 3], paired) == permutation_p(
        [9, 9, 9], [1, 2, 3], paired
    )
    assert permutation_p([INF, INF], [INF, INF], paired) == 1
    assert t_difference([INF, INF, INF], [1, 2, 3], paired) == (INF, INF, INF)
    assert t_difference([1, 2, 3], [INF, INF, INF], paired) == (-INF, -INF, -INF)
    assert all(math.isnan(v) for v in t_difference([INF, INF], [INF, INF], paired))
    difference, low, high = t_difference([INF, 1, 2], [1, 2, 3], paired)
    assert difference == INF and math.isnan(low) and math.isnan(high)


def test_one_value_has_no_interval_and_no_evidence():
    assert permutation_p([1], [2]) == 1
    assert all(math.isnan(bound) for bound in t_difference([1], [2, 3])[1:])


def test_one_value_against_many():
    assert permutation_p([9.0], [1.0, 2.0, 3.0]) == 0.5  # the most extreme of four, either way
    assert permutation_p([1.0, 2.0, 3.0], [9.0]) == 0.5
    assert permutation_p([2.0], [1.0, 2.0, 3.0]) == 1.0
    assert permutation_p([5.0], [5.0, 5.0]) == 1.0
    assert permutation_p([math.inf], [1.0, 2.0, 3.0]) == 0.5


def test_superiority_counts_pairs():
    assert superiority([1, 3], [2, 3]) == (0 + 0 + 1 + 0.5) / 4
    assert superiority([1, 3], [2, 3], paired=True) == (0 + 0.5) / 2


def test_holm():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []


@pytest.mark.parametrize(
    ("a", "b", "paired"), [([], [1], False), ([1, 2], [1], True), ([math.nan], [1], False)]
)
def test_what_cannot_be_compared_is_refused(a, b, paired):
    for function in (permutation_p, superiority, t_difference):
        with pytest.raises(ValueError):
            function(a, b, paired)


def test_a_paired_interval_is_that_of_the_differences():
    a, b = [1.0, 4.0, 6.0], [0.0, 2.0, 3.0]
    assert t_difference(a, b, paired=True) == t_interval([1, 2, 3])
    mean, low, high = t_interval([1, 2, 3])
    assert mean == 2 and high - mean == pytest.approx(stdtrit(2, 0.975) / math.sqrt(3))


@pytest.mark.filterwarnings("error")
def test_welch_is_that_of_scipy_and_quiet_where_one_sample_does_not_vary():
    a, b = [1.0, 4.0, 6.0, 6.5], [0.0, 0.5, 0.25]
    for level in (0.95, 0.99):
        expected = ttest_ind(a, b, equal_var=False).confidence_interval(level)
        assert t_difference(a, b, level=level)[1:] == pytest.approx(tuple(expected))
    difference, low, high = t_difference(a, [2.0] * 3)  # the degrees of freedom of a alone
    mean, *bounds = t_interval(a)
    assert (difference, low, high) == pytest.approx((mean - 2, bounds[0] - 2, bounds[1] - 2))


def test_a_shift_is_the_median_of_all_differences_between_two_of_them():
    a, b = [10.0, 20, 30, 40, 50], [1.0, 2, 3, 4, 5]
    assert shift(a, b) == (27, 7, 47)  # the third lowest, 10 - 3, and the third highest, 50 - 3
    assert shift(a, b, level=1 - 2 / 252) == (27, 5, 49)  # the lowest and the highest of 25
    assert shift(a, b, level=0.995) == (27, -INF, INF)  # no such level with 252 orders
    assert shift(a[:3], b[:3])[1:] == (-INF, INF)
    assert shift([8.0] * 5, [8.0] * 5) == (0, 0, 0)


@pytest.mark.parametrize(("n", "m"), [(5, 5), (5, 7), (6, 6)])
def test_the_interval_of_a_shift_is_what_the_rank_test_does_not_reject(n, m):
    rng = np.random.default_rng(n + m)
    a, b = rng.normal(size=n), rng.normal(size=m)
    _, low, high = shift(a, b)
    for moved, kept in ((low - 1e-9, False), (low + 1e-9, True), (high + 1e-9, False)):
        p = mannwhitneyu(a - moved, b, method="exact").pvalue
        assert (p > 0.05) == kept


COLLAPSES, HOLDS = [1.0, 1.5, 6, 16, 53], [0.02, 0.03, 0.04, 0.05, 0.06]


def test_five_seeds_of_separate_methods_are_ordered_by_rank():
    found = difference(COLLAPSES, HOLDS)
    assert found == shift(COLLAPSES, HOLDS) and found[1] > 0 > t_difference(COLLAPSES, HOLDS)[1]
    low, high = cautious(COLLAPSES, HOLDS)
    assert low == t_difference(COLLAPSES, HOLDS)[1] and high >= found[2]
    assert cautious(COLLAPSES, HOLDS, level=0.995) == (-INF, INF)


@pytest.mark.parametrize(
    ("a", "b", "how"),
    [
        (COLLAPSES[:4], HOLDS, {}),
        (COLLAPSES, HOLDS, {"paired": True}),
        (COLLAPSES, HOLDS, {"level": 0.995}),  # does not exist
        (COLLAPSES, [*HOLDS, *HOLDS], {}),  # twice as many
        ([8.0] * 10, [8.0] * 9 + [0.0], {}),  # most differences are 0, not all
        ([INF] * 5, HOLDS, {}),
    ],
)
def test_others_by_their_means(a, b, how):
    assert difference(a, b, **how) == t_difference(a, b, **how)


# 1,000 experiments: the standard error of a rate of 95 % is 0.7 %, and 3 of them are allowed.
EXPERIMENTS, SLACK = 1000, 0.021


@pytest.mark.parametrize("n", [3, 5])
def test_intervals_cover_as_often_as_they_say(n):
    rng = np.random.default_rng(n)
    covered = np.zeros(3)
    for _ in range(EXPERIMENTS):
        a, b = rng.normal(1, 2, n), rng.normal(0, 1, n)
        for i, (truth, (_, low, high)) in enumerate(
            [(1, t_interval(a)), (1, t_difference(a, b)), (1, t_difference(a, b, paired=True))]
        ):
            covered[i] += low <= truth <= high
    mean, welch, paired = covered / EXPERIMENTS
    assert abs(mean - 0.95) < SLACK
    assert abs(paired - 0.95) < SLACK
    assert welch > 0.95 - SLACK  # Welch's degrees of freedom err on either side at so few values


@pytest.mark.parametrize("draw", ["normal", "standard_cauchy", "lognormal"])
def test_the_interval_of_a_shift_covers_whatever_the_distribution(draw):
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(EXPERIMENTS):
        a, b = getattr(rng, draw)(size=(2, 5))
        _, low, high = shift(1 + a, b)
        covered += low <= 1 <= high
    # 4 of 252 orders lie outside at either end.
    assert covered / EXPERIMENTS == pytest.approx(1 - 8 / 252, abs=SLACK)


def test_the_interval_of_a_shift_where_one_sample_spreads_a_hundredfold():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(EXPERIMENTS):
        _, low, high = shift(rng.normal(0, 100, 5), rng.normal(0, 1, 5))
        covered += low <= 0 <= high
    # The interval is that of the wide sample's lowest to highest: all 5 on one side, either side.
    assert covered / EXPERIMENTS == pytest.approx(1 - 2 * 0.5**5, abs=SLACK)


@pytest.mark.parametrize(("n", "paired"), [(4, False), (6, True)])
def test_the_exact_test_keeps_its_level(n, paired):
    """Under exchangeable values, whatever their distribution: P(p <= alpha) <= alpha."""
    rng = np.random.default_rng(n)
    p = [permutation_p(*rng.lognormal(0, 1, (2, n)), paired) for _ in range(400)]
    for alpha in (0.05, 0.1, 0.2):
        slack = 3 * math.sqrt(alpha * (1 - alpha) / len(p))
        assert np.mean(np.array(p) <= alpha + 1e-12) <= alpha + slack
