"""``vae``: the paper's estimator (section 5), its variance fixed or learned, its bound the ELBO or
the importance-weighted one.

Departures: the paper's choices are the defaults. A learned variance of p(x|h) and the bound of
Burda et al. (2015) are ours, towards its section 6.
"""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor

from methods import kernels, nets
from methods.base import Spec
from methods.convnets import Stack
from methods.estimators import likelihood
from methods.estimators.base import Estimator, log_mean_exp


class BoundConfig(likelihood.LikelihoodConfig):
    """Settings of every VAE."""

    latent: int = Field(32, ge=1)  # latent dimension; authors' 2D code, 256 on images
    draws: int = Field(1, ge=1)  # draws of the latent; above 1 the bound is importance-weighted


class VAEConfig(BoundConfig):
    """Settings of ``vae``."""

    # hidden layers of the encoder, reversed in the decoder; paper section 5; on Stacked MNIST
    # 1000-400 and, for the small one, 20-20
    hidden: str = Field("128-128", pattern=r"^[1-9]\d*(-[1-9]\d*)*$")


def build(spec: Spec, cfg: VAEConfig) -> Estimator:
    """Encoder D-hidden-(mu, log sigma^2) and decoder latent-hidden-D, fully connected; tanh in 2D,
    ReLU on images.
    """
    features = math.prod(spec.x_shape)
    activation = torch.relu if len(spec.x_shape) > 1 else nets.tanh
    hidden = [int(width) for width in cfg.hidden.split("-")]
    widths = (features, *hidden, 2 * cfg.latent), (cfg.latent, *hidden[::-1], features)
    encode, decode = (nets.mlp(w, activation) for w in widths)
    estimator = bound(spec, cfg, encode, decode)
    fixed = cfg.likelihood == "gaussian" and not cfg.learn_variance
    if spec.native and len(spec.x_shape) == 1 and fixed and cfg.draws == 1:
        kernel = kernels.elbo(*widths, relu=False, variance=cfg.variance)
        estimator = estimator._replace(kernel=kernel)
    return estimator


def bound(
    spec: Spec, cfg: BoundConfig, encode: nets.Net | Stack, decode: nets.Net | Stack
) -> Estimator:
    """A VAE of two networks, (B, D) -> (B, 2 * latent) and (B, latent) -> (B, D).

    phi = encoder, decoder, and the likelihood's own parameters. ``log_prob`` is a lower bound with
    all constants, summed over dimensions: from one draw log p(x|h) - KL(q(h|x) || p(h)), whose mean
    over a batch has a standard error falling as 1/sqrt(B); from k draws the logarithm of the mean
    importance weight. ``sample`` draws from p(x) in 2D and returns the mean of p(x|h) on images.
    """
    features = math.prod(spec.x_shape)
    image = len(spec.x_shape) > 1
    pixels = likelihood.build(spec, cfg)
    sizes = [encode.size, decode.size, pixels.size]

    def init(generator: torch.Generator) -> Tensor:
        return torch.cat([encode.init(generator), decode.init(generator), pixels.init()])

    def visit(phi: Tensor, x: Tensor, eps: Tensor) -> tuple[Tensor, ...]:
        """log p(x|h) at one draw of h ~ q(h|x), that draw, and q's mean and log-variance."""
        phi_encode, phi_decode, own = phi.split(sizes)
        x = pixels.see(x)
        mu, log_var = encode.apply(phi_encode, x).chunk(2, dim=-1)
        h = mu + torch.exp(log_var / 2) * eps
        return pixels.log_prob(own, decode.apply(phi_decode, h), x), h, mu, log_var

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
        _, phi_decode, own = phi.split(sizes)
        out = decode.apply(phi_decode, z[..., : cfg.latent])
        if image:
            return pixels.mean(out).view(-1, *spec.x_shape)
        noise = z[..., cfg.latent : cfg.latent + features]
        return pixels.draw(own, out, noise).view(-1, *spec.x_shape)

    sample_dim = cfg.latent + (0 if image else features)
    noise = (cfg.latent,) if cfg.draws == 1 else (cfg.draws, cfg.latent)
    log_prob = elbo if cfg.draws == 1 else weighted
    return Estimator(init, log_prob, sample, noise, sample_dim, sum(sizes), log_weight)
