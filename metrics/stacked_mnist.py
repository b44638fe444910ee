"""Modes of Stacked MNIST: which of the 1,000 digit triples a generator hits, and how evenly.

Paper section 5.2, after Metz et al. (2016): each channel is classified; ``metrics.classifier`` does
that. The KL runs from the generated distribution to the uniform one (the authors, PacGAN and the
VEEGAN authors agree), in nats.
"""

from __future__ import annotations

import torch
from torch import Tensor

N_MODES = 1000


def stacked_mnist_metrics(digits: Tensor) -> dict[str, float]:
    """smnist_modes and smnist_kl of classified stacks.

    digits: (N, 3), integers 0 to 9; the paper takes N = 26,000. An ideal uniform generator then
    scores 1,000 modes and a KL of about 0.019, the bias of (1000 - 1) / 2N.
    Raises ValueError on another shape, other digits or no rows.
    """
    digits = torch.as_tensor(digits)
    if digits.ndim != 2 or digits.shape[1] != 3 or not len(digits):
        raise ValueError(f"expected digits of shape (N, 3), got {tuple(digits.shape)}")
    if digits.min() < 0 or digits.max() > 9 or (digits != digits.long()).any():
        raise ValueError("digits must be integers from 0 to 9")
    triple = digits.long() @ torch.tensor([100, 10, 1], device=digits.device)
    p = triple.bincount(minlength=N_MODES).double() / len(digits)
    p = p[p > 0]
    return {
        "smnist_modes": float(len(p)),
        "smnist_kl": max(0.0, float((p * (N_MODES * p).log()).sum())),
    }
