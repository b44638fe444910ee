"""Adversarial losses by hand, and their refusal of shapes that would broadcast."""

from __future__ import annotations

import math

import pytest
import torch

from methods import losses

REAL, FAKE = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0])


def sp(t: float) -> float:
    return math.log(1 + math.exp(t))


CASES = {
    "gan_psi": (losses.gan_psi(REAL, FAKE), (sp(-1) + sp(2)) / 2 + (sp(0.5) + sp(3)) / 2),
    "gan_theta": (losses.gan_theta(FAKE), (sp(-0.5) + sp(-3)) / 2),
    "gan_theta_saturating": (losses.gan_theta_saturating(FAKE), -(sp(0.5) + sp(3)) / 2),
    "lsgan_psi": (losses.lsgan_psi(REAL, FAKE), ((0 + 9) / 2 + (0.25 + 9) / 2) / 2),
    "lsgan_theta": (losses.lsgan_theta(FAKE), (0.25 + 4) / 2 / 2),
}


@pytest.mark.parametrize("name", CASES)
def test_value_by_hand(name):
    ours, expected = CASES[name]
    assert abs(ours.item() - expected) < 1e-6  # float32


@pytest.mark.parametrize(
    "call",
    [
        lambda bad: losses.gan_psi(REAL, bad),
        lambda bad: losses.gan_psi(bad, FAKE),
        lambda bad: losses.gan_theta(bad),
        lambda bad: losses.gan_theta_saturating(bad),
        lambda bad: losses.lsgan_psi(REAL, bad),
        lambda bad: losses.lsgan_theta(bad),
    ],
)
def test_column_of_logits_is_refused(call):
    with pytest.raises(ValueError, match=r"\(B,\), got \(2, 1\)"):
        call(FAKE[:, None])
