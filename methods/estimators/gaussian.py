"""``gaussian``: N(c, I) with a learnable mean, too weak for two modes (paper appendix B)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from methods.base import MethodConfig, Spec
from methods.estimators.base import Estimator


def build(spec: Spec, cfg: MethodConfig) -> Estimator:
    """phi = c (D,), from 0."""
    features = math.prod(spec.x_shape)

    def init(generator: torch.Generator) -> Tensor:
        return torch.zeros(features)

    def log_prob(phi: Tensor, x: Tensor, eps: Tensor) -> Tensor:
        return -((x.flatten(1) - phi).square() + math.log(2 * math.pi)).sum(-1) / 2

    def sample(phi: Tensor, z: Tensor) -> Tensor:
        return (phi + z[..., :features]).view(-1, *spec.x_shape)

    return Estimator(init, log_prob, sample, (0,), features, features)
