"""Explicit density estimators E(x; phi): what the generator teaches.

An estimator is a density (or a lower bound on one) as pure functions on a flat vector phi, so
that LBT can differentiate through its training. One file each; to add one, write a file with a
settings class and ``build(spec, cfg) -> Estimator``, and enter both below.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from methods.base import Logs, Probe, Spec, State
from methods.estimators import conv_vae, em, flow, gaussian, kde, mog, pixelcnn, vae
from methods.estimators.base import Estimator, log_mean_exp

BUILDERS = {
    "vae": vae.build,
    "gaussian": gaussian.build,
    "mog": mog.build,
    "em": em.build,
    "kde": kde.build,
    "flow": flow.build,
    "conv_vae": conv_vae.build,
    "pixelcnn": pixelcnn.build,
}

Name = Literal["vae", "gaussian", "mog", "em", "kde", "flow", "conv_vae", "pixelcnn"]

# Of the probe below, (data points, draws of the latent); both are the same at every look.
PROBE_2D, PROBE_IMAGES = (1000, 25), (200, 10)


class EstimatorConfig(
    flow.FlowConfig,
    em.EMConfig,
    kde.KDEConfig,
    mog.MixtureConfig,
    conv_vae.ConvVAEConfig,
    vae.VAEConfig,
    pixelcnn.PixelCNNConfig,
):
    """Which estimator, and the settings of all of them."""

    # vae: paper section 5; gaussian: appendix B; the others are ours
    estimator: Name = "vae"


def build(spec: Spec, cfg: EstimatorConfig) -> Estimator:
    """The estimator that the settings ask for. Raises ValueError where it is not for such data."""
    return BUILDERS[cfg.estimator](spec, cfg)


def probe(spec: Spec, estimator: Estimator) -> Probe:
    """The objective of Eq. 1, E_p[log p_E(x; phi)], nats per point, at the state's phi, as a
    density of the data themselves (not of their scaled coordinates).

    data_elbo: its lower bound. data_iwae: the importance-weighted bound from the same draws of the
    latent (Burda et al. 2015), never below the former. Both are the exact value for an exact
    density.
    """
    points, draws = PROBE_2D if len(spec.x_shape) == 1 else PROBE_IMAGES
    weigh = estimator.log_weight
    if weigh is None:
        weigh, draws = estimator.log_prob, 1

    log_det = math.prod(spec.x_shape) * math.log(spec.scale)

    def measure(state: State, x: Tensor, eps: Tensor) -> Logs:
        log_w = torch.stack([weigh(state["phi"], x, e) for e in eps.unbind(1)]) + log_det
        return {"data_elbo": log_w.mean(), "data_iwae": log_mean_exp(log_w, 0).mean()}

    return Probe(points, (draws, *estimator.noise[-1:]), measure)
