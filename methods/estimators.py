"""Explicit density estimators E(x; phi): what the generator teaches.

An estimator is a density (or a lower bound on one) as pure functions on a flat vector phi, so
that LBT can differentiate through its training.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from methods import nets
from methods.base import Spec


class Estimator(NamedTuple):
    """An explicit model of x.

    init: generator -> phi (P,).
    log_prob: (phi, x (B, D), eps (B, *noise)) -> (B,), nats: log p_E(x; phi) or a stated bound.
    sample: (phi, z (N, Z)) -> x (N, D), from standard normals z, Z >= sample_dim.
    noise: shape of the noise log_prob needs per point.
    sample_dim: how many normals ``sample`` uses per point.
    size: P.
    """

    init: Callable[[torch.Generator], Tensor]
    log_prob: Callable[[Tensor, Tensor, Tensor], Tensor]
    sample: Callable[[Tensor, Tensor], Tensor]
    noise: tuple[int, ...]
    sample_dim: int
    size: int


def vae(spec: Spec, latent: int, variance: float) -> Estimator:
    """VAE with Gaussian p(x|z) of fixed variance (paper section 5; authors' 2D code).

    Encoder D-128-128-(mu, log sigma^2), decoder latent-128-128-D, tanh. ``log_prob`` is the
    single-sample lower bound log p(x|z) - KL(q(z|x) || p(z)), summed over dimensions with all
    Gaussian constants: its mean over a batch has a standard error falling as 1/sqrt(B).
    """
    (features,) = spec.x_shape
    encode = nets.encoder(spec, 2 * latent)
    decode = nets.mlp((latent, *nets.HIDDEN, features))
    log_norm = features / 2 * math.log(2 * math.pi * variance)

    def init(generator: torch.Generator) -> Tensor:
        return torch.cat([encode.init(generator), decode.init(generator)])

    def log_prob(phi: Tensor, x: Tensor, eps: Tensor) -> Tensor:
        phi_encode, phi_decode = phi.split([encode.size, decode.size])
        mu, log_var = encode.apply(phi_encode, x).chunk(2, dim=-1)
        mean = decode.apply(phi_decode, mu + torch.exp(log_var / 2) * eps)
        log_lik = -(x - mean).square().sum(-1) / (2 * variance) - log_norm
        kl = (mu.square() + log_var.exp() - 1 - log_var).sum(-1) / 2
        return log_lik - kl

    def sample(phi: Tensor, z: Tensor) -> Tensor:
        mean = decode.apply(phi[encode.size :], z[..., :latent])
        return mean + math.sqrt(variance) * z[..., latent : latent + features]

    size = encode.size + decode.size
    return Estimator(init, log_prob, sample, (latent,), latent + features, size)
