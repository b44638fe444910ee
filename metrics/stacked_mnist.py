"""Modes of Stacked MNIST: which of the 1,000 digit triples a generator hits, and how evenly.

Paper section 5.2, after Metz et al. (2016): each channel is classified; ``metrics.classifier`` does
that. The KL runs from the generated distribution to the uniform one (the authors, PacGAN and the
VEEGAN authors agree), in nats.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

N_MODES = 1000


def stacked_mnist_metrics(
    digits: Tensor, certain: Tensor | None = None, training: Tensor | None = None
) -> dict[str, float]:
    """Modes and KL of classified stacks.

    digits: (N, 3), integers 0 to 9; the paper takes N = 26,000. certain: (N, 3), whether each is a
    digit beyond doubt (``metrics.likeness``). training: (N, 3), the same stacks under a classifier
    in training mode.

    Returns
      smnist_modes, smnist_kl: as in the paper. An ideal uniform generator then scores 1,000 modes
        and a KL of about 0.019, the bias of (1000 - 1) / 2N.
      smnist_effective_modes: 1000 exp(-KL), how many equally frequent modes have that KL.
      smnist_certain_modes, smnist_certain_kl: of the stacks with three certain digits; none and
        ln 1000 where there is no such stack. smnist_certain_pct: share of such stacks, percent.
        Only with certain.
      smnist_training_modes, smnist_training_kl: of the digits in training. Only with training.

    Raises ValueError on another shape, other digits or no rows.
    """
    modes, kl = _modes(_triples(digits))
    found = {
        "smnist_modes": modes,
        "smnist_kl": kl,
        "smnist_effective_modes": N_MODES * math.exp(-kl),
    }
    if certain is not None:
        _same_shape(certain, digits)
        kept = certain.all(dim=1)
        modes, kl = _modes(_triples(digits)[kept])
        found |= {"smnist_certain_modes": modes, "smnist_certain_kl": kl}
        found["smnist_certain_pct"] = 100 * float(kept.double().mean())
    if training is not None:
        _same_shape(training, digits)
        modes, kl = _modes(_triples(training))
        found |= {"smnist_training_modes": modes, "smnist_training_kl": kl}
    return found


def uniform_modes(n: int) -> float:
    """Modes that n stacks of a perfect generator hit, in the mean: 926 of 1,000 by 2,600."""
    return N_MODES * (1 - (1 - 1 / N_MODES) ** n)


def _triples(digits: Tensor) -> Tensor:
    """The mode of each stack, 0 to 999."""
    digits = torch.as_tensor(digits)
    if digits.ndim != 2 or digits.shape[1] != 3 or not len(digits):
        raise ValueError(f"expected digits of shape (N, 3), got {tuple(digits.shape)}")
    if digits.min() < 0 or digits.max() > 9 or (digits != digits.long()).any():
        raise ValueError("digits must be integers from 0 to 9")
    return digits.long() @ torch.tensor([100, 10, 1], device=digits.device)


def _same_shape(judged: Tensor, digits: Tensor) -> None:
    if judged.shape != digits.shape:
        raise ValueError(f"{tuple(judged.shape)} is not the shape of {tuple(digits.shape)} digits")


def _modes(triples: Tensor) -> tuple[float, float]:
    """How many there are, and their KL to the uniform distribution."""
    if not len(triples):
        return 0.0, math.log(N_MODES)
    p = triples.bincount(minlength=N_MODES).double() / len(triples)
    p = p[p > 0]
    return float(len(p)), max(0.0, float((p * (N_MODES * p).log()).sum()))
