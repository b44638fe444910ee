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
from methods.base import Logs, MethodConfig, Probe, Spec, State

# Of the probe below, (data points, draws of the latent); both are the same at every look.
PROBE_2D, PROBE_IMAGES = (1000, 25), (200, 10)


class Estimator(NamedTuple):
    """An explicit model of x.

    init: generator -> phi (P,).
    log_prob: (phi, x (B, *x_shape), eps (B, *noise)) -> (B,), nats: log p_E(x; phi) or a stated
        bound.
    sample: (phi, z (N, Z)) -> x (N, *x_shape), from standard normals z, Z >= sample_dim.
    noise: shape of the noise log_prob needs per point.
    sample_dim: how many normals ``sample`` uses per point.
    size: P.
    log_weight: as log_prob, of a bound only: log p_E(x, h; phi) / q(h|x) at one draw of the latent
        h. Its mean over draws is the lower bound, and the logarithm of the mean of its exponential
        over ever more draws tends to log p_E(x; phi). None where log_prob is exact.
    """

    init: Callable[[torch.Generator], Tensor]
    log_prob: Callable[[Tensor, Tensor, Tensor], Tensor]
    sample: Callable[[Tensor, Tensor], Tensor]
    noise: tuple[int, ...]
    sample_dim: int
    size: int
    log_weight: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None


class EstimatorConfig(MethodConfig):
    """Settings of the explicit estimator; the last four are the VAE's."""

    # paper section 5; gaussian: appendix B; mog: ours, a mixture of Gaussians
    estimator: Literal["vae", "gaussian", "mog"] = "vae"
    components: int = Field(256, ge=1)  # of the mixture
    latent: int = Field(32, ge=1)  # VAE latent dimension; authors' 2D code, 256 on images
    hidden: str = Field("128-128", pattern=r"^[1-9]\d*(-[1-9]\d*)*$")  # encoder; reversed in the
    # decoder. Paper section 5; 1000-400 and, for the small one, 20-20 on Stacked MNIST
    likelihood: Literal["gaussian", "bernoulli"] = "gaussian"  # of pixels: authors' code
    variance: float = Field(1e-3, gt=0)  # of a Gaussian p(x|z), fixed; authors' ring and grid


def build(spec: Spec, cfg: EstimatorConfig) -> Estimator:
    """The estimator that the settings ask for."""
    return BUILDERS[cfg.estimator](spec, cfg)


def probe(spec: Spec, estimator: Estimator) -> Probe:
    """The objective of Eq. 1, E_p[log p_E(x; phi)], nats per point, at the state's phi.

    data_elbo: its lower bound. data_iwae: the importance-weighted bound from the same draws of the
    latent (Burda et al. 2015), never below the former. Both are the exact value for an exact
    density.
    """
    points, draws = PROBE_2D if len(spec.x_shape) == 1 else PROBE_IMAGES
    weigh = estimator.log_weight
    if weigh is None:
        weigh, draws = estimator.log_prob, 1

    def measure(state: State, x: Tensor, eps: Tensor) -> Logs:
        log_w = torch.stack([weigh(state["phi"], x, e) for e in eps.unbind(1)])
        bound = torch.logsumexp(log_w, 0) - math.log(draws)
        return {"data_elbo": log_w.mean(), "data_iwae": bound.mean()}

    return Probe(points, (draws, *estimator.noise), measure)


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

    def visit(phi: Tensor, x: Tensor, eps: Tensor) -> tuple[Tensor, ...]:
        """log p(x|h) at one draw of h ~ q(h|x), that draw, and q's mean and log-variance."""
        phi_encode, phi_decode = phi.split([encode.size, decode.size])
        x = 2 * x.flatten(1) - 1 if signed else x.flatten(1)
        mu, log_var = encode.apply(phi_encode, x).chunk(2, dim=-1)
        h = mu + torch.exp(log_var / 2) * eps
        out = decode.apply(phi_decode, h)
        if gaussian:
            out = torch.tanh(out) if signed else out
            log_lik = -(x - out).square().sum(-1) / (2 * cfg.variance) - log_norm
        else:
            log_lik = (x * out - F.softplus(out)).sum(-1)
        return log_lik, h, mu, log_var

    def log_prob(phi: Tensor, x: Tensor, eps: Tensor) -> Tensor:
        log_lik, _, mu, log_var = visit(phi, x, eps)
        kl = (mu.square() + log_var.exp() - 1 - log_var).sum(-1) / 2
        return log_lik - kl

    def log_weight(phi: Tensor, x: Tensor, eps: Tensor) -> Tensor:
        log_lik, h, _, log_var = visit(phi, x, eps)
        # log N(h; 0, I) - log q(h|x), whose constants cancel.
        return log_lik + (eps.square() + log_var - h.square()).sum(-1) / 2

    def sample(phi: Tensor, z: Tensor) -> Tensor:
        out = decode.apply(phi[encode.size :], z[..., : cfg.latent])
        if image:
            out = (torch.tanh(out) + 1) / 2 if gaussian else torch.sigmoid(out)
        else:
            out = out + math.sqrt(cfg.variance) * z[..., cfg.latent : cfg.latent + features]
        return out.view(-1, *spec.x_shape)

    size = encode.size + decode.size
    sample_dim = cfg.latent + (0 if image else features)
    return Estimator(init, log_prob, sample, (cfg.latent,), sample_dim, size, log_weight)


