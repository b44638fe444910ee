"""What every explicit estimator keeps to: a density (or a bound on one), and samples from it."""

from __future__ import annotations

import math

import pytest
import torch
from conftest import batch, build, flat

from methods import estimators
from methods.base import Spec

SPEC = Spec((2,), 40, 8)
CASES = {
    "vae": {"latent": 2, "hidden": "8-8", "variance": 0.3},
    "gaussian": {},
    "mog": {"components": 5},
}
EXACT = ("gaussian", "mog")


def make(name: str) -> tuple[estimators.Estimator, torch.Tensor]:
    """An estimator in double precision, its parameters away from their start."""
    estimator = estimators.build(SPEC, estimators.EstimatorConfig(estimator=name, **CASES[name]))
    generator = torch.Generator().manual_seed(0)
    phi = estimator.init(generator).double()
    return estimator, phi + 0.2 * torch.randn(phi.shape, generator=generator).double()


def square(half: float, n: int) -> tuple[torch.Tensor, float]:
    """Points (n * n, 2) of a grid over a square, and the area each stands for."""
    axis = torch.linspace(-half, half, n, dtype=torch.float64)
    return torch.cartesian_prod(axis, axis), (2 * half / (n - 1)) ** 2


def test_every_estimator_is_covered():
    assert set(CASES) == set(estimators.BUILDERS)


@pytest.mark.parametrize("name", EXACT)
def test_the_density_integrates_to_one(name):
    estimator, phi = make(name)
    x, area = square(12.0, 1201)
    mass = estimator.log_prob(phi, x, torch.zeros(len(x), 0)).exp().sum() * area
    assert abs(mass - 1) < 1e-6


def test_the_bound_lies_below_the_density():
    """E exp(log weight) = p(x): the mean ELBO is below its log, and the masses add up to one."""
    estimator, phi = make("vae")
    x, area = square(8.0, 81)
    eps = torch.randn(400, len(x), 2, generator=torch.Generator().manual_seed(1)).double()
    weights = torch.stack([estimator.log_weight(phi, x, e) for e in eps])
    elbos = torch.stack([estimator.log_prob(phi, x, e) for e in eps])
    log_p = torch.logsumexp(weights, 0) - math.log(len(eps))
    near = x.norm(dim=1) < 2  # far away, 400 draws say little of the density
    assert (elbos.mean(0) <= log_p + 0.02)[near].all()
    assert abs(log_p.exp().sum() * area - 1) < 0.02  # 400 draws a point


@pytest.mark.parametrize("name", sorted(CASES))
def test_samples_agree_with_the_density(name):
    """Mean and covariance of samples against the density's, by quadrature."""
    estimator, phi = make(name)
    z = torch.randn(200_000, 40, generator=torch.Generator().manual_seed(2)).double()
    samples = estimator.sample(phi, z)
    x, area = square(10.0, 401)
    if name in EXACT:
        p = estimator.log_prob(phi, x, torch.zeros(len(x), 0)).exp() * area
    else:
        eps = torch.randn(60, len(x), 2, generator=torch.Generator().manual_seed(1)).double()
        log_w = torch.stack([estimator.log_weight(phi, x, e) for e in eps])
        p = (torch.logsumexp(log_w, 0) - math.log(len(eps))).exp() * area
    mean = (p[:, None] * x).sum(0)
    covariance = (p[:, None, None] * (x - mean)[:, :, None] * (x - mean)[:, None, :]).sum(0)
    tolerance = 0.03 if name in EXACT else 0.06  # 200,000 samples; 60 draws of the latent
    torch.testing.assert_close(samples.mean(0), mean, rtol=0, atol=tolerance)
    torch.testing.assert_close(torch.cov(samples.T), covariance, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", sorted(CASES))
def test_gradients_against_finite_differences(name):
    estimator, phi = make(name)
    x = torch.randn(6, 2, generator=torch.Generator().manual_seed(3)).double()
    eps = torch.randn(6, *estimator.noise, generator=torch.Generator().manual_seed(4)).double()
    with torch.enable_grad():
        assert torch.autograd.gradcheck(
            lambda p, x: estimator.log_prob(p, x, eps), (phi.requires_grad_(), x.requires_grad_())
        )


@pytest.mark.parametrize("name", sorted(CASES))
@pytest.mark.parametrize("method", ["lbt", "lbt_gan"])
def test_lbt_runs_with_it(name, method):
    built, spec = build(method, estimator=name, **CASES[name])
    old = built.init(0)
    new, logs = built.step(old, batch(built, spec))
    assert logs["loss_theta"].isfinite()
    assert all(not torch.equal(v, flat(old)[k]) for k, v in flat(new).items())
