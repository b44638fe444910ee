"""Points of two coordinates or more: how any distribution of them is measured and drawn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from benchmark.data.base import Dataset
from methods.base import seeded
from metrics.wasserstein import wasserstein_metrics

BINS = 600  # of a histogram, per axis
LOOK = 10_000  # points that decide how far a histogram reaches
KEPT_POINTS = 5_000  # points stored for scatter plots
CHUNK = 50_000


def plane(
    push: Callable[[Tensor], Tensor],
    push_dim: int,
    device: str = "cpu",
    extent: float | None = None,
    bandwidth: float | None = None,
) -> Dataset:
    """Any distribution of points as a dataset, with the metrics that make sense without modes.

    push: standard normals (N, push_dim) -> points (N, D), D >= 2; all randomness comes from them.
    device: of the tensors that push holds. extent, bandwidth: as of ``histogram``; by default a
    tenth more than the points of a look take, and a 75th of that. Raises ValueError on points of
    another shape.
    """
    points = push(torch.randn(LOOK, push_dim, generator=seeded("plane", "look")).to(device))
    if points.ndim != 2 or len(points) != LOOK or points.shape[1] < 2:
        raise ValueError(f"push makes {tuple(points.shape)} of {LOOK} normals, not (N, D), D >= 2")
    extent = extent or 1.1 * float(points.abs().max())

    def shaped(z: Tensor) -> Tensor:
        normals = z[..., :push_dim].flatten(0, -2)
        return push(normals).unflatten(0, z.shape[:-1])

    keep = histogram(extent, bandwidth or extent / 75)
    measure = without_modes(lambda z: push(z.to(device)).cpu(), push_dim)
    return Dataset(tuple(points.shape[1:]), shaped, push_dim, measure, keep, CHUNK)


def without_modes(
    push: Callable[[Tensor], Tensor], push_dim: int
) -> Callable[[Tensor], dict[str, float]]:
    """A measure of samples (N, D) that knows the data by their push alone, on the CPU: sliced
    2-Wasserstein distance, and how many samples are not finite.
    """
    distance = wasserstein_metrics(lambda i, n: push(reference(i, n, push_dim)))

    def evaluate(x: Tensor) -> dict[str, float]:
        return {"nonfinite": int((~x.isfinite()).any(dim=1).sum())} | distance(x)

    return evaluate


def reference(index: int, n: int, dim: int) -> Tensor:
    """Normals (n, dim) of a sample of the data that samples are measured against: no run's own."""
    return torch.randn((n, dim), generator=seeded(0, "", "reference", index))


def histogram(extent: float, bandwidth: float) -> Callable[[Tensor], dict[str, np.ndarray]]:
    """What is kept of samples (N, D): counts over their first two coordinates, and a few of them.

    extent: half-width of the square that is counted and drawn, data units. bandwidth: of the
    smoothing when drawn, well below the width of what is to be seen, data units.
    """

    def keep(x: Tensor) -> dict[str, np.ndarray]:
        return {
            "counts": density(x, extent),
            "samples": x[:KEPT_POINTS].numpy(),
            "extent": np.array(extent),
            "bandwidth": np.array(bandwidth),
        }

    return keep


def density(samples: Tensor, extent: float) -> np.ndarray:
    """Counts (BINS, BINS) over the square of half-width ``extent``; points outside are dropped.
    First axis x, second y.
    """
    edges = np.linspace(-extent, extent, BINS + 1)
    finite = samples[samples.isfinite().all(dim=1)].double().numpy()
    return np.histogram2d(finite[:, 0], finite[:, 1], bins=(edges, edges))[0].astype(np.uint32)