def gaussian(spec: Spec, cfg: EstimatorConfig) -> Estimator:
    """N(c, I) with a learnable mean c = phi: too weak for two modes (paper appendix B)."""
    features = math.prod(spec.x_shape)

    def init(generator: torch.Generator) -> Tensor:
        return torch.zeros(features)

    def log_prob(phi: Tensor, x: Tensor, eps: Tensor) -> Tensor:
        return -((x.flatten(1) - phi).square() + math.log(2 * math.pi)).sum(-1) / 2

    def sample(phi: Tensor, z: Tensor) -> Tensor:
        return (phi + z[..., :features]).view(-1, *spec.x_shape)

    return Estimator(init, log_prob, sample, (0,), features, features)


MOG_SPREAD, MOG_STD = 1.0, 0.3  # of the first means, and the first widths, data units


def mog(spec: Spec, cfg: EstimatorConfig) -> Estimator:
    """A mixture of isotropic Gaussians with learnable means, widths and weights; exact density.

    phi = means (C * D), log standard deviations (C), unnormalised log weights (C). Not of the
    paper, which hopes for more powerful estimators (section 6).
    """
    features, count = math.prod(spec.x_shape), cfg.components
    sizes = [count * features, count, count]

    def init(generator: torch.Generator) -> Tensor:
        means = MOG_SPREAD * torch.randn(count * features, generator=generator)
        widths = torch.full((count,), math.log(MOG_STD))
        return torch.cat([means, widths, torch.zeros(count)])

    def log_prob(phi: Tensor, x: Tensor, eps: Tensor) -> Tensor:
        means, log_std, weights = phi.split(sizes)
        means, x = means.view(count, features), x.flatten(1)
        # Squared distances as sums of products: (B, C) without a (B, C, D) in between.
        squares = x.square().sum(1, keepdim=True) - 2 * x @ means.T + means.square().sum(1)
        log_norm = features * (log_std + math.log(2 * math.pi) / 2)
        log_joint = torch.log_softmax(weights, 0) - log_norm - squares * torch.exp(-2 * log_std) / 2
        return torch.logsumexp(log_joint, 1)

    def sample(phi: Tensor, z: Tensor) -> Tensor:
        means, log_std, weights = phi.split(sizes)
        edges = torch.softmax(weights, 0).cumsum(0)
        index = torch.searchsorted(edges, torch.special.ndtr(z[..., 0]).contiguous())
        index = index.clamp(max=count - 1)
        noise = z[..., 1 : 1 + features] * log_std.exp()[index][..., None]
        return (means.view(count, features)[index] + noise).view(-1, *spec.x_shape)

    return Estimator(init, log_prob, sample, (0,), 1 + features, sum(sizes))


BUILDERS = {"vae": vae, "gaussian": gaussian, "mog": mog}
