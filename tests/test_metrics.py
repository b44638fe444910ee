"""Mixture metrics against closed forms."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
import torch

from benchmark.data import load
from metrics import METRICS, mixture_metrics
from metrics.intervals import median_range, over_seeds, t_interval


def at_modes(counts, centers):
    return torch.cat([c.expand(n, 2) for n, c in zip(counts, centers, strict=True)])


def perfect(data, n, seed=0):
    return data.push(torch.randn(n, 3, generator=torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize("name", ["ring", "grid"])
def test_perfect_sampler(name):
    data = load(name).modes
    x = perfect(data, 200_000)
    got = mixture_metrics(x, data.centers, data.std)
    assert got["modes_covered"] == got["modes_in_kl"] == len(data.centers)
    # 5 standard errors of a proportion at N = 200,000.
    assert abs(got["high_quality_pct"] - 100 * (1 - math.exp(-4.5))) < 0.12
    # A fitted Gaussian's KL is about 5 / (2 n): 5 parameters, n samples a mode.
    assert 0 < got["intra_mode_kl"] < 3 * 2.5 * len(data.centers) / len(x)
    assert got["nonfinite"] == 0


def test_one_mode_lost(ring):
    x = perfect(ring, 100_000)
    near = torch.cdist(x, ring.centers).argmin(1)
    got = mixture_metrics(x[near != 3], ring.centers, ring.std)
    assert (got["modes_covered"], got["modes_in_kl"]) == (7, 7)
    assert got["intra_mode_kl"] < 1e-3


def test_all_mass_in_one_point(ring):
    got = mixture_metrics(ring.centers[:1].expand(1000, 2), ring.centers, ring.std)
    assert (got["modes_covered"], got["modes_in_kl"]) == (1, 1)
    assert got["high_quality_pct"] == 100
    assert got["intra_mode_kl"] == got["intra_mode_kl_reverse"] == math.inf


def test_coverage_needs_more_than_a_fifth(ring):
    """N = 8000: the threshold is 200 samples, and exactly 200 are not enough."""
    counts = [200, 201, 199, 0, 2000, 2000, 2000, 1400]
    got = mixture_metrics(at_modes(counts, ring.centers), ring.centers, ring.std)
    assert got["modes_covered"] == 5


def test_three_standard_deviations_count_and_no_more():
    centers = torch.zeros(1, 2, dtype=torch.float64)
    x = torch.tensor([[0.75, 0.0], [0.0, -0.75], [0.7501, 0.0]], dtype=torch.float64)
    assert mixture_metrics(x, centers, 0.25)["high_quality_pct"] == pytest.approx(200 / 3)


def test_kl_of_a_known_gaussian():
    """Samples whose mean and covariance are exactly m and S: both directions by formula."""
    generator = torch.Generator().manual_seed(0)
    raw = torch.randn(500, 2, generator=generator, dtype=torch.float64)
    raw -= raw.mean(0)
    white = raw @ torch.linalg.inv(torch.linalg.cholesky(raw.T @ raw / 500)).T
    mean = torch.tensor([0.03, -0.02], dtype=torch.float64)
    root = torch.tensor([[0.2, 0.0], [0.05, 0.1]], dtype=torch.float64)
    x, std = white @ root.T + mean, 0.1
    true, fit = torch.eye(2, dtype=torch.float64) * std**2, root @ root.T
    normal = torch.distributions.MultivariateNormal
    p, q = normal(torch.zeros_like(mean), true), normal(mean, fit)
    got = mixture_metrics(x, [[0.0, 0.0]], std)
    kl = torch.distributions.kl_divergence
    assert got["intra_mode_kl"] == pytest.approx(kl(p, q).item(), rel=1e-9)
    assert got["intra_mode_kl_reverse"] == pytest.approx(kl(q, p).item(), rel=1e-9)


def test_nonfinite_samples_count_against_quality(ring):
    x = ring.centers.repeat(10, 1)
    x[0, 0], x[1, 1] = math.nan, math.inf
    got = mixture_metrics(x, ring.centers, ring.std)
    assert got["nonfinite"] == 2
    assert got["high_quality_pct"] == pytest.approx(100 * 78 / 80)
    assert math.isnan(got["intra_mode_kl"])  # ten samples a mode are too few
    empty = mixture_metrics(torch.full((5, 2), math.nan), ring.centers, ring.std)
    assert (empty["modes_covered"], empty["high_quality_pct"], empty["modes_in_kl"]) == (0, 0, 0)
    assert math.isnan(empty["intra_mode_kl"])


@pytest.mark.parametrize("strays", [3, 19, 49])
def test_strays_beside_one_perfect_mode_of_a_hundred_are_no_mode(strays):
    """N = 5,000 and C = 100: 1 % of N / C is below the 20 samples that a mode needs at least."""
    grid = load("grid").modes
    generator = torch.Generator().manual_seed(0)
    spread = torch.randn(5000, 2, generator=generator)
    spread[-strays:] *= 1e-3  # nearly a point: enough to be 1e5 nats off
    x = grid.centers[[44] * (5000 - strays) + [77] * strays] + grid.std * spread
    got = mixture_metrics(x, grid.centers, grid.std)
    assert got["modes"] == 100
    if strays < 20:
        assert got["modes_in_kl"] == 1
        assert 0 < got["intra_mode_kl"] < 5e-3  # 5 / 2n = 5e-4, and ten times that
    else:
        assert got["modes_in_kl"] == 2 and got["intra_mode_kl"] > 1e4


@pytest.mark.parametrize(("strays", "modes"), [(124, 1), (125, 2)])
def test_a_mode_enters_the_kl_with_a_hundredth_of_its_share(ring, strays, modes):
    """N = 100,000 and C = 8: 1 % of 12,500."""
    spread = torch.randn(100_000, 2, generator=torch.Generator().manual_seed(0))
    x = ring.centers[[0] * (100_000 - strays) + [4] * strays] + ring.std * spread
    got = mixture_metrics(x, ring.centers, ring.std)
    assert (got["modes_in_kl"], got["modes_covered"]) == (modes, 1)


def test_two_modes_merged():
    """A Gaussian of the data's width midway between two centers, cut in half between them.

    Each half has mean s sqrt(2/pi) and variance s^2 (1 - 2/pi) towards its center; it is off by
    (a - s sqrt(2/pi)) from a center that is a away.
    """
    a, std = 0.3, 0.1
    n, centers = 200_000, torch.tensor([[-a, 0.0], [a, 0.0]])
    x = std * torch.randn(n, 2, generator=torch.Generator().manual_seed(0))
    r, d = 1 - 2 / math.pi, a / std - math.sqrt(2 / math.pi)
    got = mixture_metrics(x, centers, std)
    assert (got["modes_covered"], got["modes_in_kl"]) == (2, 2)
    # 100,000 samples a half: r and d are known to a third of a per cent, and the KL to 1 %.
    assert got["intra_mode_kl"] == pytest.approx(
        (1 / r + d * d / r - 1 + math.log(r)) / 2, rel=0.02
    )
    assert got["intra_mode_kl_reverse"] == pytest.approx(
        (r + d * d - 1 - math.log(r)) / 2, rel=0.02
    )


@pytest.mark.parametrize(
    "samples, std", [(np.zeros((5, 3)), 0.1), (np.zeros((0, 2)), 0.1), (np.zeros((5, 2)), 0.0)]
)
def test_bad_arguments_are_refused(ring, samples, std):
    with pytest.raises(ValueError, match="must"):
        mixture_metrics(samples, ring.centers, std)


def test_accepts_numpy(ring):
    assert mixture_metrics(np.zeros((10, 2)), ring.centers.numpy(), 0.1)["modes_covered"] == 0


@pytest.mark.slow
def test_half_a_million_samples_within_a_second():
    data = load("grid").modes
    x = data.push(torch.randn(500_000, 3))
    mixture_metrics(x, data.centers, data.std)
    start = time.perf_counter()
    mixture_metrics(x, data.centers, data.std)
    assert time.perf_counter() - start < 5.0  # a tenth on an idle core


def test_t_interval():
    # Student's t at 4 degrees of freedom: 2.7764; std of 1..5 is sqrt(2.5).
    mean, low, high = t_interval([1, 2, 3, 4, 5])
    half = 2.776445 * math.sqrt(2.5 / 5)
    assert (mean, low, high) == pytest.approx((3, 3 - half, 3 + half), rel=1e-6)
    assert t_interval([2.0, 2.0]) == (2.0, 2.0, 2.0)
    mean, low, high = t_interval([7.0])
    assert mean == 7 and math.isnan(low) and math.isnan(high)
    mean, low, high = t_interval([1.0, math.inf])
    assert mean == math.inf and math.isnan(low)
    with pytest.raises(ValueError):
        t_interval([])


SEEDS = [1000, 1000, 1000, 1000, 900]  # mean 980, t interval 924.5 to 1,035.5


def test_an_interval_stays_within_its_support():
    mean, low, high = t_interval(SEEDS)
    assert high > 1000
    assert t_interval(SEEDS, support=(0, 1000)) == (mean, low, 1000)
    assert t_interval([0, 0, 3], support=(0, 1000)) == (1, 0, t_interval([0, 0, 3])[2])
    assert t_interval([1000] * 5, support=(0, 1000)) == (1000, 1000, 1000)
    rounded = math.log(2) + 1e-11  # as a table of ten digits has it
    assert t_interval([rounded] * 3, support=(0, math.log(2))) == (rounded,) * 3


def test_cutting_at_the_support_costs_no_coverage():
    """Whatever the values: 2,000 samples of 5 from a law on [0, 1] with half of its mass at 1."""
    rng = np.random.default_rng(0)
    values = np.minimum(1, 0.5 + rng.random((2000, 5)))
    truth = 0.5 + 3 / 8  # half at 1, half uniform on [0.5, 1]
    for row in values:
        _, low, high = t_interval(row)
        _, least, most = t_interval(row, support=(0, 1))
        assert (low <= truth <= high) == (least <= truth <= most)


def test_a_median_with_its_range():
    assert median_range([3.0, 1.0, 1e9]) == (3, 1, 1e9)
    assert median_range([1.0, 2.0, math.inf]) == (2, 1, math.inf)
    assert median_range([1.0, math.inf]) == (math.inf, 1, math.inf)
    middle, low, high = median_range([7.0])
    assert middle == 7 and math.isnan(low) and math.isnan(high)
    assert all(map(math.isnan, median_range([1.0, math.nan])))
    with pytest.raises(ValueError):
        median_range([])


def test_seeds_are_summarised_as_the_metric_says():
    assert over_seeds([3.0, 1.0, 1e9], METRICS["intra_mode_kl"]) == (3, 1, 1e9)
    assert over_seeds(SEEDS, METRICS["smnist_modes"])[2] == 1000
    assert over_seeds([7, 8, 8], METRICS["modes_covered"])[2] > 8
    assert over_seeds([7, 8, 8], METRICS["modes_covered"], greatest=8)[2] == 8


@pytest.mark.parametrize("name", METRICS)
def test_declarations(name):
    metric = METRICS[name]
    low, high = metric.support
    assert low < high
    assert math.isnan(metric.miss) or low <= metric.miss <= high
    if not math.isnan(metric.miss) and not metric.constant:  # a broken run is never above the worst
        worst = low if metric.higher_is_better else high
        assert metric.miss == worst
    for other in (metric.of, metric.over):
        assert other is None or other in METRICS
    assert metric.summary in ("mean", "median")


def test_every_metric_of_a_mixture_is_declared(ring):
    got = mixture_metrics(perfect(ring, 1000), ring.centers, ring.std)
    assert set(got) - {"nonfinite"} <= set(METRICS)
    for name, value in got.items():
        if name != "nonfinite":
            low, high = METRICS[name].support
            assert low <= value <= high
