"""Mixtures of Gaussians in the plane: ring and grid (paper section 5.1)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from benchmark.data.base import Dataset, Mixture
from benchmark.data.plane import BINS, CHUNK, histogram, without_modes
from metrics.mixture import mixture_metrics

MARGIN = 5.0  # std beyond the outermost centre that are drawn


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
    """Equal-weight isotropic Gaussians; centers (C, D), D >= 2. In the plane with the metrics of
    paper section 5.1, beyond it with those that know of no modes.
    """
    modes, dim = Mixture(centers, std), centers.shape[1]
    plain = without_modes(modes.push, 1 + dim)

    def evaluate(x: Tensor) -> dict[str, float]:
        return mixture_metrics(x, modes.centers, modes.std) | plain(x)

    extent = float(centers.abs().max()) + MARGIN * std
    keep = histogram(extent, max(std / 5, 2.6 * extent / BINS))  # 1.3 bins: half a std of the grid
    measure = evaluate if dim == 2 else plain
    push = modes._replace(centers=centers.to(device)).push
    return Dataset((dim,), push, 1 + dim, measure, keep, CHUNK, modes=modes)
