"""Sliced 2-Wasserstein distance against closed forms."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
import torch

from benchmark.data import load
from metrics.wasserstein import (
    DIRECTIONS,
    PERFECT,
    directions,
    sliced_wasserstein,
    wasserstein_metrics,
)

RNG = np.random.default_rng(0)


def normals(n, dim, seed=0):
    return np.random.default_rng(seed).normal(size=(n, dim))


def of_gaussians(dim=2, means=(0.0, 0.0), stds=(1.0, 1.0)):
    """Closed form between N(mean, std^2 I): a projection's distance is that of two Gaussians on
    the line, whose means differ by u . shift.
    """
    shift = np.broadcast_to(means[0], dim) - np.broadcast_to(means[1], dim)
    return math.sqrt(shift @ shift / dim + (stds[0] - stds[1]) ** 2)


@pytest.mark.parametrize("dim", [1, 2, 3, 32])
def test_directions_are_unit_vectors_whose_squares_average_to_one_over_the_dimension(dim):
    u = directions(dim)
    assert u.shape[1] == dim and (len(u) == 1 if dim == 1 else len(u) >= DIRECTIONS)
    assert np.allclose(np.linalg.norm(u, axis=1), 1)
    assert np.allclose(u.T @ u / len(u), np.eye(dim) / dim)


@pytest.mark.parametrize("dim", [1, 2, 3, 32])
def test_a_shift_counts_exactly(dim):
    x, shift = normals(500, dim), normals(1, dim, seed=1)[0]
    expected = np.linalg.norm(shift) / math.sqrt(dim)
    assert sliced_wasserstein(x, x + shift) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("dim", [1, 2, 32])
def test_a_change_of_scale_counts_exactly(dim):
    """Between x and c x, every projection moves by (c - 1) u . x, in order."""
    x = normals(500, dim)
    expected = 1.5 * math.sqrt(np.square(x).sum(1).mean() / dim)
    assert sliced_wasserstein(x, 2.5 * x) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("dim", [1, 2, 32])
def test_two_gaussians(dim):
    n = 20_000
    x, y = normals(n, dim), 3 * normals(n, dim, seed=1) + 0.5
    expected = of_gaussians(dim, (0.0, 0.5), (1.0, 3.0))
    # Means and deviations are known to 1 / sqrt(n) of 3: 2 % of a distance of 2; 2.5 times that.
    assert sliced_wasserstein(x, y) == pytest.approx(expected, rel=0.05)


def test_gaussians_of_other_shape():
    """N(0, diag(1, 9)) and N(0, I), by the integral over angles of (std(angle) - 1)^2."""
    angle = np.linspace(0, math.pi, 10_001)[:-1]
    std = np.sqrt(np.cos(angle) ** 2 + 9 * np.sin(angle) ** 2)
    expected = math.sqrt(np.mean((std - 1) ** 2))
    x = normals(20_000, 2)
    assert sliced_wasserstein(x, normals(20_000, 2, 1) * [1, 3]) == pytest.approx(
        expected, rel=0.05
    )


def test_it_is_the_least_cost_of_all_matchings():
    """On the line, of five points against all 120 permutations."""
    from itertools import permutations

    x, y = normals(5, 1), normals(5, 1, seed=1)
    least = min(np.mean((x - y[list(p)]) ** 2) for p in permutations(range(5)))
    assert sliced_wasserstein(x, y) == pytest.approx(math.sqrt(least), rel=1e-12)


@pytest.mark.parametrize("dim", [2, 32])
def test_invariances(dim):
    x, y = normals(300, dim), normals(300, dim, seed=1) ** 3
    value = sliced_wasserstein(x, y)
    assert sliced_wasserstein(y, x) == pytest.approx(value, rel=1e-12)
    assert sliced_wasserstein(RNG.permutation(x), y) == pytest.approx(value, rel=1e-12)
    assert sliced_wasserstein(x + 5, y + 5) == pytest.approx(value, rel=1e-9)
    assert sliced_wasserstein(7 * x, 7 * y) == pytest.approx(7 * value, rel=1e-12)
    assert sliced_wasserstein(x, x) == 0
    if dim == 2:  # by a multiple of the angle between directions, which are then the same ones
        angle = 10 * math.pi / DIRECTIONS
        turn = [[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]
        assert sliced_wasserstein(x @ turn, y @ turn) == pytest.approx(value, rel=1e-9)
    torched = sliced_wasserstein(torch.from_numpy(x), torch.from_numpy(y))
    assert torched == value


def draws(name, dim=3):
    data = load(name).modes

    def draw(index, n):
        return data.push(torch.randn(n, dim, generator=torch.Generator().manual_seed(index)))

    return draw


@pytest.mark.parametrize("name", ["ring", "grid"])
def test_a_perfect_sampler_is_at_the_floor_and_a_lost_mode_above(name):
    draw = draws(name)
    measure = wasserstein_metrics(draw, points=5000)
    got = measure(draw(99, 8000))
    floor = got["sliced_w2_floor"]
    assert set(got) == {"sliced_w2", "sliced_w2_floor"}
    # Ten others spread by a quarter of the floor at most: six deviations of their mean and of it.
    assert 0 < got["sliced_w2"] < 2.5 * floor
    assert measure(draw(99, 8000)) == got
    # An eighth of the mass moves by at least the distance of neighbours, 0.77, or 0.2.
    half = draw(98, 20_000)
    lost = measure(half[half[:, 0] < half[:, 0].quantile(0.75)])
    assert lost["sliced_w2"] > 4 * floor and lost["sliced_w2_floor"] == floor


def test_the_floor_is_of_the_size_measured():
    """Fewer points have a higher floor; other draws of the data make it, the first one excluded."""
    asked = []

    def draw(index, n):
        asked.append((index, n))
        return draws("ring")(index, n)

    measure = wasserstein_metrics(draw, points=4000)
    assert not asked
    few, many = measure(draws("ring")(99, 400)), measure(draws("ring")(99, 9000))
    assert few["sliced_w2_floor"] > 1.5 * many["sliced_w2_floor"]
    assert asked == [(i, n) for n in (400, 4000) for i in range(PERFECT + 1)]
    assert measure(draws("ring")(0, 4000))["sliced_w2"] == 0  # the reference itself


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_infinitely_far(value):
    x = normals(50, 2)
    bad = x.copy()
    bad[3, 1] = value
    assert sliced_wasserstein(bad, x) == sliced_wasserstein(x, bad) == math.inf
    got = wasserstein_metrics(draws("ring"))(bad)
    assert got["sliced_w2"] == math.inf and got["sliced_w2_floor"] < 1


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.zeros((5, 2)), np.zeros((4, 2))),
        (np.zeros((5, 2)), np.zeros((5, 3))),
        (np.zeros(5), np.zeros(5)),
        (np.zeros((0, 2)), np.zeros((0, 2))),
    ],
)
def test_other_shapes_are_refused(x, y):
    with pytest.raises(ValueError):
        sliced_wasserstein(x, y)


def test_samples_of_another_dimension_are_refused():
    measure = wasserstein_metrics(lambda index, n: normals(n, 50, index))
    with pytest.raises(ValueError, match="data of shape"):
        measure(np.zeros((30, 100)))  # which have 100 directions, too


@pytest.mark.slow
def test_twenty_thousand_points_take_tens_of_milliseconds():
    draw = draws("ring")
    measure, x = wasserstein_metrics(draw), draw(99, 500_000)
    measure(x)
    start = time.process_time()
    for _ in range(5):
        measure(x)
    assert (time.process_time() - start) / 5 < 0.15  # 0.035 s on one core; several times that
