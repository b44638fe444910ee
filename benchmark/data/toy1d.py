"""Two Gaussians on the line: the example of the paper's introduction."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmark.data.base import Dataset, Mixture
from metrics.toy import DATA_MEANS, toy_metrics

TOY_BINS, TOY_EXTENT = 140, 7.0  # of the line: bins a tenth of a std wide


def toy1d(device: str = "cpu") -> Dataset:
    """Two Gaussians of std 1 at -3 and 3, with the means of the pair that the samples came from."""
    modes = Mixture(torch.tensor(DATA_MEANS)[:, None], 1.0)

    def evaluate(x: Tensor) -> dict[str, float]:
        return toy_metrics(x.numpy())

    def keep(x: Tensor) -> dict[str, np.ndarray]:
        counts, edges = np.histogram(x.numpy(), bins=TOY_BINS, range=(-TOY_EXTENT, TOY_EXTENT))
        return {"counts": counts.astype(np.uint32), "edges": edges}

    push = modes._replace(centers=modes.centers.to(device)).push
    return Dataset((1,), push, 2, evaluate, keep, chunk=50_000, modes=modes)
