"""What an explicit density estimator is, and the settings that all kinds share."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from methods import kernels


class Estimator(NamedTuple):
    """An explicit model of x.

    init: generator -> phi (P,).
    log_prob: (phi, x (B, *x_shape), eps (B, *noise)) -> (B,), nats: log p_E(x; phi) or a stated
        bound.
    sample: (phi, z (N, Z)) -> x (N, *x_shape), from standard normals z, Z >= sample_dim.
    noise: shape of the noise log_prob needs per point.
    sample_dim: how many normals ``sample`` uses per point.
    size: P.
    log_weight: as log_prob, of a bound only: log p_E(x, h; phi) / q(h|x) at one draw eps of the
        latent h, whose shape is the last axis of ``noise``. Its mean over draws is the lower bound,
        and the logarithm of the mean of its exponential over ever more draws tends to
        log p_E(x; phi). None where log_prob is exact.
    refit: (phi, x (B, *x_shape)) -> phi, drawn towards x in closed form and differentiable in x:
        what such an estimator learns by in place of gradient steps. None of all others.
    kernel: -log_prob, averaged over the batch, natively, where Spec.native asks for it and there is
        such a thing.
    """

    init: Callable[[torch.Generator], Tensor]
    log_prob: Callable[[Tensor, Tensor, Tensor], Tensor]
    sample: Callable[[Tensor, Tensor], Tensor]
    noise: tuple[int, ...]
    sample_dim: int
    size: int
    log_weight: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None
    refit: Callable[[Tensor, Tensor], Tensor] | None = None
    kernel: kernels.Loss | None = None


def log_mean_exp(log_w: Tensor, dim: int) -> Tensor:
    """log of the mean of exp(log_w) over an axis."""
    return torch.logsumexp(log_w, dim) - math.log(log_w.shape[dim])
