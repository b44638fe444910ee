"""``em``: a mixture of isotropic Gaussians refitted by one step of online EM: nothing to unroll.

The inner problem of Eq. 1 is a fit by maximum likelihood,

    phi*(theta) = argmax_phi E_z[log p_E(G(z; theta); phi)],

and for an exponential family with a latent, here the component c, it has a classical step without a
step size (Dempster et al. 1977; online: Cappe & Moulines 2009). With the sufficient statistics
t(x) = (1, x, |x|^2) of a component, phi holds their averages s_c, and one batch x_1 ... x_B of
G's samples moves them by

    r_ic = p_E(c | x_i; phi)                                               E-step
    s_c <- (1 - rho) s_c + rho mean_i r_ic t(x_i)                          memory of 1 / rho batches
    weight_c = s_c0, mean_c = s_c1 / s_c0, D var_c = s_c2 / s_c0 - |mean_c|^2      M-step

This is differentiable in the samples, responsibilities included, so that one VJP gives the
hypergradient where Eq. 5 unrolls K gradient steps. A component whose weight has fallen below
``dead`` of an even share starts anew: at a sample, as wide as components are on average, with an
even share. All start with less than that, so that the first samples place them, wherever those lie.

Relatives: a mixture taught by gradient steps is ``mog``. With one component for every sample it is
a Parzen window, whose gradient for ever narrower kernels is that of implicit maximum likelihood (Li
& Malik 2018): each data point pulls the sample nearest to it. MMD (``methods/mmd.py``) compares the
two samples by a kernel, without a density of either.

Departures: not of the paper, which hopes for more powerful estimators (section 6). Variances are
held above a floor. A variance is a small difference of second moments: float32 leaves an error of
1e-7 times |x|^2 in it. Where data lie far from all samples, as pixels do at first, a wide component
that no sample has reached lately may explain them, and G learns nothing until it starts anew.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from methods.base import Spec, later
from methods.estimators import mog
from methods.estimators.base import Estimator


class EMConfig(mog.MixtureConfig):
    """Settings of ``em``, besides those of ``mog``."""

    rho: float = later(0.3, gt=0, le=1)  # share of the newest batch in the statistics
    # share of an even weight below which a component restarts
    dead: float = later(0.01, gt=0, lt=1)
    min_std: float = later(0.01, gt=0)  # least std of a component, coordinates times Spec.scale


def build(spec: Spec, cfg: EMConfig) -> Estimator:
    """phi = s (C * (2 + D)), in order s_c0, s_c1, s_c2 of every component.

    The means start as draws from N(0, I), the weights even, and light.
    """
    features, count = math.prod(spec.x_shape), cfg.components
    shape = (count, 2 + features)

    def init(generator: torch.Generator) -> Tensor:
        means = torch.randn(count, features, generator=generator)
        return cfg.dead / 2 * spread(means, torch.tensor(cfg.start_std**2)).flatten()

    def spread(means: Tensor, variance: Tensor) -> Tensor:
        """s of components at those means, all of one variance and an even share of weight."""
        s = statistics(means)
        return torch.cat([s[:, :-1], s[:, -1:] + features * variance], 1) / count

    def components(s: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Means (C, D), variances (C) and weights (C)."""
        weights, first, second = s[:, 0], s[:, 1:-1], s[:, -1]
        means = first / weights[:, None]
        variances = (second / weights - means.square().sum(1)) / features
        return means, variances.clamp(min=cfg.min_std**2), weights / weights.sum()

    def log_joint(s: Tensor, x: Tensor) -> Tensor:
        means, variances, weights = components(s)
        return mog.log_joint(x, means, variances.log() / 2, weights.log())

    def refit(phi: Tensor, x: Tensor) -> Tensor:
        s, x = phi.view(shape), x.flatten(1)
        r = torch.softmax(log_joint(s, x), 1)
        s = torch.lerp(s, r.T @ statistics(x) / len(x), cfg.rho)
        _, variances, weights = components(s)
        samples = x.repeat(-(-count // len(x)), 1)[:count]
        fresh = spread(samples, (weights * variances).sum())
        return torch.where(s[:, :1] < cfg.dead / count, fresh, s).flatten()

    def log_prob(phi: Tensor, x: Tensor, eps: Tensor) -> Tensor:
        return torch.logsumexp(log_joint(phi.view(shape), x.flatten(1)), 1)

    def sample(phi: Tensor, z: Tensor) -> Tensor:
        means, variances, weights = components(phi.view(shape))
        return mog.draw(z, means, variances.log() / 2, weights).view(-1, *spec.x_shape)

    size = math.prod(shape)
    return Estimator(init, log_prob, sample, (0,), 1 + features, size, refit=refit)


def statistics(x: Tensor) -> Tensor:
    """t(x) = (1, x, |x|^2): (B, D) -> (B, 2 + D)."""
    return torch.cat([torch.ones_like(x[:, :1]), x, x.square().sum(1, keepdim=True)], 1)
