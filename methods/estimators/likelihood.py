"""Gaussian or Bernoulli, for every number of x by itself, given a network's output for it.

Shared by ``vae``, ``conv_vae`` (given the latent) and ``pixelcnn`` (given the numbers before).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from methods.base import MethodConfig, Spec


class LikelihoodConfig(MethodConfig):
    """Settings of the likelihood, authors' code by default."""

    likelihood: Literal["gaussian", "bernoulli"] = "gaussian"  # gaussian on pixels: authors' code
    # of a Gaussian, coordinates times Spec.scale, on images in [-1, 1]; authors' ring and grid
    variance: float = Field(1e-3, gt=0)
    learn_variance: bool = False  # one variance, learned from that start; fixed: authors' code


class Likelihood(NamedTuple):
    """``own`` stands for its parameters (size,), ``out`` for a network's outputs (B, D).

    init: () -> own.
    see: x (B, *x_shape) -> (B, D), in the units that the networks see and the density counts in.
    log_prob: (own, out, what ``see`` gave) -> (B,), nats, summed over D.
    mean: out -> the mean, in the data's units.
    draw: (own, out, standard normals of out's shape) -> a draw, in the data's units.
    """

    size: int
    init: Callable[[], Tensor]
    see: Callable[[Tensor], Tensor]
    log_prob: Callable[[Tensor, Tensor, Tensor], Tensor]
    mean: Callable[[Tensor], Tensor]
    draw: Callable[[Tensor, Tensor, Tensor], Tensor]


def build(spec: Spec, cfg: LikelihoodConfig) -> Likelihood:
    """A Bernoulli takes real-valued pixels in [0, 1] as targets of its cross-entropy, as the paper
    does: a probability where all pixels are 0 or 1, else no normalised density of x (see
    ``pixelcnn``). A Gaussian on images has a tanh mean and sees pixels in [-1, 1], where its
    variance counts (authors' code).

    Raises ValueError for a Bernoulli of points that are no images, whose cross-entropy has no
    bound, and for a learned variance of a Bernoulli, which has none.
    """
    if cfg.likelihood == "bernoulli":
        if len(spec.x_shape) == 1:
            raise ValueError(
                "likelihood=bernoulli is for images, pixels in [0, 1], not for points "
                f"{spec.x_shape}; use likelihood=gaussian"
            )
        if cfg.learn_variance:
            raise ValueError("learn_variance needs likelihood=gaussian")
        return _bernoulli()
    return _gaussian(spec, cfg)


def _bernoulli() -> Likelihood:
    def log_prob(own: Tensor, out: Tensor, x: Tensor) -> Tensor:
        return (x * out - F.softplus(out)).sum(-1)

    def draw(own: Tensor, out: Tensor, z: Tensor) -> Tensor:
        return (torch.special.ndtr(z) < torch.sigmoid(out)).to(out.dtype)

    return Likelihood(0, lambda: torch.zeros(0), _flat, log_prob, torch.sigmoid, draw)


def _gaussian(spec: Spec, cfg: LikelihoodConfig) -> Likelihood:
    features = math.prod(spec.x_shape)
    image = len(spec.x_shape) > 1
    start = math.log(cfg.variance)

    def log_prob(own: Tensor, out: Tensor, x: Tensor) -> Tensor:
        out = torch.tanh(out) if image else out
        level = own if cfg.learn_variance else start
        precision = torch.exp(-level) if cfg.learn_variance else 1 / cfg.variance
        log_norm = features / 2 * (math.log(2 * math.pi) + level)
        return -(x - out).square().sum(-1) * precision / 2 - log_norm

    def mean(out: Tensor) -> Tensor:
        return (torch.tanh(out) + 1) / 2 if image else out

    def draw(own: Tensor, out: Tensor, z: Tensor) -> Tensor:
        std = torch.exp(own / 2) if cfg.learn_variance else math.sqrt(cfg.variance)
        return mean(out) + std * z / (2 if image else 1)

    size = int(cfg.learn_variance)
    see = (lambda x: 2 * _flat(x) - 1) if image else _flat
    return Likelihood(size, lambda: torch.full((size,), start), see, log_prob, mean, draw)


def _flat(x: Tensor) -> Tensor:
    return x.flatten(1)
