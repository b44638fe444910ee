"""Adversarial losses on discriminator logits, all minimised.

Logits have shape (B,); anything else is refused, since (B,) against (B, 1) would broadcast to a
plausible mean over (B, B). ``sp`` below is softplus(t) = log(1 + e^t).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import vjp


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


def relativistic(ahead: Tensor, behind: Tensor) -> Tensor:
    """E sp(-(a - b)) over pairs of logits, nats (Jolicoeur-Martineau 2018): D's loss with data
    ahead, G's with generated points ahead.
    """
    _check(ahead, behind)
    return F.softplus(behind - ahead).mean()


def wasserstein_psi(real: Tensor, fake: Tensor) -> Tensor:
    """E D(x_g) - E D(x) (Arjovsky et al. 2017)."""
    _check(real, fake)
    return fake.mean() - real.mean()


def hinge_psi(real: Tensor, fake: Tensor) -> Tensor:
    """E relu(1 - D(x)) + E relu(1 + D(x_g)) (Miyato et al. 2018, Eq. 16)."""
    _check(real, fake)
    return torch.relu(1 - real).mean() + torch.relu(1 + fake).mean()


def linear_theta(fake: Tensor) -> Tensor:
    """-E D(x_g): G's loss beside either of the two above."""
    _check(fake)
    return -fake.mean()


def with_slopes(judge: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Logits of x (B, ...) and |grad_x D(x)|^2, each (B,), for a D that judges points one by one;
    both differentiable.
    """
    logits, pull = vjp(judge, x)
    _check(logits)
    (slopes,) = pull(torch.ones_like(logits))
    return logits, slopes.flatten(1).square().sum(1)
