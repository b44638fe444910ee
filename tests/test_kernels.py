"""The native kernels: as accurate as PyTorch, the same bits again, and never a failure."""

from __future__ import annotations

import importlib
import time
from pathlib import Path

import pytest
import torch
from conftest import batch, flat, tree_map
from torch.utils import _pytree as pytree

from benchmark.core.modules import config_class
from benchmark.data import load
from methods import REGISTRY, estimators, kernels, losses, nets
from methods.base import Method, Spec
from methods.kernels import build as builder
from methods.optim import adam
from methods.unroll import inner_problem, unroll

ROOT = Path(__file__).resolve().parent.parent
SHORT = {
    "lbt": {"M": 2, "K": 2},
    "lbt_gan": {"M": 2, "K": 2},
    "unrolled_gan": {"K": 2},
    "gan": {},
    "lsgan": {},
}

needs_kernels = pytest.mark.skipif(kernels.library() is None, reason="no native kernels here")


def build(name: str, rows: int, native: bool) -> tuple[Method, Spec]:
    """A method on the ring with the paper's networks and few inner steps."""
    dataset = load("ring")
    spec = Spec(dataset.x_shape, 256, rows, dataset.push, native=native)
    module = importlib.import_module(REGISTRY[name])
    return module.build(spec, config_class(module)(**SHORT[name])), spec


def train(method: Method, spec: Spec, state: dict, seeds: range, dtype=torch.float32) -> dict:
    """The state after a step for every seed of inputs, all rounded to float32 first."""
    state = tree_map(lambda t: t.to(dtype), state)
    for seed in seeds:
        inputs = tree_map(lambda t: t.to(dtype), batch(method, spec, seed))
        state, _ = method.step(state, inputs)
    return state


def distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """Relative, by norms."""
    return float((a.double() - b.double()).norm() / b.double().norm())


def check(ours: torch.Tensor, eager: torch.Tensor, exact: torch.Tensor, apart=1e-5) -> None:
    assert distance(ours, eager) < apart
    assert distance(ours, exact) <= max(2 * distance(eager, exact), 1e-7)  # a rounding


def elbo(spec: Spec, draw: torch.Generator):
    """The VAE's inner problem: loss, kernel, phi, and aux for three steps."""
    estimator = estimators.build(spec, estimators.EstimatorConfig())
    aux = torch.randn(3, spec.batch, *estimator.noise, generator=draw).unbind()

    def loss(phi, x, eps):
        return -estimator.log_prob(phi, x, eps).mean()

    return loss, estimator.kernel, estimator.init(draw), aux


def adversarial(spec: Spec, draw: torch.Generator):
    """The discriminator's, likewise."""
    judge = nets.discriminator(spec)
    aux = [([x], []) for x in torch.randn(3, spec.batch, 2, generator=draw).unbind()]

    def loss(psi, x, given):
        return losses.gan_psi(judge.apply(psi, *given[0]), judge.apply(psi, x))

    return loss, judge.judging, judge.init(draw), aux


PROBLEMS = {"elbo": elbo, "adversarial": adversarial}


@needs_kernels
@pytest.mark.parametrize("detach_v", [True, False])
@pytest.mark.parametrize("rows", [1, 77, 128, 500, 512, 2048])
@pytest.mark.parametrize("name", PROBLEMS)
def test_inner_problem_is_as_accurate_as_eager(name, rows, detach_v):
    """Three unrolled steps and their adjoint: 1e-5 from eager (the hypergradient, in which much
    cancels, 1e-4), which is what other orders of summation make of float32, and from float64 at
    most twice as far as eager is.
    """
    draw = torch.Generator().manual_seed(0)
    spec = Spec((2,), 256, rows, native=True)
    loss, kernel, phi, aux = PROBLEMS[name](spec, draw)
    optimiser = adam(0.5, 0.999, 0.0, 1e-8, detach_v)
    v, lam = (torch.randn(phi.shape, generator=draw) for _ in range(2))
    # As after some steps: Adam's first is a sign, and float32 counts 1 - 0.999^t with an error of
    # 1e-5.
    opt = optimiser.init(phi) | {"v": 1 + v.square(), "t": torch.tensor(100.0)}
    xs = torch.randn(3, rows, 2, generator=draw)

    def unrolled(kernel, dtype=torch.float32):
        inner = inner_problem(loss, optimiser, lambda fn: fn, kernel)
        assert inner.native == (kernel is not None)
        given = pytree.tree_map(lambda t: t.to(dtype), (phi, opt, xs, aux, lam, torch.tensor(1e-4)))
        *start, xs_, aux_, lam_, eta = given
        phi_K, pull = unroll(inner, *start, xs_.unbind(), aux_, eta)
        return phi_K, torch.stack(pull(lam_))

    ours, eager, exact = unrolled(kernel), unrolled(None), unrolled(None, torch.float64)
    check(ours[0], eager[0], exact[0])
    check(ours[1], eager[1], exact[1], 1e-4)


@needs_kernels
@pytest.mark.parametrize("rows", [77, 512])
@pytest.mark.parametrize("name", sorted(SHORT))
def test_method_is_as_accurate_as_eager(name, rows):
    """Three iterations, with the same tolerances. From the third on: Adam's first steps are signs,
    which magnify the rounding of gradients that are nearly zero.
    """
    (ours, spec), (eager, _) = (build(name, rows, native) for native in (True, False))
    assert ours.native and not eager.native
    start, next_seeds = train(eager, spec, eager.init(0), range(3)), range(3, 6)
    native, reference = (flat(train(m, spec, start, next_seeds)) for m in (ours, eager))
    exact = flat(train(eager, spec, start, next_seeds, torch.float64))
    for key in {"theta", "phi", "psi"} & set(native):
        check(native[key], reference[key], exact[key])


