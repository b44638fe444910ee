"""Students in closed form: their refits by hand, and the gradient through them."""

from __future__ import annotations

import math

import pytest
import torch
from conftest import batch, build, flat
from test_estimators import CASES, REFITTED, SPEC, make, points

from methods import estimators, lbt
from methods.base import Spec


def draws(seed: int, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def closed(estimator: str, **settings) -> estimators.Estimator:
    return estimators.build(SPEC, estimators.EstimatorConfig(estimator=estimator, **settings))


@pytest.mark.parametrize("name", REFITTED)
def test_the_gradient_through_two_refits_against_finite_differences(name):
    """What G's samples get: both batches reach the outer loss."""
    estimator, phi = make(name)
    generator = torch.Generator().manual_seed(5)
    xs, data = points(name, generator, 2, 7), points(name, generator, 6)

    def outer(xs):
        fitted = phi
        for x in xs.unbind():
            fitted = estimator.refit(fitted, x)
        return -estimator.log_prob(fitted, data, torch.zeros(6, 0)).mean()

    with torch.enable_grad():
        assert torch.autograd.gradcheck(outer, xs.requires_grad_())
    assert (torch.func.grad(outer)(xs.detach()) != 0).all()


@pytest.mark.parametrize("name", REFITTED)
@pytest.mark.parametrize("x_shape", [(1,), (3,), (2, 4, 4)])
def test_points_of_any_shape(name, x_shape):
    spec = Spec(x_shape, 40, 8)
    estimator = estimators.build(spec, estimators.EstimatorConfig(**CASES[name]))
    x = torch.rand(8, *x_shape)
    phi = estimator.refit(estimator.init(torch.Generator().manual_seed(0)), x)
    assert phi.shape == (estimator.size,)
    assert estimator.log_prob(phi, x, torch.zeros(8, 0)).isfinite().all()
    z = torch.randn(8, estimator.sample_dim)
    assert estimator.sample(phi, z).shape == (8, *x_shape)


@pytest.mark.parametrize("name", REFITTED)
def test_the_refit_of_the_generators_update_is_kept(name):
    """With M = 0 and K = 1 the student's new phi is its refit to the very batch that taught G."""
    settings = CASES[name] | {"M": 0, "K": 1}
    method, spec = build("lbt", **settings)
    old, inputs = method.init(0), batch(method, spec)
    new, logs = method.step(old, inputs)
    cfg = estimators.EstimatorConfig(**CASES[name])
    estimator = estimators.build(spec, cfg)
    x_g = method.sample(old, inputs["z_unroll"][0])
    phi = estimator.refit(old["phi"], x_g)
    torch.testing.assert_close(new["phi"], phi)
    loss = -estimator.log_prob(phi, inputs["x"], inputs["eps_x"]).mean()
    torch.testing.assert_close(logs["loss_theta"], loss)
    assert "opt_phi" not in new


@pytest.mark.parametrize("name", REFITTED)
@pytest.mark.parametrize("method", ["lbt_gan", "vae"])
def test_other_methods_take_it(name, method):
    built, spec = build(method, **CASES[name])
    old = built.init(0)
    new, logs = built.step(old, batch(built, spec))
    assert all(value.isfinite() for value in logs.values())
    assert all(not torch.equal(v, flat(old)[k]) for k, v in flat(new).items())
    assert built.sample(new, torch.randn(5, spec.z_dim)).shape == (5, 2)


@pytest.mark.parametrize("name", REFITTED)
def test_an_implicit_hypergradient_is_refused(name):
    cfg = lbt.LBTConfig(**CASES[name], hypergradient="implicit")
    with pytest.raises(ValueError, match="has no Hessian"):
        lbt.student(SPEC, cfg)


def test_em_step_by_hand():
    """Three points, two components of weight 1/2 and variance start_std^2, rho = 1/4."""
    estimator = closed("em", components=2, start_std=0.5, rho=0.25, dead=1e-6)
    phi = 2e6 * estimator.init(torch.Generator().manual_seed(0)).double()
    means = phi.view(2, 4)[:, 1:3] * 2
    x = draws(1, 3, 2)
    distance = (x[:, None] - means).square().sum(-1)
    r = torch.softmax(-distance / (2 * 0.25), 1)
    weight = 0.75 / 2 + 0.25 * r.mean(0)
    first = 0.75 / 2 * means + 0.25 * torch.einsum("ic,id->cd", r, x) / 3
    square = 0.75 / 2 * (means.square().sum(1) + 2 * 0.25)
    square += 0.25 * (r * x.square().sum(1, keepdim=True)).mean(0)
    mean = first / weight[:, None]
    std = ((square / weight - mean.square().sum(1)) / 2).sqrt()
    parts = [
        torch.distributions.Normal(mean[c], std[c]).log_prob(x).sum(1) + weight[c].log()
        for c in (0, 1)
    ]
    found = estimator.log_prob(estimator.refit(phi, x), x, torch.zeros(3, 0))
    # float32 rounding of the start
    torch.testing.assert_close(found, torch.logaddexp(*parts), rtol=1e-6, atol=1e-6)


def test_the_first_samples_place_every_component():
    """However far from the start they are: here where only one component would see them."""
    estimator = closed("em", components=6)
    phi = estimator.init(torch.Generator().manual_seed(0))
    x = (draws(2, 8, 2) + 100).float()
    means = estimator.refit(phi, x).view(6, 4)
    means = means[:, 1:3] / means[:, :1]
    assert torch.cdist(means, x).min(1).values.max() < 3
    assert len(means.unique(dim=0)) == 6


def test_without_memory_em_climbs_the_likelihood():
    """rho = 1 is plain EM, whose steps never lose likelihood on a fixed sample."""
    estimator = closed("em", components=4, rho=1.0, dead=1e-9, min_std=1e-3)
    phi = estimator.init(torch.Generator().manual_seed(1)).double() / 1e-9
    x, values = draws(3, 50, 2), []
    for _ in range(20):
        values.append(estimator.log_prob(phi, x, torch.zeros(50, 0)).mean())
        phi = estimator.refit(phi, x)
    assert all(b >= a - 1e-9 for a, b in zip(values, values[1:], strict=False))
    assert values[-1] > values[0] + 0.1


def test_em_fits_two_clusters():
    """On a fixed sample the fit gets better, ends near the truth and stays there."""
    estimator, phi = make("em")
    x = 0.3 * draws(0, 400, 2)
    x[:200] += 3
    held_out = torch.cat([0.3 * draws(1, 500, 2) + 3, 0.3 * draws(2, 500, 2)])
    found = []
    for _ in range(40):
        phi = estimator.refit(phi, x)
        found.append(estimator.log_prob(phi, held_out, torch.zeros(1000, 0)).mean())
    entropy = math.log(2) + math.log(2 * math.pi * math.e * 0.09)  # of the clusters
    assert found[-1] > found[0] and abs(found[-1] - found[-2]) < 1e-2
    assert -entropy - 0.3 < found[-1] < -entropy + 0.1  # 400 points; 1,000 held out


def test_a_dead_component_starts_anew_at_a_sample():
    """Component 1 of 3 has a millionth of the weight; its sample is the second."""
    estimator = closed("em", components=3, rho=0.5, dead=0.01)
    phi = 200 * estimator.init(torch.Generator().manual_seed(0)).double().view(3, 4)
    s = phi.clone()
    s[1] *= 1e-6
    x = draws(4, 5, 2) * 0.1 + phi[0, 1:3] * 3  # all around component 0
    kept, revived = (estimator.refit(t.flatten(), x).view(3, 4) for t in (phi, s))
    assert abs(revived[1, 0] - 1 / 3) < 1e-9
    torch.testing.assert_close(revived[1, 1:3] * 3, x[1])
    variances = revived[:, 3] / revived[:, 0] - (revived[:, 1:3] / revived[:, :1]).square().sum(1)
    variances = variances / 2
    others = revived[[0, 2], 0] * variances[[0, 2]]
    # As wide as the others on average: component 1 had next to no weight in that.
    assert abs(variances[1] - others.sum() / revived[[0, 2], 0].sum()) < 1e-4
    torch.testing.assert_close(revived[0], kept[0], rtol=0, atol=1e-3)


def test_variances_stay_above_the_floor():
    estimator = closed("em", components=1, rho=1.0, min_std=0.2)
    phi = estimator.init(torch.Generator().manual_seed(0)).double()
    x = torch.ones(4, 2, dtype=torch.float64)
    phi = estimator.refit(phi, x)
    peak = estimator.log_prob(phi, x[:1], torch.zeros(1, 0)).item()
    assert abs(peak + math.log(2 * math.pi * 0.2**2)) < 1e-9


def leave_one_out(h: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Mean log-density of every point under kernels on the others, term by term."""
    total = torch.zeros((), dtype=x.dtype)
    for i, point in enumerate(x):
        others = torch.cat([x[:i], x[i + 1 :]])
        kernel = torch.distributions.Normal(others, h)
        total = total + torch.logsumexp(kernel.log_prob(point).sum(1), 0) - math.log(len(others))
    return total / len(x)


def test_kde_width_is_the_best_by_leaving_one_out():
    """Where it comes to rest against a search over all widths, and on the way always uphill."""
    estimator = closed("kde", kernels=30, start_width=3.0)
    x = draws(6, 30, 2) * torch.tensor([1.0, 0.2])
    phi, values = estimator.init(torch.Generator().manual_seed(0)).double(), []
    for _ in range(200):
        phi = estimator.refit(phi, x)
        values.append(leave_one_out(phi[0], x))
    assert all(b >= a - 1e-12 for a, b in zip(values, values[1:], strict=False))
    best = 10 ** torch.tensor(-0.5, dtype=torch.float64)
    for decades in (1.5, 0.05):  # to either side
        widths = best * torch.logspace(-decades, decades, 101, dtype=torch.float64)
        best = widths[torch.stack([leave_one_out(h, x) for h in widths]).argmax()]
    assert abs(phi[0] / best - 1) < 2e-3  # the search's spacing
    torch.testing.assert_close(phi[1:].view(30, 2), x)


def test_kde_density_by_hand():
    estimator = closed("kde", kernels=3)
    centres, x = draws(7, 3, 2), draws(8, 5, 2)
    phi = torch.cat([torch.tensor([0.4]), centres.flatten()])
    kernel = torch.distributions.Normal(centres, 0.4)
    expected = kernel.log_prob(x[:, None]).sum(-1).exp().mean(1).log()
    found = estimator.log_prob(phi.double(), x, torch.zeros(5, 0))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)  # 0.4 was rounded to float32


@pytest.mark.parametrize("kernels", [4, 6, 10])
def test_kde_keeps_the_newest_samples(kernels):
    estimator = closed("kde", kernels=kernels)
    phi = estimator.init(torch.Generator().manual_seed(0)).double()
    before, x = phi[1:].view(kernels, 2), draws(9, 6, 2)
    after = estimator.refit(phi, x)[1:].view(kernels, 2)
    assert torch.equal(after, torch.cat([x, before])[:kernels])


def test_kde_width_stays_above_the_floor():
    estimator = closed("kde", kernels=4, min_width=0.05)
    phi = estimator.init(torch.Generator().manual_seed(0)).double()
    x = torch.ones(4, 2, dtype=torch.float64)
    for _ in range(3):
        phi = estimator.refit(phi, x)
    assert abs(phi[0] - 0.05) < 1e-9
