"""Explicit density estimators E(x; phi): what the generator teaches.

An estimator is a density (or a lower bound on one) as pure functions on a flat vector phi, so
that LBT can differentiate through its training.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from methods import nets
from methods.base import MethodConfig, Spec


class Estimator(NamedTuple):
    """An explicit model of x.

    init: generator -> phi (P,).
    log_prob: (phi, x (B, *x_shape), eps (B, *noise)) -> (B,), nats: log p_E(x; phi) or a stated
        bound.
    sample: (phi, z (N, Z)) -> x (N, *x_shape), from standard normals z, Z >= sample_dim.
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


class EstimatorConfig(MethodConfig):
    """Settings of the explicit estimator."""

    latent: int = Field(32, ge=1)  # VAE latent dimension; authors' 2D code, 256 on images
    hidden: str = Field("128-128", pattern=r"^[1-9]\d*(-[1-9]\d*)*$")  # encoder; reversed in the
    # decoder. Paper section 5; 1000-400 and, for the small one, 20-20 on Stacked MNIST
    likelihood: Literal["gaussian", "bernoulli"] = "gaussian"  # of pixels: authors' code
    variance: float = Field(1e-3, gt=0)  # of a Gaussian p(x|z), fixed; authors' ring and grid


def build(spec: Spec, cfg: EstimatorConfig) -> Estimator:
    """The estimator that the settings ask for."""
    return vae(spec, cfg)


def vae(spec: Spec, cfg: EstimatorConfig) -> Estimator:
    """VAE with a Gaussian p(x|z) of fixed variance or a Bernoulli one (paper section 5).

    Encoder D-hidden-(mu, log sigma^2), decoder latent-hidden-D; tanh in 2D, ReLU on images. A
    Bernoulli takes real-valued pixels in [0, 1] as targets of its cross-entropy; a Gaussian on
    images has a tanh mean and sees pixels in [-1, 1], where its variance counts (authors' code).
    ``log_prob`` is the single-sample lower bound log p(x|z) - KL(q(z|x) || p(z)), summed over
    dimensions with all Gaussian constants: its mean over a batch has a standard error falling as
    1/sqrt(B). ``sample`` draws from p(x) in 2D and returns the mean of p(x|z) on images.
    """
    features = math.prod(spec.x_shape)
    image = len(spec.x_shape) > 1
    activation = torch.relu if image else nets.tanh
    hidden = [int(width) for width in cfg.hidden.split("-")]
    encode = nets.mlp((features, *hidden, 2 * cfg.latent), activation)
    decode = nets.mlp((cfg.latent, *hidden[::-1], features), activation)
    gaussian = cfg.likelihood == "gaussian"
    signed = image and gaussian
    log_norm = features / 2 * math.log(2 * math.pi * cfg.variance)

    def init(generator: torch.Generator) -> Tensor:
        return torch.cat([encode.init(generator), decode.init(generator)])

    def log_prob(phi: Tensor, x: Tensor, eps: Tensor) -> Tensor:
        phi_encode, phi_decode = phi.split([encode.size, decode.size])
        x = 2 * x.flatten(1) - 1 if signed else x.flatten(1)
        mu, log_var = encode.apply(phi_encode, x).chunk(2, dim=-1)
        out = decode.apply(phi_decode, mu + torch.exp(log_var / 2) * eps)
        if gaussian:
            out = torch.tanh(out) if signed else out
            log_lik = -(x - out).square().sum(-1) / (2 * cfg.variance) - log_norm
        else:
            log_lik = (x * out - F.softplus(out)).sum(-1)
        kl = (mu.square() + log_var.exp() - 1 - log_var).sum(-1) / 2
        return log_lik - kl

    def sample(phi: Tensor, z: Tensor) -> Tensor:
        out = decode.apply(phi[encode.size :], z[..., : cfg.latent])
        if image:
            out = (torch.tanh(out) + 1) / 2 if gaussian else torch.sigmoid(out)
        else:
            out = out + math.sqrt(cfg.variance) * z[..., cfg.latent : cfg.latent + features]
        return out.view(-1, *spec.x_shape)

    size = encode.size + decode.size
    sample_dim = cfg.latent + (0 if image else features)
    return Estimator(init, log_prob, sample, (cfg.latent,), sample_dim, size)
