"""Optimisers against torch.optim and against their definition."""

from __future__ import annotations

import math

import pytest
import torch

from methods.optim import adam, clip_by_norm, init_players, sgd


@pytest.mark.parametrize("beta1", [0.5, 0.9])
def test_adam_equals_torch(beta1):
    torch.manual_seed(0)
    start, grads = torch.randn(20, dtype=torch.float64), torch.randn(30, 20, dtype=torch.float64)
    theirs = torch.nn.Parameter(start.clone())
    reference = torch.optim.Adam([theirs], lr=0.01, betas=(beta1, 0.99), eps=1e-8)
    optimiser = adam(beta1, 0.99)
    ours, opt = start, optimiser.init(start)
    for grad in grads:
        theirs.grad = grad
        reference.step()
        ours, opt = optimiser.update(ours, opt, grad, 0.01)
    torch.testing.assert_close(ours, theirs.detach(), rtol=1e-12, atol=1e-14)  # float64 rounding


def test_adam_with_epsilon_inside_the_root_by_hand():
    """The authors' estimator: phi -= lr sqrt(1 - b2) / (1 - b1) m / sqrt(v + eps) at t = 1."""
    g, b1, b2, eps = 2e-4, 0.5, 0.999, 1e-8
    optimiser = adam(b1, b2, eps=0.0, eps_root=eps)
    phi = torch.zeros(1, dtype=torch.float64)
    phi, _ = optimiser.update(phi, optimiser.init(phi), torch.full_like(phi, g), 3e-4)
    m, v = (1 - b1) * g, (1 - b2) * g**2
    expected = -3e-4 * math.sqrt(1 - b2) / (1 - b1) * m / math.sqrt(v + eps)
    assert abs(phi.item() - expected) < 1e-15


def test_detached_v_has_the_same_value_and_another_gradient():
    def after(grad, detach):
        optimiser = adam(eps_root=1e-8, detach_v=detach)
        return optimiser.update(grad * 0, optimiser.init(grad), grad, 0.1)[0].sum()

    grad = torch.tensor([0.3, -0.2])
    assert torch.equal(after(grad, True), after(grad, False))
    slopes = [torch.func.grad(after)(grad, detach) for detach in (True, False)]
    assert not torch.allclose(*slopes)


def test_sgd_step():
    params, _ = sgd().update(torch.tensor([1.0]), {}, torch.tensor([2.0]), 0.25)
    assert params.item() == 0.5


def test_clip_by_norm():
    grad = torch.tensor([3.0, 4.0])
    assert torch.equal(clip_by_norm(grad, 10.0), grad)
    assert torch.allclose(clip_by_norm(grad, 1.0), grad / 5)
    assert torch.equal(clip_by_norm(grad, 0.0), grad)


def test_a_player_starts_the_same_beside_any_other():
    draw = lambda g: torch.rand(3, generator=g)  # noqa: E731
    alone = init_players(1, {"theta": (draw, adam())})
    beside = init_players(1, {"psi": (draw, adam()), "theta": (draw, adam())})
    assert torch.equal(alone["theta"], beside["theta"])
    assert not torch.equal(beside["psi"], beside["theta"])
