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
    "relativistic": (losses.relativistic(REAL, FAKE), (sp(-0.5) + sp(5)) / 2),
    "wasserstein_psi": (losses.wasserstein_psi(REAL, FAKE), 1.75 + 0.5),
    "hinge_psi": (losses.hinge_psi(REAL, FAKE), (0 + 3) / 2 + (1.5 + 4) / 2),
    "linear_theta": (losses.linear_theta(FAKE), -1.75),
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
        lambda bad: losses.relativistic(bad, REAL),
        lambda bad: losses.wasserstein_psi(REAL, bad),
        lambda bad: losses.hinge_psi(bad, FAKE),
        lambda bad: losses.linear_theta(bad),
        lambda bad: losses.with_slopes(lambda x: x, bad),
    ],
)
def test_column_of_logits_is_refused(call):
    with pytest.raises(ValueError, match=r"\(B,\), got \(2, 1\)"):
        call(FAKE[:, None])


def test_slopes_by_hand():
    """D(x) = w.x + |x|^2 / 2 has the gradient w + x."""
    w, x = torch.tensor([1.0, -2.0]), torch.tensor([[0.5, 0.0], [1.0, 3.0]])
    logits, slopes = losses.with_slopes(lambda x: x @ w + x.square().sum(1) / 2, x)
    torch.testing.assert_close(logits, torch.tensor([0.625, 0.0]))
    torch.testing.assert_close(slopes, torch.tensor([1.5**2 + 4, 4.0 + 1]))
