"""Adversarial losses on discriminator logits, all minimised (REFERENCE_FACTS section 2).

Logits have shape (B,); anything else is refused, since (B,) against (B, 1) would broadcast to a
plausible mean over (B, B). ``sp`` below is softplus(t) = log(1 + e^t).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def _check(*logits: Tensor) -> None:
    for value in logits:
        if value.ndim != 1:
            raise ValueError(f"expected logits of shape (B,), got {tuple(value.shape)}")


def gan_psi(real: Tensor, fake: Tensor) -> Tensor:
    """E sp(-D(x)) + E sp(D(x_g)): binary cross-entropy of the discriminator (Eq. 8), nats."""
    _check(real, fake)
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def gan_theta(fake: Tensor) -> Tensor:
    """E sp(-D(x_g)): the non-saturating generator loss, nats (authors' code)."""
    _check(fake)
    return F.softplus(-fake).mean()


def gan_theta_saturating(fake: Tensor) -> Tensor:
    """E log(1 - sigmoid(D(x_g))) = -E sp(D(x_g)): with an optimal D, 2 JS - 2 log 2, nats."""
    _check(fake)
    return -F.softplus(fake).mean()


def lsgan_psi(real: Tensor, fake: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """(E(D(x) - b)^2 + E(D(x_g) - a)^2) / 2 (Mao et al. 2017, Eq. 2; 0-1 code as in theirs)."""
    _check(real, fake)
    return ((real - b).square().mean() + (fake - a).square().mean()) / 2


def lsgan_theta(fake: Tensor, c: float = 1.0) -> Tensor:
    """E(D(x_g) - c)^2 / 2 (Mao et al. 2017, Eq. 2)."""
    _check(fake)
    return (fake - c).square().mean() / 2
