"""LSGAN (Mao et al. 2017): GAN with least-squares losses on the raw discriminator output.

Codes a = 0, b = c = 1, as in the authors' mixture experiment; their paper's other scheme is
(-1, 1, 0).

Departures: batch means where their code sums (a constant factor that Adam cancels); Glorot instead
of orthogonal initialisation, as for every method here.
"""

from __future__ import annotations

from methods import losses
from methods.base import Method, Spec
from methods.gan import AdversarialConfig, Losses, adversarial


class LSGANConfig(AdversarialConfig):
    """Settings of LSGAN: those of every adversarial method."""


def build(spec: Spec, cfg: LSGANConfig) -> Method:
    """GAN with the losses of Mao et al. (2017), Eq. 2."""
    return adversarial(spec, cfg, Losses(losses.lsgan_psi, losses.lsgan_theta))
