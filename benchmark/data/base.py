"""What a training run knows of its data: push-forwards of standard normals, and their measures.

One map serves training batches, the oracle and any seed or device: all randomness comes from
``benchmark.data.noise``. Fresh samples every step, as in the authors' 2D code; images are drawn
with replacement.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

KEPT_IMAGES = 100  # images stored for sample sheets


class Mixture(NamedTuple):
    """Equal-weight isotropic Gaussians: centers (C, D) and their common std, in data units."""

    centers: Tensor
    std: float

    def push(self, z: Tensor) -> Tensor:
        """Normals (N, >= 1 + D) -> points (N, D): one picks the mode, the others spread it."""
        modes = len(self.centers)
        index = (torch.special.ndtr(z[..., 0]) * modes).long().clamp(max=modes - 1)
        return self.centers[index] + self.std * z[..., 1 : 1 + self.centers.shape[1]]


class Dataset(NamedTuple):
    """x_shape: of one point. push: standard normals (N, >= push_dim) -> points (N, *x_shape).
    evaluate: samples (N, *x_shape) -> metrics. keep: samples -> arrays stored with the run.
    chunk: how many points to generate at once for a measurement; where networks normalise by batch
        it is part of the result. modes: what a mixture consists of.
    """

    x_shape: tuple[int, ...]
    push: Callable[[Tensor], Tensor]
    push_dim: int
    evaluate: Callable[[Tensor], dict[str, float]]
    keep: Callable[[Tensor], dict[str, np.ndarray]]
    chunk: int
    modes: Mixture | None = None


def scaled(dataset: Dataset, factor: float) -> Dataset:
    """2D data whose coordinates a method sees times ``factor``; measured without it. Raises
    ValueError for other data.
    """
    if factor == 1:
        return dataset
    if dataset.x_shape != (2,):
        raise ValueError(f"coordinate_scale is for 2D data, not points of {dataset.x_shape}")
    return dataset._replace(
        push=lambda z: factor * dataset.push(z),
        evaluate=lambda x: dataset.evaluate(x / factor),
        keep=lambda x: dataset.keep(x / factor),
    )


def pixels(x: Tensor) -> np.ndarray:
    """Images (N, C, H, W) in [0, 1] as bytes (N, H, W, C)."""
    return (x.nan_to_num(0).clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
