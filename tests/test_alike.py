"""What a preset can give to every method alike: averaged weights, annealed steps, scaled data."""

from __future__ import annotations

import math

import pytest
import torch
from conftest import batch, build, flat

from benchmark.data import load
from benchmark.data.base import scaled
from benchmark.experiments.job import Job
from benchmark.training.prepare import prepare
from methods import estimators, nets
from methods.base import Spec
from methods.steadying import steadied


@pytest.mark.parametrize("name", ["gan", "lbt_gan"])
def test_the_average_by_hand(name):
    """Training is untouched; d is (1 + t) / (10 + t) until that exceeds the decay."""
    method, spec = build(name)
    both = steadied(method, 3, 0.0, 0.2)
    state, steady = method.init(0), both.init(0)
    average = state["theta"]
    for t in (1, 2, 3):
        inputs = batch(method, spec, t)
        state, _ = method.step(state, inputs)
        steady, _ = both.step(steady, inputs)
        d = min(0.2, (1 + t) / (10 + t))
        average = d * average + (1 - d) * state["theta"]
        assert torch.equal(steady["theta"], state["theta"])
    torch.testing.assert_close(steady["theta_average"], average)
    z = torch.randn(5, spec.z_dim)
    expected = method.sample(state | {"theta": average}, z)
    torch.testing.assert_close(both.sample(steady, z), expected)


def test_annealing_by_hand():
    """Of 4 iterations the last two are annealed: a whole step, then half of one, Adam's own state
    as ever.
    """
    method, spec = build("lbt_gan")
    both = steadied(method, 4, 0.5, 0.0)
    state, shrunk = method.init(0), both.init(0)
    for t in range(4):
        before = state
        inputs = batch(method, spec, t)
        state, _ = method.step(state, inputs)
        shrunk, _ = both.step(shrunk, inputs)
        if t < 3:
            assert all(torch.equal(flat(shrunk)[k], v) for k, v in flat(state).items())
    for name in ("theta", "phi", "psi"):
        torch.testing.assert_close(shrunk[name], (before[name] + state[name]) / 2)
    assert torch.equal(shrunk["opt_phi"]["m"], state["opt_phi"]["m"])


def test_the_settings_reach_the_loop():
    (run,) = Job("smoke", seeds=(0,)).runs("ring", "gan[anneal=0.5,average=0.9]")
    method, _, _ = prepare(run, lambda fn: fn)
    assert "theta_average" in method.init(0)
    (plain,) = Job("smoke", seeds=(0,)).runs("ring", "gan")
    assert "updates" not in prepare(plain, lambda fn: fn)[0].init(0)


def test_scaled_data_are_measured_as_they_are():
    plain = load("grid")
    far = scaled(plain, 5.0)
    z = torch.randn(2000, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(far.push(z), 5 * plain.push(z))
    assert far.evaluate(far.push(z)) == pytest.approx(plain.evaluate(plain.push(z)), rel=1e-3)
    assert (far.keep(far.push(z))["counts"] == plain.keep(plain.push(z))["counts"]).mean() > 0.999
    with pytest.raises(ValueError, match="coordinate_scale"):
        scaled(load("toy1d"), 5.0)


def test_scaled_coordinates_reach_generator_and_density():
    spec = Spec((2,), 40, 8, scale=5.0)
    net, plain = nets.generator(spec), nets.generator(spec._replace(scale=1.0))
    theta, z = net.init(torch.Generator().manual_seed(0)), torch.randn(6, 40)
    torch.testing.assert_close(net.apply(theta, z), 5 * plain.apply(theta, z))
    # N(0, I) in scaled coordinates is N(0, I / 25) in the data's.
    estimator = estimators.build(spec, estimators.EstimatorConfig(estimator="gaussian"))
    x = torch.randn(7, 2)
    found = estimators.probe(spec, estimator).measure(
        {"phi": torch.zeros(2)}, 5 * x, torch.empty(7, 1, 0)
    )
    exact = -(25 * x.square()).sum(1).mean() / 2 - math.log(2 * math.pi / 25)
    torch.testing.assert_close(found["data_iwae"], exact)
