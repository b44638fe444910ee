"""Conformance: what every registered method must keep to."""

from __future__ import annotations

import time

import pytest
import torch
from conftest import SMALL, batch, build, flat, tree_map

from benchmark.core.files import read_json
from benchmark.experiments.job import Job
from benchmark.store.folder import RunFolder
from benchmark.training.loop import Saving, execute
from methods import REGISTRY, kernels

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


@pytest.mark.parametrize(
    "name, dataset, calls, native",
    [(n, "ring", 11, False) for n in METHODS]
    + [(n, "ring", 11, True) for n in ("lbt", "lbt_gan", "unrolled_gan", "gan")]
    + [("gan", "grid", 11, False)]
    # amid the first evaluation, before the first step, amid the second evaluation, before the last
    # step, amid the last evaluation
    + [("gan", "ring", n, False) for n in (1, 2, 4, 14, 15)],
)
def test_interrupted_run_equals_unbroken_run(name, dataset, calls, native, tmp_path):
    """Stopped at the n-th occasion, between steps or within an evaluation, and continued: equal bit
    for bit.
    """
    sets = tuple(f"{name}.{k}={v}" for k, v in SMALL.get(name, {}).items())
    size = ("iterations=10", "batch=8", "final_samples=1000", "evaluations=4")
    sets += tuple(f"{dataset}.{setting}" for setting in size)
    (run,) = Job("smoke", sets, seeds=(0,)).runs(dataset, name)
    left = calls

    class Stop(Exception):
        pass

    def stop(step):
        nonlocal left
        left -= 1
        if left == 0:
            raise Stop

    whole, parts = (RunFolder(tmp_path / n, run, "code") for n in ("whole", "parts"))
    whole.open()
    execute([run], [whole], native=native)
    parts.open()
    with pytest.raises(Stop):
        execute([run], [parts], native=native, progress=stop)
    assert parts.checkpoint.is_file()
    parts.open()
    execute([run], [parts], native=native)
    assert not parts.checkpoint.exists()
    assert left == 0 and _values(whole) == _values(parts)
    records = [read_json(f.path / "provenance.json") for f in (whole, parts)]
    assert len({record["state_sha256"] for record in records}) == 1
    kernels_here = native and kernels.library() is not None
    assert {record["engine"] for record in records} == {"native" if kernels_here else "eager"}
    assert (whole.path / "samples.npz").read_bytes() == (parts.path / "samples.npz").read_bytes()


def test_saving_takes_at_most_its_share(tmp_path, monkeypatch):
    """Saves of 20 ms each at a share of 10 %: the interval grows to 200 ms."""
    size = ("ring.iterations=400", "ring.batch=8", "ring.final_samples=100", "ring.evaluations=1")
    (run,) = Job("smoke", size, seeds=(0,)).runs("ring", "oracle")
    folder, moments = RunFolder(tmp_path, run, "code"), []

    def slow(*_):
        moments.append(time.monotonic())
        time.sleep(0.02)

    monkeypatch.setattr(folder, "save_checkpoint", slow)
    folder.open()
    pause = lambda step: time.sleep(0.002)  # noqa: E731
    execute([run], [folder], saving=Saving(0.01, 0.1), progress=pause)
    gaps = [b - a for a, b in zip(moments, moments[1:], strict=False)]
    assert len(gaps) >= 2 and min(gaps) > 0.2


def _values(folder: RunFolder) -> list[tuple[str, str, str]]:
    """step, metric, value of every row: all but the seconds."""
    lines = (folder.path / "metrics.csv").read_text().splitlines()
    return [tuple(line.split(",")[i] for i in (0, 2, 3)) for line in lines]
