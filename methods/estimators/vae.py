"""``vae``: the paper's estimator (section 5), its variance fixed or learned, its bound the ELBO or
the importance-weighted one.

Departures: the paper's choices are the defaults. A learned variance of p(x|h) and the bound of
Burda et al. (2015) are ours, towards its section 6.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from methods import nets
from methods.base import MethodConfig, Spec
from methods.estimators.base import Estimator, log_mean_exp


class VAEConfig(MethodConfig):
    """Settings of ``vae``."""

    latent: int = Field(32, ge=1)  # latent dimension; authors' 2D code, 256 on images
    hidden: str = Field("128-128", pattern=r"^[1-9]\d*(-[1-9]\d*)*$")  # encoder; reversed in the
    # decoder. Paper section 5; 1000-400 and, for the small one, 20-20 on Stacked MNIST
    likelihood: Literal["gaussian", "bernoulli"] = "gaussian"  # of pixels: authors' code
    variance: float = Field(1e-3, gt=0)  # of a Gaussian p(x|h); authors' ring and grid
    learn_variance: bool = False  # one variance, learned from that start; fixed: authors' code
    draws: int = Field(1, ge=1)  # of the latent; above 1 the bound is importance-weighted


def build(spec: Spec, cfg: VAEConfig) -> Estimator:
    """VAE with a Gaussian p(x|h) or a Bernoulli one.

    phi = encoder D-hidden-(mu, log sigma^2), decoder latent-hidden-D, and log variance (1) where
    that is learned; tanh in 2D, ReLU on images. A Bernoulli takes real-valued pixels in [0, 1] as
    targets of its cross-entropy; a Gaussian on images has a tanh mean and sees pixels in [-1, 1],
    where its variance counts (authors' code).

    ``log_prob`` is a lower bound with all constants, summed over dimensions: from one draw
    log p(x|h) - KL(q(h|x) || p(h)), whose mean over a batch has a standard error falling as
    1/sqrt(B); from k draws the logarithm of the mean importance weight. ``sample`` draws from p(x)
    in 2D and returns the mean of p(x|h) on images. Raises ValueError for a learned variance of a
    Bernoulli, which has none.
    """
    features = math.prod(spec.x_shape)
    image = len(spec.x_shape) > 1
    activation = torch.relu if image else nets.tanh
    hidden = [int(width) for width in cfg.hidden.split("-")]
    encode = nets.mlp((features, *hidden, 2 * cfg.latent), activation)
    decode = nets.mlp((cfg.latent, *hidden[::-1], features), activation)
    gaussian = cfg.likelihood == "gaussian"
    if cfg.learn_variance and not gaussian:
        raise ValueError("learn_variance needs likelihood=gaussian")
    signed = image and gaussian
    sizes = [encode.size, decode.size, int(cfg.learn_variance)]
    start = math.log(cfg.variance)

    def init(generator: torch.Generator) -> Tensor:
        extra = torch.full((sizes[2],), start)
        return torch.cat([encode.init(generator), decode.init(generator), extra])

    def log_variance(phi_rest: Tensor) -> Tensor | float:
        return phi_rest if cfg.learn_variance else start

    def visit(phi: Tensor, x: Tensor, eps: Tensor) -> tuple[Tensor, ...]:
        """log p(x|h) at one draw of h ~ q(h|x), that draw, and q's mean and log-variance."""
        phi_encode, phi_decode, rest = phi.split(sizes)
        x = 2 * x.flatten(1) - 1 if signed else x.flatten(1)
        mu, log_var = encode.apply(phi_encode, x).chunk(2, dim=-1)
        h = mu + torch.exp(log_var / 2) * eps
        out = decode.apply(phi_decode, h)
        if gaussian:
            out = torch.tanh(out) if signed else out
            level = log_variance(rest)
            precision = torch.exp(-level) if cfg.learn_variance else 1 / cfg.variance
            log_norm = features / 2 * (math.log(2 * math.pi) + level)
            log_lik = -(x - out).square().sum(-1) * precision / 2 - log_norm
        else:
            log_lik = (x * out - F.softplus(out)).sum(-1)
        return log_lik, h, mu, log_var

    def elbo(phi: Tensor, x: Tensor, eps: Tensor) -> Tensor:
        log_lik, _, mu, log_var = visit(phi, x, eps)
        kl = (mu.square() + log_var.exp() - 1 - log_var).sum(-1) / 2
        return log_lik - kl

    def log_weight(phi: Tensor, x: Tensor, eps: Tensor) -> Tensor:
        log_lik, h, _, log_var = visit(phi, x, eps)
        # log N(h; 0, I) - log q(h|x), whose constants cancel.
        return log_lik + (eps.square() + log_var - h.square()).sum(-1) / 2

    def weighted(phi: Tensor, x: Tensor, eps: Tensor) -> Tensor:
        # All draws of a point as rows of one batch.
        rows = x.repeat_interleave(cfg.draws, 0)
        log_w = log_weight(phi, rows, eps.flatten(0, 1))
        return log_mean_exp(log_w.view(-1, cfg.draws), 1)

    def sample(phi: Tensor, z: Tensor) -> Tensor:
        _, phi_decode, rest = phi.split(sizes)
        out = decode.apply(phi_decode, z[..., : cfg.latent])
        if image:
            out = (torch.tanh(out) + 1) / 2 if gaussian else torch.sigmoid(out)
        else:
            level = log_variance(rest)
            std = torch.exp(level / 2) if cfg.learn_variance else math.sqrt(cfg.variance)
            out = out + std * z[..., cfg.latent : cfg.latent + features]
        return out.view(-1, *spec.x_shape)

    sample_dim = cfg.latent + (0 if image else features)
    noise = (cfg.latent,) if cfg.draws == 1 else (cfg.draws, cfg.latent)
    bound = elbo if cfg.draws == 1 else weighted
    return Estimator(init, bound, sample, noise, sample_dim, sum(sizes), log_weight)