@needs_kernels
def test_other_inputs_take_the_reference():
    """float64, and seeds stacked by vmap: bit for bit as without kernels."""
    (ours, spec), (eager, _) = (build("lbt", 8, native) for native in (True, False))
    double, expected = (
        flat(train(m, spec, m.init(0), range(1), torch.float64)) for m in (ours, eager)
    )
    assert all(torch.equal(double[k], expected[k]) for k in expected)
    state, inputs = (tree_map(lambda t: t[None], v) for v in (ours.init(0), batch(ours, spec)))
    stacked, expected = (flat(torch.func.vmap(m.step)(state, inputs)[0]) for m in (ours, eager))
    assert all(torch.equal(stacked[k], expected[k]) for k in expected)


@needs_kernels
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", sorted(SHORT))
def test_what_is_not_finite_stays_so(name, value):
    """One such number in one row of the data or noise is in the losses, as in eager mode."""
    (ours, spec), (eager, _) = (build(name, 77, native) for native in (True, False))
    inputs = batch(ours, spec)
    for key in inputs:
        spoilt = inputs | {key: inputs[key].clone()}
        spoilt[key].view(-1)[-1] = value
        (state, logs), (expected, expected_logs) = (
            m.step(m.init(0), spoilt) for m in (ours, eager)
        )
        for found, right in ((flat(state), flat(expected)), (logs, expected_logs)):
            for k, v in right.items():
                assert bool(v.isfinite().all()) == bool(found[k].isfinite().all()), (key, k)


@needs_kernels
@pytest.mark.parametrize("name", sorted(SHORT))
def test_steps_are_pure_and_repeatable(name):
    """Equal bits from equal inputs, also after other work in the same buffers, and in another
    method of the same kind: what an interrupted run starts again with.
    """
    (method, spec), (again, _) = (build(name, 77, True) for _ in range(2))
    state, inputs = method.init(0), batch(method, spec)
    before = tree_map(torch.clone, {"state": state, "batch": inputs})
    first, _ = method.step(state, inputs)
    second, _ = method.step(first, batch(method, spec, 1))
    after = flat({"state": state, "batch": inputs})
    assert all(torch.equal(after[k], v) for k, v in flat(before).items())
    resumed, _ = again.step(tree_map(torch.clone, first), batch(method, spec, 1))
    assert all(torch.equal(v, flat(resumed)[k]) for k, v in flat(second).items())
    assert {k: v.shape for k, v in flat(first).items()} == {
        k: v.shape for k, v in flat(state).items()
    }


@pytest.mark.slow
@needs_kernels
@pytest.mark.parametrize("name", sorted(SHORT))
def test_the_wider_build_computes_the_same(name, monkeypatch):
    """Vectors of 16, emulated: what a processor with AVX-512 runs, but for the instructions."""
    wide = kernels.binding.load(builder.library(("-DLBT_EMULATE_AVX512",)))
    assert wide.lbt_width() == 32
    monkeypatch.setattr(kernels, "library", lambda: wide)
    (ours, spec), (eager, _) = (build(name, 77, native) for native in (True, False))
    assert ours.native
    start = train(eager, spec, eager.init(0), range(3))
    found, expected = (flat(train(m, spec, start, range(3, 5))) for m in (ours, eager))
    for key in {"theta", "phi", "psi"} & set(expected):
        assert distance(found[key], expected[key]) < 1e-5


@pytest.mark.slow
@needs_kernels
def test_registers_hold_what_they_should():
    """A register tile that the compiler keeps in memory, or one epilogue that it does not inline,
    costs half the speed: gradient and adjoint run at least at 0.6 of this machine's rate for a
    large product (0.8 to 1 measured, fastest of several, processor time).
    """
    draw = torch.Generator().manual_seed(0)
    loss, kernel, phi, aux = elbo(Spec((2,), 256, 512, native=True), draw)
    x, lam, a = (torch.randn(n, generator=draw) for n in ((512, 2), phi.shape, (1024, 1024)))
    optimiser, eta = adam(0.5, 0.999, 0.0, 1e-8), torch.tensor(1e-4)
    opt = optimiser.init(phi)
    given = optimiser.adam, phi, opt, lam, x, aux[0], eta, lam, opt
    # FLOP of one pass through both networks: a gradient is three, an adjoint eight.
    work = 2 * 512 * 45_568

    def rate(flop, fn, *args):
        times = []
        for _ in range(30):
            began = time.process_time()
            fn(*args)
            times.append(time.process_time() - began)
        return flop / min(times)

    large = rate(2 * 1024**3, torch.mm, a, a)
    assert rate(3 * work, kernel.gradient, phi, x, aux[0]) > 0.6 * large
    assert rate(8 * work, kernel.adjoint, *given) > 0.6 * large


def test_a_kernel_that_disagrees_is_dropped(monkeypatch, capsys):
    """With the reference's gradient twice as large."""
    kernel = kernels.elbo((2, 32, 64), (32, 32, 2), relu=False, variance=0.1)
    if kernel is None:
        pytest.skip("no native kernels here")
    kernels.proof.warn.cache_clear()
    inner = inner_problem(lambda phi, x, eps: phi.square().sum(), adam(), lambda fn: fn, kernel)
    inner_problem(lambda phi, x, eps: phi.square().sum(), adam(), lambda fn: fn, kernel)
    assert not inner.native
    assert (
        capsys.readouterr().err
        == "warning: running without native kernels: they disagree with PyTorch\n"
    )
