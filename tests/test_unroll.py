"""The hypergradient: finite differences, autograd through the whole unroll, a closed form."""

from __future__ import annotations

import importlib

import pytest
import torch
from conftest import batch, flat, tree_map
from torch.func import grad

from benchmark.core.modules import config_class
from benchmark.data import load
from methods import REGISTRY, nets
from methods.base import Spec
from methods.optim import adam, sgd
from methods.unroll import inner_problem, unroll

OPTIMISERS = {
    "sgd": sgd(),
    "adam": adam(eps=0.0, eps_root=1e-8),
    "adam, v constant": adam(eps=0.0, eps_root=1e-8, detach_v=True),
}


def identity(fn):
    return fn


def toy(dtype):
    """A tanh regression as inner problem and another as outer, small enough for autograd."""
    net = nets.mlp((3, 5, 2))
    generator = torch.Generator().manual_seed(0)
    target, phi = torch.randn(7, 2, generator=generator), net.init(generator)
    xs, x_out = torch.randn(15, 7, 3, generator=generator), torch.randn(7, 3, generator=generator)

    def loss(phi, x, aux):
        return (net.apply(phi, x) - aux).square().sum(1).mean()

    return [t.to(dtype) for t in (phi, target, xs, x_out)], loss


# Two evaluations of the same sums in another order: 50 roundings of each type.
@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("K", [1, 2, 5, 15])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_adjoint_equals_autograd_through_the_unroll(name, K, dtype, tolerance):
    (phi, target, xs, x_out), loss = toy(dtype)
    optimiser, xs = OPTIMISERS[name], xs[:K]
    inner, eta = inner_problem(loss, optimiser, identity), torch.tensor(0.02, dtype=dtype)

    def outer_value(xs):
        p, opt = phi, optimiser.init(phi)
        for x in xs:
            p, opt = optimiser.update(p, opt, grad(loss)(p, x, target), eta)
        return loss(p, x_out, target)

    reference = grad(outer_value)(xs)
    phi_K, pull = unroll(inner, phi, optimiser.init(phi), xs.unbind(), [target] * K, eta)
    ours = torch.stack(pull(grad(loss)(phi_K, x_out, target)))
    assert (ours - reference).norm() <= tolerance * reference.norm()


def test_quadratic_closed_form():
    """loss = |phi - mean x|^2 / 2 under SGD: phi_K is known, and so is d phi_K / d x."""
    eta, K = torch.tensor(0.3, dtype=torch.float64), 4
    inner = inner_problem(lambda phi, x, _: (phi - x.mean(0)).square().sum() / 2, sgd(), identity)
    x = torch.arange(6, dtype=torch.float64).view(3, 2)
    phi_0 = torch.tensor([5.0, -1.0], dtype=torch.float64)
    phi_K, pull = unroll(inner, phi_0, {}, [x] * K, [None] * K, eta)
    decay = (1 - eta) ** K
    torch.testing.assert_close(phi_K, decay * phi_0 + (1 - decay) * x.mean(0))
    total = sum(pull(torch.ones(2, dtype=torch.float64)))
    torch.testing.assert_close(total, ((1 - decay) / 3).expand(3, 2))


# Clipping off. LBT-GAN's discriminator moves before G does, and that is not differentiated: its
# step is made negligible. Large inner steps, so that the unrolled part of the gradient counts.
EXACT = {"K": 3, "clip_norm": 0, "detach_v": False, "eta_phi": 1e-2}
CASES = {
    "lbt": EXACT,
    "lbt_gan": EXACT | {"eta_psi": 1e-12},
    "unrolled_gan": {"K": 3, "eta_psi": 1e-2},
}


def double(name, **changes):
    """A method on the ring with its state and one batch, in float64."""
    dataset = load("ring")
    spec = Spec((2,), 4, 8, dataset.push)
    module = importlib.import_module(REGISTRY[name])
    method = module.build(spec, config_class(module)(**changes))
    trees = method.init(0), batch(method, spec)
    return method, *(tree_map(torch.Tensor.double, tree) for tree in trees)


def warm(name):
    """Settings, and a state after ten steps: Adam's first step is nearly a sign function, whose
    curvature finite differences cannot follow."""
    kept = {"M": 2} if "lbt" in name else {}
    method, state, inputs = double(name, **CASES[name] | kept)
    for _ in range(10):
        state, _ = method.step(state, inputs)
    return state


def directional_errors(name) -> list[float]:
    """Relative errors of a step's generator gradient against central differences of its loss."""
    state = warm(name)
    # LBT does not differentiate through the kept updates, so none are made here.
    method, _, inputs = double(name, **CASES[name] | ({"M": 0} if "lbt" in name else {}))
    stepped, _ = method.step(state, inputs)
    ours = (stepped["opt_theta"]["m"] - 0.5 * state["opt_theta"]["m"]) / 0.5  # beta1 = 0.5

    def value(theta):
        _, logs = method.step(state | {"theta": theta}, inputs)
        return logs["loss_theta"] + 0.1 * logs.get("loss_gan", 0.0)  # default lambda_G

    h, generator = 1e-6, torch.Generator().manual_seed(1)
    errors = []
    for _ in range(3):
        d = torch.randn(ours.shape, generator=generator, dtype=torch.float64)
        slope = (value(state["theta"] + h * d) - value(state["theta"] - h * d)) / (2 * h)
        errors.append(abs((slope - ours @ d) / slope).item())
    return errors


@pytest.mark.parametrize("name", CASES)
def test_hypergradient_equals_finite_differences(name):
    # Central differences at h = 1e-6: curvature h^2 and rounding 1e-16 / h, both far below.
    assert max(directional_errors(name)) < 1e-5


@pytest.mark.parametrize("name", CASES)
def test_a_cut_gradient_is_noticed(name, monkeypatch):
    """Many public "unrolled" GANs detach the inner steps; the test above must fail on them."""
    module = importlib.import_module("methods.unroll")
    whole = module.unroll

    def cut(inner, phi, opt, xs, aux, eta):
        phi_K, pull = whole(inner, phi, opt, xs, aux, eta)
        return phi_K, lambda lam: [torch.zeros_like(h) for h in pull(lam)]

    target = "methods.unrolled_gan" if name == "unrolled_gan" else "methods.lbt"
    monkeypatch.setattr(importlib.import_module(target), "unroll", cut)
    assert max(directional_errors(name)) > 1e-2


def test_the_first_unrolled_step_is_the_kept_one():
    """Unrolling is not written back: phi after a step is what the M kept updates made of it."""
    method, state, inputs = double("lbt", K=3, M=2)
    other, _, _ = double("lbt", K=1, M=2)
    few = inputs | {"z_unroll": inputs["z_unroll"][:1], "eps_unroll": inputs["eps_unroll"][:1]}
    first, second = method.step(state, inputs)[0], other.step(state, few)[0]
    assert all(torch.equal(flat(first)[k], flat(second)[k]) for k in ("phi", "opt_phi.t"))
    assert first["opt_phi"]["t"].item() == 2
    assert not torch.equal(first["theta"], second["theta"])
