"""``flow``: affine coupling layers over a standard normal (RealNVP, Dinh et al. 2016), exact.

Not of the paper, which hopes for more powerful estimators (section 6). Own code: the layers are
thirty lines on the project's flat vectors, where a library's modules would have to be made pure to
be unrolled and compiled.
"""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor

from methods import nets
from methods.base import MethodConfig, Spec
from methods.estimators.base import Estimator

LIMIT = 3.0  # of a log scale in one layer, either way: keeps an early layer from exploding


class FlowConfig(MethodConfig):
    """Settings of ``flow``."""

    layers: int = Field(8, ge=1)  # affine couplings
    units: int = Field(64, ge=1)  # of the two hidden layers that give a layer's scale and shift


def build(spec: Spec, cfg: FlowConfig) -> Estimator:
    """phi = the layers' networks, one after the other, each starting as the identity.

    A layer scales and shifts one half of x by functions of the other; layers take turns. Raises
    ValueError for points of a single coordinate, which have no halves, and for images.
    """
    if len(spec.x_shape) != 1 or spec.x_shape[0] < 2:
        raise ValueError(f"flow is for points of two or more numbers, not {spec.x_shape}")
    (features,) = spec.x_shape
    halves = [features // 2, features - features // 2]
    kept = [halves[i % 2] for i in range(cfg.layers)]
    blocks = [nets.mlp((n, cfg.units, cfg.units, 2 * (features - n))) for n in kept]
    sizes = [net.size for net in blocks]

    def init(generator: torch.Generator) -> Tensor:
        parts = []
        for net, n in zip(blocks, kept, strict=True):
            start, last = net.init(generator), (cfg.units + 1) * 2 * (features - n)
            parts += [start[:-last], torch.zeros(last)]
        return torch.cat(parts)

    def change(i: int, params: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """Log scale and shift of layer i's other half."""
        log_scale, shift = blocks[i].apply(params, given).chunk(2, dim=-1)
        return LIMIT * torch.tanh(log_scale / LIMIT), shift

    def log_prob(phi: Tensor, x: Tensor, eps: Tensor) -> Tensor:
        log_det = x.new_zeros(())
        for i, params in enumerate(phi.split(sizes)):
            given, moved = x.split([kept[i], features - kept[i]], dim=-1)
            log_scale, shift = change(i, params, given)
            moved = moved * torch.exp(log_scale) + shift
            log_det = log_det + log_scale.sum(-1)
            x = torch.cat([moved, given], dim=-1)  # turns: what was moved comes first
        return log_det - (x.square() + math.log(2 * math.pi)).sum(-1) / 2

    def sample(phi: Tensor, z: Tensor) -> Tensor:
        x = z[..., :features]
        for i, params in reversed(list(enumerate(phi.split(sizes)))):
            moved, given = x.split([features - kept[i], kept[i]], dim=-1)
            log_scale, shift = change(i, params, given)
            x = torch.cat([given, (moved - shift) * torch.exp(-log_scale)], dim=-1)
        return x

    return Estimator(init, log_prob, sample, (0,), features, sum(sizes))
