"""Mixtures of Gaussians in the plane: ring and grid (paper section 5.1)."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from benchmark.data.base import Dataset, Mixture
from methods.base import seeded
from metrics.mixture import mixture_metrics
from metrics.wasserstein import wasserstein_metrics

DENSITY_BINS = 600  # per axis, over DENSITY_EXTENT: half a grid std per bin
DENSITY_EXTENT = 1.5  # data units; holds ring and grid with their tails
KEPT_POINTS = 5_000  # points stored for scatter plots


def ring(device: str = "cpu") -> Dataset:
    """Eight Gaussians of std 0.1 on a circle of radius 1. The paper's "deviation diag(0.1, 0.1)" is
    the std, as in the authors' code.
    """
    angle = torch.arange(8, dtype=torch.float64) * (2 * math.pi / 8)  # endpoint excluded
    return mixture(torch.stack([angle.cos(), angle.sin()], dim=1).float(), 0.1, device)


def grid(device: str = "cpu") -> Dataset:
    """A 10 by 10 grid of Gaussians of std 0.01, spacing 0.2, centred."""
    axis = (torch.arange(10, dtype=torch.float64) - 4.5) * 0.2
    return mixture(torch.cartesian_prod(axis, axis).float(), 0.01, device)


def mixture(centers: Tensor, std: float, device: str = "cpu") -> Dataset:
    """Equal-weight isotropic Gaussians with the metrics of paper section 5.1; centers (C, 2)."""
    modes = Mixture(centers, std)
    distance = wasserstein_metrics(lambda i, n: modes.push(reference(i, n, 3)))

    def evaluate(x: Tensor) -> dict[str, float]:
        return mixture_metrics(x, modes.centers, modes.std) | distance(x)

    def keep(x: Tensor) -> dict[str, np.ndarray]:
        return {"counts": density(x), "samples": x[:KEPT_POINTS].numpy()}

    push = modes._replace(centers=modes.centers.to(device)).push
    return Dataset((2,), push, 3, evaluate, keep, chunk=50_000, modes=modes)


def reference(index: int, n: int, dim: int) -> Tensor:
    """Normals (n, dim) of a sample of the data that samples are measured against: no run's own."""
    return torch.randn((n, dim), generator=seeded(0, "", "reference", index))


def density(samples: Tensor) -> np.ndarray:
    """Counts (DENSITY_BINS, DENSITY_BINS) over the square of half-width DENSITY_EXTENT; points
    outside are dropped. First axis x, second y.
    """
    edges = np.linspace(-DENSITY_EXTENT, DENSITY_EXTENT, DENSITY_BINS + 1)
    finite = samples[samples.isfinite().all(dim=1)].double().numpy()
    return np.histogram2d(finite[:, 0], finite[:, 1], bins=(edges, edges))[0].astype(np.uint32)
