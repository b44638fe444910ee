"""What a method returns is what it was asked for, or nothing is made of it."""

from __future__ import annotations

import pytest
import torch

from benchmark import api
from benchmark.data import load
from benchmark.experiments.job import Job
from benchmark.training.measure import Measure, named
from methods.base import Method, Probe, Spec

(RUN,) = Job("smoke", seeds=(0,)).runs("ring", "gan")


def measure(sample, probe=None) -> Measure:
    ring = load("ring")
    method = Method(lambda seed: {}, None, sample, (), {}, also={"more": sample}, probe=probe)
    return Measure(method, Spec(ring.x_shape, 40, 8), ring, "cpu", lambda: None)


WRONG = {
    "three rows": lambda z: z[:3, :2],
    "a row too many": lambda z: torch.cat([z, z[:1]])[:, :2],
    "three columns": lambda z: z[:, :3],
    "complex": lambda z: z[:, :2] + 0j,
    "integers": lambda z: z[:, :2].long(),
}


@pytest.mark.parametrize("case", WRONG)
def test_other_samples_than_asked_for_are_refused(case):
    found = measure(lambda state, z: WRONG[case](z))
    with pytest.raises(ValueError, match="the sampler returned"):
        found.sample(RUN, {}, 100)
    with pytest.raises(ValueError, match="the sampler returned"):
        found.kept(RUN, {}, torch.zeros(100, 2))


def test_as_many_samples_as_asked_for():
    assert measure(lambda state, z: z[:, :2]).sample(RUN, {}, 50_001).shape == (50_001, 2)


def test_losses_that_would_share_a_name_are_refused():
    assert named({"a b": 1.0, "=c": 2.0}) == {"a_b": 1.0, "_c": 2.0}
    with pytest.raises(ValueError, match="'a b', 'a,b' are alike"):
        named({"a b": 1.0, "a,b": 2.0})


def test_a_probe_takes_no_metric_s_place():
    probe = Probe(10, (1,), lambda state, x, eps: {"modes_covered": torch.tensor(8.0)})
    found = measure(lambda state, z: z[:, :2], probe)
    with pytest.raises(ValueError, match="modes_covered"):
        found.values(RUN, {}, torch.zeros(100, 2))


def test_complex_samples_are_not_measured():
    with pytest.raises(ValueError, match="must be real numbers, not torch.complex64"):
        api.measure(torch.zeros(100, 2, dtype=torch.complex64), "ring")
