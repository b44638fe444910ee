"""Implicit hypergradients against closed forms, and the small bilevel problems of ``theory``."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from conftest import batch, build, flat

from benchmark.artefacts import bilevel
from benchmark.artefacts import theory as artefact
from benchmark.cli import main
from methods import implicit, lbt
from methods.base import Spec


def identity(fn):
    return fn


def problem(P=6, N=5):
    """loss = phi' A phi / 2 - phi' mean(x): H = A, phi* = A^-1 mean(x), dphi*/dx = A^-1 / N."""
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(P, P, generator=generator, dtype=torch.float64)
    A = root @ root.T + torch.eye(P)
    x, v = (torch.randn(s, generator=generator, dtype=torch.float64) for s in ((N, P), (P,)))
    return (
        A,
        x,
        v,
        implicit.curvature(lambda phi, x, _: phi @ A @ phi / 2 - phi @ x.mean(0), identity),
    )


@pytest.mark.parametrize("damping", [0.0, 3.0])
def test_quadratic_closed_form(damping):
    A, x, v, bend = problem()
    phi = torch.linalg.solve(A, x.mean(0))
    w = implicit.solve(bend, phi, v, x, None, len(v), damping)
    expected = torch.linalg.solve(A + damping * torch.eye(len(v)), v)
    torch.testing.assert_close(w, expected)  # conjugate gradients end after P steps
    slopes = -bend.cross(phi, w, x, None)
    torch.testing.assert_close(slopes, (expected / len(x)).expand_as(x))


def test_fewer_steps_come_closer_with_each():
    A, x, v, bend = problem()
    exact = torch.linalg.solve(A, v)
    errors = []
    for steps in range(1, 6):
        gap = implicit.solve(bend, torch.zeros_like(v), v, x, None, steps, 0.0) - exact
        errors.append(gap @ A @ gap)  # in the norm in which the method is optimal
    assert all(b < a for a, b in zip(errors, errors[1:], strict=False))


def test_conjugate_gradients_stop_at_negative_curvature_and_at_the_solution():
    A = torch.diag(torch.tensor([4.0, 1.0, -1.0]))
    b = torch.tensor([1.0, 1.0, 1.0])
    steps = [implicit.conjugate_gradients(lambda p: A @ p, b, n) for n in (1, 2, 3, 30)]
    assert all(w.isfinite().all() for w in steps)
    assert torch.equal(steps[1], steps[3])  # b'Ab > 0, the second direction has none
    eye = implicit.conjugate_gradients(lambda p: p, b, 30)
    assert torch.equal(eye, b)
    assert not implicit.conjugate_gradients(lambda p: p, torch.zeros(3), 5).any()


def test_implicit_lbt_of_the_gaussian_estimator_by_hand():
    """E = N(c, 1): H = 1, dc*/dx_i = 1/N, so the gradient in either mean is (c - mean x) / 2 on
    average, whatever the samples are but for which mean they came from.
    """
    spec = Spec((1,), 3, 64)
    cfg = lbt.LBTConfig(
        nets="toy", estimator="gaussian", hypergradient="implicit", damping=0.0, K=1, clip_norm=0.0
    )
    student = lbt.student(spec, cfg)
    generator = torch.Generator().manual_seed(0)
    inputs = {n: torch.randn(s, generator=generator) for n, s in student.noise.items()}
    inputs["x"] = torch.randn(64, 1, generator=generator)
    theta, phi = torch.tensor([-3.1, -2.9]), torch.tensor([-3.0])
    found, value, _ = student.teach(theta, {"phi": phi, "opt_phi": {}}, inputs)
    share = (inputs["z_unroll"][0, :, 0] < 0).float().mean()
    slope = phi - inputs["x"].mean()
    torch.testing.assert_close(found, slope * torch.stack([share, 1 - share]))
    expected = (inputs["x"] - phi).square().mean() / 2 + 0.918939
    torch.testing.assert_close(value, expected)


IMPLICIT = {"hypergradient": "implicit", "cg_steps": 3}


@pytest.mark.parametrize("name", ["lbt", "lbt_gan"])
def test_implicit_step_is_pure_moves_everything_and_survives_vmap(name):
    method, spec = build(name, **IMPLICIT)
    states = [method.init(seed) for seed in (0, 1)]
    batches = [batch(method, spec, seed) for seed in (0, 1)]
    single, logs = method.step(states[0], batches[0])
    again, _ = method.step(states[0], batches[0])
    for key, value in flat(single).items():
        assert value.isfinite().all() and torch.equal(value, flat(again)[key])
        assert not torch.equal(value, flat(states[0])[key])
    stacked = torch.utils._pytree.tree_map(lambda *t: torch.stack(t), *states)
    inputs = torch.utils._pytree.tree_map(lambda *t: torch.stack(t), *batches)
    both, _ = torch.func.vmap(method.step)(stacked, inputs)
    # Rounding of batched products, and Adam's first step, a sign, where a gradient is nearly zero.
    torch.testing.assert_close(both["phi"][0], single["phi"], rtol=1e-3, atol=3e-5)
    assert (both["theta"][0] - single["theta"]).abs().median() < 1e-6


def test_the_implicit_gradient_is_another():
    (unrolled, spec), (other, _) = build("lbt"), build("lbt", **IMPLICIT)
    inputs = batch(unrolled, spec)
    first, second = (m.step(m.init(0), inputs)[0] for m in (unrolled, other))
    assert torch.equal(first["phi"], second["phi"])
    assert not torch.equal(first["theta"], second["theta"])


@pytest.mark.slow
def test_implicit_compiles_and_does_not_recompile():
    from benchmark.training.compile import Jit

    eager, spec = build("lbt", **IMPLICIT)
    jit = Jit()
    compiled = lbt.build(spec._replace(jit=jit), lbt.LBTConfig(M=2, K=2, **IMPLICIT))
    state, inputs = eager.init(0), batch(eager, spec)
    first, _ = compiled.step(state, inputs)
    torch.testing.assert_close(
        first["phi"], eager.step(state, inputs)[0]["phi"], rtol=1e-3, atol=3e-5
    )
    assert jit.active
    with torch._dynamo.config.patch(error_on_recompile=True):
        compiled.step(first, inputs)


@pytest.fixture(scope="module", params=sorted(bilevel.FAMILIES))
def found(request):
    with torch.no_grad():
        return bilevel.gradients(request.param, 12)


def error(a, b):
    return (a - b).norm(dim=1) / b.norm(dim=1)


def test_eq_4_is_the_gradient_of_the_bilevel_problem(found):
    """Finite differences through the inner optimum; their own error grows with the condition."""
    assert len(found.exact) >= 10 and len(found.exact) + found.rejected == 12
    assert error(found.exact, found.fd).median() < 1e-5


def test_unrolling_converges_to_eq_4_at_the_rate_of_the_hessian(found):
    """What is left after K steps of 1 / lambda_max is at most (1 - 1 / condition)^K of H's norm."""
    errors = [error(found.unrolled[k], found.exact).median() for k in (1, 5, 20, 100)]
    assert all(b < a for a, b in zip(errors, errors[1:], strict=False))
    easy = found.condition < 20
    assert (error(found.unrolled[200], found.exact)[easy] < 1e-2).all()


