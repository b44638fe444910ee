"""Seeds trained as one stacked program: equal to single runs, in loop and on disk."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SMALL, batch, build, flat

from benchmark.core.files import read_json
from benchmark.core.modules import config_class
from benchmark.execution import launch
from benchmark.experiments.job import Job
from benchmark.store.folder import RunFolder
from benchmark.training.compile import Jit, product
from benchmark.training.engine import Engine
from benchmark.training.loop import execute
from methods import REGISTRY

METHODS = sorted(REGISTRY)
SIZE = ("ring.iterations=10", "ring.batch=8", "ring.final_samples=1000", "ring.z_dim=40")
# Batched products sum in another order: float32 rounding, which Adam's first step, a sign,
# magnifies where a gradient is nearly zero.
CLOSE = {"rtol": 1e-3, "atol": 3e-5}


def runs_of(name: str, seeds=(0, 1, 2)) -> list:
    sets = tuple(f"{name}.{k}={v}" for k, v in SMALL.get(name, {}).items())
    return Job("smoke", sets + SIZE, seeds=seeds).runs("ring", name)


def folders_of(runs, path) -> list[RunFolder]:
    folders = [RunFolder(path, run, "code") for run in runs]
    for folder in folders:
        folder.open()
    return folders


@pytest.mark.parametrize("name", METHODS)
def test_stacked_runs_equal_single_runs(name, tmp_path):
    runs = runs_of(name)
    stacked, single = folders_of(runs, tmp_path / "a"), folders_of(runs, tmp_path / "b")
    assert execute(runs, stacked) == ["complete"] * 3
    for run, folder in zip(runs, single, strict=True):
        execute([run], [folder])
    for one, other in zip(stacked, single, strict=True):
        a, b = (np.load(f.path / "samples.npz")["samples"] for f in (one, other))
        np.testing.assert_allclose(a, b, rtol=2e-2, atol=2e-3)  # ten steps of rounding
        assert read_json(one.path / "provenance.json")["stacked"] == 3
    samples = [np.load(f.path / "samples.npz")["samples"] for f in stacked]
    assert not np.allclose(samples[0], samples[1], atol=1e-2)


def test_runs_interrupted_at_different_steps_continue_to_the_same_end(tmp_path):
    runs = runs_of("gan", seeds=(0, 1))
    whole, parts = folders_of(runs, tmp_path / "a"), folders_of(runs, tmp_path / "b")

    class Stop(Exception):
        pass

    def stop_at(limit):
        def stop(step):
            if step == limit:
                raise Stop

        return stop

    execute(runs[:1], whole[:1])
    execute(runs[1:], whole[1:])
    for i, limit in enumerate((3, 7)):
        with pytest.raises(Stop):
            execute(runs[i : i + 1], parts[i : i + 1], progress=stop_at(limit))
    assert execute(runs, parts) == ["complete"] * 2
    for one, other in zip(whole, parts, strict=True):
        assert (one.path / "samples.npz").read_bytes() == (other.path / "samples.npz").read_bytes()


def test_a_diverged_seed_ends_alone(tmp_path, monkeypatch):
    """Seed 1 meets a NaN; the seeds stacked with it finish."""
    runs = runs_of("gan")
    advance = Engine.advance

    def poisoned(self, batches):
        logs = advance(self, batches)
        logs["loss_psi"][1] = float("nan")
        return logs

    monkeypatch.setattr(Engine, "advance", poisoned)
    folders = folders_of(runs, tmp_path)
    assert execute(runs, folders) == ["complete", "diverged", "complete"]
    steps = [read_json(f.path / "provenance.json")["steps"] for f in folders]
    assert steps[0] == steps[2] == 10 and steps[1] < 10


def seeds_of(runs, **how) -> list[tuple[str, list[int]]]:
    units = launch.stacks(runs, launch.Execution(Path("out"), 1, **how))
    return [(unit[0].method, [run.seed for run in unit]) for unit in units]


def test_the_seeds_of_a_method_form_one_unit():
    runs = runs_of("gan") + runs_of("lsgan")
    shuffled = [runs[i] for i in (3, 0, 4, 1, 5, 2)]
    together = [("lsgan", [0, 1, 2]), ("gan", [0, 1, 2])]
    assert seeds_of(shuffled, stack=True) == together
    assert seeds_of(shuffled, device="cuda") == together
    apart = [("lsgan", [0]), ("gan", [0]), ("lsgan", [1]), ("gan", [1]), ("lsgan", [2])]
    for how in ({"device": "cpu"}, {"device": "cuda", "stack": False}):
        assert seeds_of(shuffled[:5], **how) == apart


def test_images_are_stacked_only_where_that_is_asked_for():
    runs = Job("smoke", seeds=(0, 1)).runs("stacked_digits", "gan")
    assert seeds_of(runs, device="cuda") == [("gan", [0]), ("gan", [1])]
    assert seeds_of(runs, device="cuda", stack=True) == [("gan", [0, 1])]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gan", "lbt_gan", "unrolled_gan"])
def test_compiled_stack_equals_eager_single(name):
    method, spec = build(name)
    module = importlib.import_module(REGISTRY[name])
    jit = Jit(stacked=True)
    cfg = config_class(module)(**SMALL.get(name, {}))
    compiled = module.build(spec._replace(jit=jit), cfg)
    states, batches = [method.init(s) for s in (0, 1)], [batch(method, spec, s) for s in (0, 1)]
    engine = Engine(compiled, states, "cpu")
    engine.advance(batches)
    assert jit.active
    for i in (0, 1):
        expected, _ = method.step(states[i], batches[i])
        for key, value in flat(engine.state(i)).items():
            torch.testing.assert_close(value, flat(expected)[key], **CLOSE)
    with torch._dynamo.config.patch(error_on_recompile=True):
        engine.advance(batches)


@pytest.mark.parametrize(
    "m, k, n, changed",
    [
        (5, 2, 7, True),
        (3, 4, 3, True),
        (5, 6, 7, False),
        (128, 512, 32, True),
        (512, 256, 8, False),
    ],
)
def test_products_for_a_gpu_equal_the_usual_ones(m, k, n, changed):
    """Narrow and long contractions are done otherwise, from any layout of the factors."""
    a, b = torch.randn(3, k, m, dtype=torch.float64).mT, torch.randn(3, k, n, dtype=torch.float64)
    for left in (a, a.contiguous()):
        found = product(left, b)
        assert (found is not NotImplemented) == changed
        if changed:
            torch.testing.assert_close(found, left.bmm(b))


def cuda(tree: dict) -> dict:
    return {k: cuda(v) if isinstance(v, dict) else v.cuda() for k, v in tree.items()}


@pytest.mark.gpu
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("seeds", [1, 3])
def test_graph_replay_equals_plain_execution(name, seeds, compiled):
    method, spec = build(name)
    plan = method
    if compiled:
        module = importlib.import_module(REGISTRY[name])
        cfg = config_class(module)(**SMALL.get(name, {}))
        plan = module.build(spec._replace(jit=Jit(stacked=seeds > 1)), cfg)
    states = [cuda(method.init(s)) for s in range(seeds)]
    steps = [[cuda(batch(method, spec, 10 * t + s)) for s in range(seeds)] for t in range(3)]
    graph, plain = Engine(plan, states, "cuda"), Engine(method, states, "cpu")
    for batches in steps:
        graph.advance(batches)
        plain.advance(batches)
    for i in range(seeds):
        for key, value in flat(graph.state(i)).items():
            expected = flat(plain.state(i))[key]
            if compiled:  # fused sums round otherwise, which may turn a sign in any of the steps
                gap = (value - expected).double().norm()
                assert gap <= 1e-3 * expected.double().norm(), key
            else:
                torch.testing.assert_close(value, expected, **CLOSE)


def test_stacked_from_the_command_line_equals_separate(tmp_path):
    from benchmark.cli import main

    command = ["--preset", "smoke", "--methods", "gan", "--seeds", "0,1", "--jobs", "1"]
    command += [f"--set={s}" for s in SIZE]
    options = ("--stack-seeds", "--no-stack-seeds")
    for option in options:
        assert main([*command, option, "--out", str(tmp_path / option)]) == 0
    found = [sorted((tmp_path / o).rglob("samples.npz")) for o in options]
    assert [len(paths) for paths in found] == [2, 2]
    for one, other in zip(*found, strict=True):
        a, b = (np.load(path)["samples"] for path in (one, other))
        np.testing.assert_allclose(a, b, rtol=2e-2, atol=2e-3)
