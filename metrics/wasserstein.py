"""Sliced 2-Wasserstein distance: how far samples lie from the data, without modes or thresholds.

The root mean square, over directions, of the exact 2-Wasserstein distance between the projections
of two samples of equal size, which sorting gives (Rabin et al. 2011, Bonneel et al. 2015). In data
units: a shift by d counts |d| / sqrt(D), and sqrt(D) times the distance bounds the unsliced one
from below. Directions are fixed: evenly spaced in the plane, orthonormal frames beyond it, so that
shifts and isotropic Gaussians count exactly. No constant of its own tells good from bad; what
another sample of the data scores does (``sliced_w2_floor``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np

POINTS = 20_000  # of either sample; four times as many take four times as long
DIRECTIONS = 100
PERFECT = 10  # samples of the data behind the floor: one alone is off by a quarter on the ring


def sliced_wasserstein(x, y, count: int = DIRECTIONS) -> float:
    """Sliced 2-Wasserstein distance of two samples of equal size, in data units.

    x, y: (N, D) arrays or tensors. count: directions, rounded up to whole frames beyond the plane.
    Infinite where a coordinate of either is not finite. Raises ValueError on other shapes.
    """
    x, y = _points(x), _points(y)
    if x.shape != y.shape:
        raise ValueError(f"samples must agree in shape, got {x.shape} and {y.shape}")
    if not np.isfinite(y).all():
        return math.inf
    return _distance(x, _sorted(y, count), count)


def wasserstein_metrics(
    data: Callable[[int, int], object], points: int = POINTS
) -> Callable[[object], dict[str, float]]:
    """A measure of samples (N, D) against fixed samples of the data, which it draws when it needs
    them and keeps.

    data: (index, n) -> n points of the data (n, D), independent for every index and always the
        same. points: the first so many of the samples are measured.

    The measure returns
      sliced_w2: distance to the data's sample 0 of the same size, data units; infinite where one
        of the points measured is not finite.
      sliced_w2_floor: the same of a perfect sampler, mean over the data's samples 1 to PERFECT. It
        depends on the size alone.
    It raises ValueError on samples of another dimension.
    """

    @cache
    def known(n: int, dim: int) -> tuple[np.ndarray, float]:
        first, *others = (_points(data(i, n)) for i in range(PERFECT + 1))
        if first.shape != (n, dim):
            raise ValueError(f"samples of shape {(n, dim)} and data of shape {first.shape}")
        reference = _sorted(first)
        return reference, float(np.mean([_distance(other, reference) for other in others]))

    def measure(samples) -> dict[str, float]:
        samples = _points(samples[:points])
        reference, floor = known(*samples.shape)
        return {"sliced_w2": _distance(samples, reference), "sliced_w2_floor": floor}

    return measure


@cache
def directions(dim: int, count: int = DIRECTIONS) -> np.ndarray:
    """Unit vectors (at least count, D): one on the line, evenly spaced over the half circle in the
    plane, beyond it the axes of rotations from a fixed seed.
    """
    if dim == 1:
        return np.ones((1, 1))
    if dim == 2:
        angle = np.arange(count) * (math.pi / count)
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    normals = np.random.default_rng(0).standard_normal((-(-count // dim), dim, dim))
    return np.linalg.qr(normals).Q.reshape(-1, dim)


def _points(samples) -> np.ndarray:
    """Samples as (N, D), float64."""
    points = np.asarray(samples, dtype=float)
    if points.ndim != 2 or not points.size:
        raise ValueError(f"samples must have shape (N, D) with N, D > 0, got {points.shape}")
    return points


def _sorted(points: np.ndarray, count: int = DIRECTIONS) -> np.ndarray:
    """Projections on all directions, each in order: (directions, N)."""
    return np.sort(directions(points.shape[1], count) @ points.T, axis=1)


def _distance(points: np.ndarray, reference: np.ndarray, count: int = DIRECTIONS) -> float:
    """Of points (N, D) to what ``_sorted`` gives of others."""
    if not np.isfinite(points).all():
        return math.inf
    return math.sqrt(np.mean((_sorted(points, count) - reference) ** 2))
