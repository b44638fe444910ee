"""Data distributions as push-forwards of standard normals.

One map serves training batches, the oracle and any seed or device: all randomness comes from
``benchmark.noise``. Fresh samples every step, as in the authors' 2D code.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from metrics import mixture_metrics


class Dataset(NamedTuple):
    """x_shape: of one point. push: standard normals (N, >= push_dim) -> points (N, *x_shape).
    centers (C, 2) and std: the true modes, in data units.
    evaluate: samples (N, *x_shape) -> metrics.
    """

    x_shape: tuple[int, ...]
    push: Callable[[Tensor], Tensor]
    push_dim: int
    centers: Tensor
    std: float
    evaluate: Callable[[Tensor], dict[str, float]]


def mixture(centers: Tensor, std: float) -> Dataset:
    """Equal-weight mixture of isotropic Gaussians: one normal picks the mode, two spread it."""

    def push(z: Tensor) -> Tensor:
        index = (torch.special.ndtr(z[..., 0]) * len(centers)).long().clamp(max=len(centers) - 1)
        return centers.to(z.device)[index] + std * z[..., 1:3]

    return Dataset((2,), push, 3, centers, std, lambda x: mixture_metrics(x, centers, std))


def ring() -> Dataset:
    """Eight Gaussians of std 0.1 on a circle of radius 1 (paper section 5.1; std, trap T1)."""
    angle = torch.arange(8, dtype=torch.float64) * (2 * math.pi / 8)  # endpoint excluded, trap T11
    return mixture(torch.stack([angle.cos(), angle.sin()], dim=1).float(), 0.1)


def grid() -> Dataset:
    """A 10 by 10 grid of Gaussians of std 0.01, spacing 0.2, centred (paper section 5.1)."""
    axis = (torch.arange(10, dtype=torch.float64) - 4.5) * 0.2
    return mixture(torch.cartesian_prod(axis, axis).float(), 0.01)


DATASETS = {"ring": ring, "grid": grid}
