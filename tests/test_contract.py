"""Conformance: what every registered method must keep to."""

from __future__ import annotations

import pytest
import torch
from conftest import SMALL, batch, build, flat, tree_map

from benchmark.config import Job
from benchmark.loop import execute
from benchmark.store import RunFolder
from methods import REGISTRY

METHODS = sorted(REGISTRY)


@pytest.mark.parametrize("name", METHODS)
def test_same_seed_same_state_other_seed_other_state(name):
    method, _ = build(name)
    first, again, other = (flat(method.init(seed)) for seed in (3, 3, 4))
    assert all(torch.equal(first[k], again[k]) for k in first)
    moving = [k for k in first if k in ("theta", "phi", "psi", "xi")]
    assert all(not torch.equal(first[k], other[k]) for k in moving)


@pytest.mark.parametrize("name", METHODS)
def test_step_is_pure_and_keeps_structure(name):
    method, spec = build(name)
    state, inputs = method.init(0), batch(*build(name))
    before = tree_map(torch.clone, {"state": state, "batch": inputs})
    first, logs = method.step(state, inputs)
    second, _ = method.step(state, inputs)
    after = flat({"state": state, "batch": inputs})
    assert all(torch.equal(after[k], v) for k, v in flat(before).items())
    old, new, repeated = flat(state), flat(first), flat(second)
    assert set(old) == set(new)
    for key in old:
        assert (old[key].shape, old[key].dtype) == (new[key].shape, new[key].dtype)
        assert torch.equal(new[key], repeated[key]), f"{key} differs between equal calls"
    assert all(value.ndim == 0 and value.isfinite() for value in logs.values())


@pytest.mark.parametrize("name", METHODS)
def test_every_parameter_group_moves(name):
    method, spec = build(name)
    old = method.init(0)
    new, _ = method.step(old, batch(method, spec))
    for key, value in flat(new).items():
        assert value.isfinite().all()
        assert not torch.equal(value, flat(old)[key]), f"{key} did not move"


@pytest.mark.parametrize("name", METHODS)
def test_sample_shape(name):
    method, spec = build(name)
    x = method.sample(method.init(0), torch.randn(5, spec.z_dim))
    assert x.shape == (5, *spec.x_shape) and x.isfinite().all()


@pytest.mark.parametrize("name", METHODS)
def test_seed_axis_by_vmap_equals_single_seeds(name):
    """A method written for one run must survive the seed axis that the engine adds."""
    method, spec = build(name)
    states = [method.init(seed) for seed in (0, 1)]
    batches = [batch(method, spec, seed) for seed in (0, 1)]
    stack = lambda trees: {  # noqa: E731
        k: stack([t[k] for t in trees])
        if isinstance(v, dict)
        else torch.stack([t[k] for t in trees])
        for k, v in trees[0].items()
    }
    stacked, _ = torch.func.vmap(method.step)(stack(states), stack(batches))
    for seed in (0, 1):
        single, _ = method.step(states[seed], batches[seed])
        for key, value in flat(single).items():
            # Batched products sum in another order: float32 rounding over sums of 128 terms, and
            # Adam's first step, a sign, magnifies it where a gradient is nearly zero.
            torch.testing.assert_close(flat(stacked)[key][seed], value, rtol=1e-3, atol=3e-5)


@pytest.mark.parametrize("name", METHODS)
def test_interrupted_run_equals_unbroken_run(name, tmp_path):
    """Stopped at step 7 (inside a block of noise) and continued: equal bit for bit."""
    sets = tuple(f"{name}.{k}={v}" for k, v in SMALL.get(name, {}).items())
    size = ("ring.iterations=10", "ring.batch=8", "ring.final_samples=1000")
    (run,) = Job("smoke", sets + size, seeds=(0,)).runs("ring", name)

    class Stop(Exception):
        pass

    def stop(step):
        if step == 7:
            raise Stop

    whole, parts = (RunFolder(tmp_path / n, run, "code") for n in ("whole", "parts"))
    whole.open()
    execute([run], [whole])
    parts.open()
    with pytest.raises(Stop):
        execute([run], [parts], progress=stop)
    assert parts.checkpoint.is_file()
    parts.open()
    execute([run], [parts])
    assert not parts.checkpoint.exists()
    assert _values(whole) == _values(parts)
    assert (whole.path / "samples.npz").read_bytes() == (parts.path / "samples.npz").read_bytes()


def _values(folder: RunFolder) -> list[tuple[str, str, str]]:
    """step, metric, value of every row: all but the seconds."""
    lines = (folder.path / "metrics.csv").read_text().splitlines()
    return [tuple(line.split(",")[i] for i in (0, 2, 3)) for line in lines]
