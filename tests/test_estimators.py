"""What every explicit estimator keeps to: a density (or a bound on one), and samples from it."""

from __future__ import annotations

import importlib
import math
import sys

import pytest
import torch
from conftest import batch, build, flat
from torch.func import grad_and_value

from benchmark.core.modules import config_class
from methods import REGISTRY, estimators
from methods.base import Spec
from methods.estimators.base import Estimator
from methods.optim import adam
from methods.unroll import inner_problem, unroll

SPEC = Spec((2,), 40, 8)
PICTURES = Spec((2, 4, 4), 40, 8)
SMALL_VAE = {"estimator": "vae", "latent": 2, "hidden": "8-8", "variance": 0.3}
CASES = {
    "vae": SMALL_VAE,
    "vae, variance learned": SMALL_VAE | {"learn_variance": True},
    "vae, three draws": SMALL_VAE | {"draws": 3},
    "gaussian": {"estimator": "gaussian"},
    "mog": {"estimator": "mog", "components": 5},
    "flow": {"estimator": "flow", "layers": 3, "units": 6},
    "em": {"estimator": "em", "components": 5, "min_std": 0.1},
    "kde": {"estimator": "kde", "kernels": 12},
}
REFITTED = ("em", "kde")  # in closed form; what is theirs alone: test_closed_form.py
EXACT = ("gaussian", "mog", "flow", *REFITTED)
BOUNDS = tuple(name for name in CASES if name not in EXACT)
SMALL_CONV_VAE = {"estimator": "conv_vae", "latent": 2, "channels": 2, "variance": 0.3}
SMALL_PIXELCNN = {"estimator": "pixelcnn", "maps": 4, "blocks": 1, "variance": 0.3}
BERNOULLI = {"likelihood": "bernoulli"}
OF_IMAGES = {  # what is theirs alone: test_image_estimators.py
    "conv_vae": SMALL_CONV_VAE | BERNOULLI,
    "conv_vae, gaussian, three draws": SMALL_CONV_VAE | {"draws": 3},
    "pixelcnn": SMALL_PIXELCNN | BERNOULLI,
    "pixelcnn, variance learned": SMALL_PIXELCNN | {"learn_variance": True},
}
ALL = sorted(CASES | OF_IMAGES)


def make(name: str, spec: Spec | None = None) -> tuple[Estimator, torch.Tensor]:
    """An estimator in double precision, its parameters away from their start; of points (2,) or of
    small images, unless told otherwise.
    """
    spec = spec or (PICTURES if name in OF_IMAGES else SPEC)
    estimator = estimators.build(spec, estimators.EstimatorConfig(**(CASES | OF_IMAGES)[name]))
    generator = torch.Generator().manual_seed(0)
    phi = estimator.init(generator).double()
    if estimator.refit is not None:
        return estimator, estimator.refit(phi, points(name, generator, 8))
    return estimator, phi + 0.2 * torch.randn(phi.shape, generator=generator).double()


def points(name: str, generator: torch.Generator, *shape: int) -> torch.Tensor:
    """Points (*shape, *x_shape) in double precision: normals, or pixels in [0, 1]."""
    if name in OF_IMAGES:
        return torch.rand(*shape, *PICTURES.x_shape, generator=generator).double()
    return torch.randn(*shape, *SPEC.x_shape, generator=generator).double()


def square(half: float, n: int) -> tuple[torch.Tensor, float]:
    """Points (n * n, 2) of a grid over a square, and the area each stands for."""
    axis = torch.linspace(-half, half, n, dtype=torch.float64)
    return torch.cartesian_prod(axis, axis), (2 * half / (n - 1)) ** 2


def test_every_estimator_is_covered():
    cases = CASES | OF_IMAGES
    assert {case["estimator"] for case in cases.values()} == set(estimators.BUILDERS)


@pytest.mark.parametrize("method", ["lbt", "lbt_gan", "vae"])
def test_settings_of_one_name_are_one_setting(method):
    """Estimators share a settings class, and methods inherit it: a name in two of them with another
    type, default or limit would hide one of the two.
    """
    merged = config_class(importlib.import_module(REGISTRY[method])).model_fields
    for build_one in estimators.BUILDERS.values():
        own = config_class(sys.modules[build_one.__module__]).model_fields
        assert {n: repr(merged[n]) for n in own} == {n: repr(field) for n, field in own.items()}


@pytest.mark.parametrize("name", EXACT)
def test_the_density_integrates_to_one(name):
    estimator, phi = make(name)
    x, area = square(12.0, 1201)
    mass = estimator.log_prob(phi, x, torch.zeros(len(x), 0)).exp().sum() * area
    assert abs(mass - 1) < 1e-6


