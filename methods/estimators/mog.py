"""``mog``: a mixture of isotropic Gaussians with learnable means, widths and weights, exact.

Not of the paper, which hopes for more powerful estimators (section 6). In two dimensions it learns
far sooner than the VAE (results/search).

The log-density is a small difference of large products: at a standard deviation of 0.05 among
coordinates of 5 its float32 error is 0.001 nats, and rounding them to 10 bits (TF32) makes it 8.
"""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor

from methods.base import MethodConfig, Spec
from methods.estimators.base import Estimator


class MixtureConfig(MethodConfig):
    """Settings of ``mog``."""

    components: int = Field(256, ge=1)  # Gaussians of the mixture
    # std of every component at first, coordinates times Spec.scale
    start_std: float = Field(0.3, gt=0)


def build(spec: Spec, cfg: MixtureConfig) -> Estimator:
    """phi = means (C * D), log standard deviations (C), unnormalised log weights (C).

    The means start as draws from N(0, I).
    """
    features, count = math.prod(spec.x_shape), cfg.components
    sizes = [count * features, count, count]

    def init(generator: torch.Generator) -> Tensor:
        means = torch.randn(count * features, generator=generator)
        widths = torch.full((count,), math.log(cfg.start_std))
        return torch.cat([means, widths, torch.zeros(count)])

    def log_prob(phi: Tensor, x: Tensor, eps: Tensor) -> Tensor:
        means, log_std, weights = phi.split(sizes)
        weights = torch.log_softmax(weights, 0)
        joint = log_joint(x.flatten(1), means.view(count, features), log_std, weights)
        return torch.logsumexp(joint, 1)

    def sample(phi: Tensor, z: Tensor) -> Tensor:
        means, log_std, weights = phi.split(sizes)
        x = draw(z, means.view(count, features), log_std, torch.softmax(weights, 0))
        return x.view(-1, *spec.x_shape)

    return Estimator(init, log_prob, sample, (0,), 1 + features, sum(sizes))


def log_joint(x: Tensor, means: Tensor, log_std: Tensor, log_weights: Tensor) -> Tensor:
    """log p(x, c): (B, C), nats, of points x (B, D) and components with means (C, D), log standard
    deviations and log weights (C).
    """
    features = means.shape[1]
    # It is linear in (x, |x|^2, 1). As one small product it and all its derivatives leave nothing
    # of size (B, C) to do but the sum over components.
    precision = torch.exp(-2 * log_std)
    log_norm = features * (log_std + math.log(2 * math.pi) / 2)
    constant = log_weights - log_norm - means.square().sum(1) * precision / 2
    linear = [means * precision[:, None], -precision[:, None] / 2, constant[:, None]]
    known = [x, x.square().sum(1, keepdim=True), torch.ones_like(x[:, :1])]
    return torch.cat(known, 1) @ torch.cat(linear, 1).T


def draw(z: Tensor, means: Tensor, log_std: Tensor, weights: Tensor) -> Tensor:
    """Points (N, D) from standard normals z (N, >= 1 + D): one picks the component, the others
    spread it. weights: (C,), adding up to one.
    """
    index = torch.searchsorted(weights.cumsum(0), torch.special.ndtr(z[..., 0]).contiguous())
    index = index.clamp(max=len(weights) - 1)
    noise = z[..., 1 : 1 + means.shape[1]] * log_std.exp()[index][..., None]
    return means[index] + noise