def test_conjugate_gradients_reach_eq_4_after_p_steps(found):
    assert error(found.cg[5], found.exact).median() < 1e-5
    assert error(found.cg[3], found.exact).median() > 1e-3


def test_one_step_is_eq_6(found):
    """K = 1 from the unroll, and its sign, against the closed form with the exact cross term."""
    again = torch.nn.functional.cosine_similarity(found.unrolled[1], found.exact)
    torch.testing.assert_close(again, found.gradient_theta)


def test_jacobians_agree_in_sign_as_below_eq_6(found):
    assert (found.jacobian_x > 0).all()


def test_gaussian_fit_is_the_optimum():
    x = torch.randn(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    phi = bilevel.gaussian_fit(x)
    slope = torch.func.grad(lambda p: bilevel.gaussian_log_prob(p, x).mean())(phi)
    assert slope.norm() < 1e-12
    covariance = torch.cov(x.T, correction=0)
    density = torch.distributions.MultivariateNormal(x.mean(0), covariance)
    torch.testing.assert_close(bilevel.gaussian_log_prob(phi, x), density.log_prob(x))


def test_mixture_log_prob_by_hand():
    phi = torch.tensor([0.3, -1.0, 2.0, 0.2, -0.4])
    x = torch.tensor([[0.0], [1.5]])
    weight = torch.sigmoid(phi[0])
    parts = [torch.distributions.Normal(phi[1 + i], (phi[3 + i] / 2).exp()) for i in (0, 1)]
    mixed = (1 - weight) * parts[0].log_prob(x).exp() + weight * parts[1].log_prob(x).exp()
    torch.testing.assert_close(bilevel.mixture_log_prob(phi, x), mixed.log().squeeze(1))


def test_the_theory_artefact_draws_without_runs(tmp_path, monkeypatch):
    monkeypatch.setitem(artefact.INSTANCES, "mixtures-batch-128", 6)
    assert (
        main(["--reproduce", "theory", "--preset", "mixtures-batch-128", "--out", str(tmp_path)])
        == 0
    )
    folder = tmp_path / "mixtures-batch-128" / "figures"
    assert {p.suffix for p in folder.iterdir()} == {".png", ".svg", ".csv", ".md"}
    text = (folder / "theory.md").read_text()
    assert "| Gaussian | 6 | Jacobians" in text and "| 0 (0.0 %) |" in text
    signs = pd.read_csv(folder / "theory_signs.csv").set_index(["estimator", "product"])
    assert (signs["problems"] == 6).all() and len(signs) == 6
    jacobians = signs.xs("jacobian_x", level="product")  # a trace of a positive product
    assert (jacobians["negative"] == 0).all() and (jacobians["lowest"] > 0).all()
