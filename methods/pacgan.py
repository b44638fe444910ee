"""PacGAN (Lin et al. 2017): GAN whose discriminator judges m samples of one class at a time.

Packs concatenate coordinates (image channels); only the first layer of D grows. Real packs are m
independent data batches side by side, fake packs m independent noise draws; B counts packs.

Departures: the networks, step sizes and alternation of the other methods here, instead of PacGAN's
four-layer batch-normalised generator, maxout discriminator and simultaneous updates. On images G's
batch statistics are over all m B rows of a step. The LBT paper
does not state m for its own PacGAN runs; m = 2 is the degree PacGAN reports first.
"""

from __future__ import annotations

from pydantic import Field

from methods import losses
from methods.base import Method, Spec
from methods.gan import AdversarialConfig, Losses, adversarial


class PacGANConfig(AdversarialConfig):
    """Settings of PacGAN."""

    m: int = Field(2, ge=1)  # samples judged at a time; see Departures


def build(spec: Spec, cfg: PacGANConfig) -> Method:
    """GAN on packs of m."""
    return adversarial(spec, cfg, Losses(losses.gan_psi, losses.gan_theta), pack=cfg.m)
