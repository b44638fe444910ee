"""``kde``: a kernel density estimate on G's own samples: no mixture to fit, one width to learn.

    log p_E(x; phi) = log 1/N sum_j N(x; c_j, h^2 I),    phi = (h, c_1 ... c_N)

The kernels c_j are the newest N of G's samples, in which p_E is differentiable, so that Eq. 1's
inner problem is solved up to h by taking the samples themselves. h maximises the same likelihood
with every sample left out of its own density (Habbema et al. 1974; without that h = 0 would be
best), by the step that EM has for a mixture whose components share one variance: with

    r_ij = softmax over j != i of -|x_i - c_j|^2 / (2 h^2)
    h^2 <- mean_i sum_j r_ij |x_i - c_j|^2 / D

no step lowers that likelihood, and there is no step size. One step is made per batch of samples;
the last h is the start, the gradient flows through it.

Relatives: a Parzen window (Parzen 1962) judged generators before (Goodfellow et al. 2014, by a
width chosen on held-out data); here it teaches one. As h goes to 0, the gradient of log p_E at a
data point moves the nearest sample to it: implicit maximum likelihood (Li & Malik 2018). MMD has
the same kernel and samples, and compares means of kernels where this takes a logarithm at every
data point: a point far from all samples counts. ``em`` is this with fewer, fitted kernels.

Departures: not of the paper, which hopes for more powerful estimators (section 6). h is held above
a floor. Squared distances are differences of large products, as in ``mog``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from methods.base import MethodConfig, Spec, later
from methods.estimators import mog
from methods.estimators.base import Estimator


class KDEConfig(MethodConfig):
    """Settings of ``kde``."""

    kernels: int = later(1024, ge=2)  # N; beyond one batch, of earlier ones, without a gradient
    start_width: float = later(0.3, gt=0)  # width h at first, coordinates times Spec.scale
    min_width: float = later(0.01, gt=0)  # least h, likewise


def build(spec: Spec, cfg: KDEConfig) -> Estimator:
    """phi = h (1), centres (N * D), which start as draws from N(0, I)."""
    features, count = math.prod(spec.x_shape), cfg.kernels

    def init(generator: torch.Generator) -> Tensor:
        centres = torch.randn(count * features, generator=generator)
        return torch.cat([torch.tensor([cfg.start_width]), centres])

    def log_joint(h: Tensor, centres: Tensor, x: Tensor) -> Tensor:
        """log of the N terms of the sum, (B, N)."""
        log_weights = h.new_full((count,), -math.log(count))
        return mog.log_joint(x, centres, h.log().expand(count), log_weights)

    def split(phi: Tensor) -> tuple[Tensor, Tensor]:
        h, centres = phi.split([1, count * features])
        return h, centres.view(count, features)

    def refit(phi: Tensor, x: Tensor) -> Tensor:
        h, centres = split(phi)
        x = x.flatten(1)[:count]
        centres = torch.cat([x, centres])[:count]
        own = torch.eye(len(x), count, dtype=torch.bool, device=x.device)
        r = torch.softmax(log_joint(h, centres, x).masked_fill(own, -torch.inf), 1)
        # E_r |x - c|^2 from the first two moments of c under r.
        moments = r @ torch.cat([centres, centres.square().sum(1, keepdim=True)], 1)
        first, second = moments.split([features, 1], 1)
        distance = x.square().sum(1) - 2 * (x * first).sum(1) + second.squeeze(1)
        variance = distance.mean(0, keepdim=True) / features
        return torch.cat([variance.clamp(min=cfg.min_width**2).sqrt(), centres.flatten()])

    def log_prob(phi: Tensor, x: Tensor, eps: Tensor) -> Tensor:
        return torch.logsumexp(log_joint(*split(phi), x.flatten(1)), 1)

    def sample(phi: Tensor, z: Tensor) -> Tensor:
        h, centres = split(phi)
        weights = h.new_full((count,), 1 / count)
        return mog.draw(z, centres, h.log().expand(count), weights).view(-1, *spec.x_shape)

    size = 1 + count * features
    return Estimator(init, log_prob, sample, (0,), 1 + features, size, refit=refit)