@pytest.mark.parametrize("name", BOUNDS)
def test_the_bound_lies_below_the_density(name):
    """E exp(log weight) = p(x): the mean bound is below its log, and the masses add up to one."""
    estimator, phi = make(name)
    x, area = square(8.0, 81)
    generator = torch.Generator().manual_seed(1)
    eps = torch.randn(400, len(x), 2, generator=generator).double()
    weights = torch.stack([estimator.log_weight(phi, x, e) for e in eps])
    log_p = torch.logsumexp(weights, 0) - math.log(len(eps))
    near = x.norm(dim=1) < 2  # far away, 400 draws say little of the density
    eps = torch.randn(400, len(x), *estimator.noise, generator=generator).double()
    bounds = torch.stack([estimator.log_prob(phi, x, e) for e in eps])
    assert (bounds.mean(0) <= log_p + 0.02)[near].all()
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


@pytest.mark.parametrize("name", ALL)
def test_gradients_against_finite_differences(name):
    estimator, phi = make(name)
    x = points(name, torch.Generator().manual_seed(3), 6)
    eps = torch.randn(6, *estimator.noise, generator=torch.Generator().manual_seed(4)).double()
    with torch.enable_grad():
        assert torch.autograd.gradcheck(
            lambda p, x: estimator.log_prob(p, x, eps), (phi.requires_grad_(), x.requires_grad_())
        )


@pytest.mark.parametrize("name", sorted(CASES))
@pytest.mark.parametrize("method", ["lbt", "lbt_gan"])
def test_lbt_runs_with_it(name, method):
    built, spec = build(method, **CASES[name])
    old = built.init(0)
    new, logs = built.step(old, batch(built, spec))
    assert logs["loss_theta"].isfinite()
    assert all(not torch.equal(v, flat(old)[k]) for k, v in flat(new).items())


def test_more_draws_make_the_bound_tighter():
    (one, phi), (three, _) = make("vae"), make("vae, three draws")
    x = torch.randn(200, 2, generator=torch.Generator().manual_seed(3)).double()
    eps = torch.randn(300, 200, 3, 2, generator=torch.Generator().manual_seed(4)).double()
    loose = torch.stack([one.log_prob(phi, x, e[:, 0]) for e in eps]).mean()
    tight = torch.stack([three.log_prob(phi, x, e) for e in eps]).mean()
    assert loose < tight


def test_what_an_estimator_is_not_for_is_said():
    config = estimators.EstimatorConfig
    with pytest.raises(ValueError, match="flow is for points of two or more"):
        estimators.build(Spec((1,), 3, 8), config(estimator="flow"))
    with pytest.raises(ValueError, match="bernoulli is for images"):
        estimators.build(SPEC, config(likelihood="bernoulli"))
    for name in ("vae", "conv_vae", "pixelcnn"):
        cfg = config(estimator=name, likelihood="bernoulli", learn_variance=True)
        with pytest.raises(ValueError, match="learn_variance needs likelihood=gaussian"):
            estimators.build(PICTURES, cfg)


@pytest.mark.parametrize("name", sorted(set(ALL) - set(REFITTED)))
def test_the_unrolled_hypergradient_against_finite_differences(name):
    """d/dx of the outer loss after two optimiser steps on x, in two coordinates of one point."""
    estimator, phi = make(name)
    generator = torch.Generator().manual_seed(5)
    xs = points(name, generator, 2, 4)
    eps = torch.randn(3, 4, *estimator.noise, generator=generator).double()
    data, eta = points(name, generator, 4), torch.tensor(0.01).double()

    def loss(phi, x, eps):
        return -estimator.log_prob(phi, x, eps).mean()

    optimiser = adam(eps=0.0, eps_root=1e-8)
    inner = inner_problem(loss, optimiser, lambda fn: fn)

    def outer(xs):
        phi_K, pull = unroll(inner, phi, optimiser.init(phi), xs.unbind(), eps[:2].unbind(), eta)
        lam, value = grad_and_value(loss)(phi_K, data, eps[2])
        return value, pull(lam)

    found = torch.stack(outer(xs)[1])
    for step in range(2):
        for coordinate in range(2):
            h = torch.zeros_like(xs)
            h[step, 1].view(-1)[coordinate] = 1e-5
            slope = (outer(xs + h)[0] - outer(xs - h)[0]) / 2e-5
            got = found[step, 1].flatten()[coordinate]
            torch.testing.assert_close(got, slope, rtol=1e-4, atol=1e-6)
