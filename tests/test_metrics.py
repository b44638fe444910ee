"""Mixture metrics against closed forms."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
import torch

from benchmark.data import load
from metrics import mixture_metrics
from metrics.intervals import t_interval


def at_modes(counts, centers):
    return torch.cat([c.expand(n, 2) for n, c in zip(counts, centers, strict=True)])


@pytest.mark.parametrize("name", ["ring", "grid"])
def test_perfect_sampler(name):
    data = load(name).modes
    x = data.push(torch.randn(200_000, 3, generator=torch.Generator().manual_seed(0)))
    got = mixture_metrics(x, data.centers, data.std)
    assert got["modes_covered"] == got["modes_in_kl"] == len(data.centers)
    # 5 standard errors of a proportion at N = 200,000.
    assert abs(got["high_quality_pct"] - 100 * (1 - math.exp(-4.5))) < 0.12
    # A fitted Gaussian's KL is about 5 / (2 n): 5 parameters, n samples a mode.
    assert 0 < got["intra_mode_kl"] < 3 * 2.5 * len(data.centers) / len(x)
    assert got["nonfinite"] == 0


def test_one_mode_lost(ring):
    x = ring.push(torch.randn(100_000, 3, generator=torch.Generator().manual_seed(0)))
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
    empty = mixture_metrics(torch.full((5, 2), math.nan), ring.centers, ring.std)
    assert (empty["modes_covered"], empty["high_quality_pct"], empty["modes_in_kl"]) == (0, 0, 0)
    assert math.isnan(empty["intra_mode_kl"])


def test_modes_with_two_samples_are_left_out(ring):
    x = torch.cat([ring.centers[:1] + 0.1 * torch.randn(50, 2), ring.centers[1:2].expand(2, 2)])
    assert mixture_metrics(x, ring.centers, ring.std)["modes_in_kl"] == 1


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
    assert time.perf_counter() - start < 1.0


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
