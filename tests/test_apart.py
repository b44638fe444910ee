"""What one run does to its process reaches no other run."""

from __future__ import annotations

import pytest
import torch
from faults import SIZE, results
from torch.nn import functional

from benchmark.cli import main
from benchmark.training.prepare import set_up_torch

PLUGIN = '''"""Careless: changes what all runs of its process rest on."""
import os, torch
from methods.base import Method, MethodConfig, Spec

class Config(MethodConfig):
    pass

torch.set_default_dtype(torch.float64)
torch.set_num_threads(2)
torch.Tensor.isfinite = lambda self: torch.ones_like(self, dtype=torch.bool)
torch.set_default_dtype = torch.set_num_threads = lambda value: None
os.environ["ATEN_CPU_CAPABILITY"] = "default"

def build(spec: Spec, cfg: Config) -> Method:
    def step(state, batch):
        return state, {"loss": batch["x"].sum()}
    def sample(state, z):
        return z[:, :2].float()
    init = lambda seed: {"theta": torch.zeros(2, dtype=torch.float32)}
    return Method(init, step, sample, ("x",), {})
'''


DATA = '''"""Spread: careless data."""
from torch.nn import functional
from benchmark.data.plane import plane

def load(device="cpu"):
    linear = functional.linear
    functional.linear = lambda *args: 1.5 * linear(*args)
    return plane(lambda z: z, 2)
'''


@pytest.fixture
def restored(monkeypatch):
    """Takes back what the plugin does here, where its settings are read."""
    for owner, name in ((torch, "set_default_dtype"), (torch, "set_num_threads"),
                        (torch.Tensor, "isfinite"), (functional, "linear")):  # fmt: skip
        monkeypatch.setattr(owner, name, getattr(owner, name))
    yield
    monkeypatch.undo()
    torch.set_default_dtype(torch.float32)
    torch.set_num_threads(1)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_plugin_changes_no_other_run(tmp_path, restored, jobs):
    plugin = tmp_path / "careless.py"
    plugin.write_text(PLUGIN)
    command = [*SIZE, "--no-compile", "--jobs", jobs, "--set=ring.iterations=60"]
    alone, beside = tmp_path / "alone", tmp_path / "beside"
    assert main([*map(str, [*command, "--methods", "gan", "--out", alone])]) == 0
    mixed = ["--plugin", plugin, "--methods", "careless,gan,lsgan", "--out", beside]
    main([*map(str, [*command, *mixed])])
    (name,) = results(alone)
    assert results(beside)[name] == results(alone)[name]


def test_data_of_ones_own_change_no_other_run(tmp_path, restored):
    plugin = tmp_path / "spread.py"
    plugin.write_text(DATA)
    command = [*SIZE, "--no-compile", "--jobs", "1", "--methods", "gan"]
    alone, beside = tmp_path / "alone", tmp_path / "beside"
    assert main([*map(str, [*command, "--out", alone])]) == 0
    both = ["--plugin", plugin, "--dataset", "spread,ring", "--set=spread.iterations=50"]
    both += ["--set=spread.z_dim=40", "--set=spread.batch=8", "--set=spread.final_samples=20000"]
    main([*map(str, [*command, *both, "--out", beside])])
    (name,) = results(alone)
    own = name.partition("/")[2]
    found = {key.partition("/")[2]: value for key, value in results(beside).items()}
    assert len(found) == 2 and found[own] == results(alone)[name]


def test_a_plugin_that_is_only_named_changes_no_run(tmp_path, restored):
    """Its settings are read, in the command's own process."""
    plugin = tmp_path / "careless.py"
    plugin.write_text(PLUGIN.replace("pass", "word: str = ''"))
    command = ["--methods", "gan", *SIZE, "--no-compile", "--jobs", "1"]
    alone, beside = tmp_path / "alone", tmp_path / "beside"
    assert main([*map(str, [*command, "--out", alone])]) == 0
    named = ["--plugin", plugin, "--set", "careless.word=a", "--out", beside]
    assert main([*map(str, [*command, *named])]) == 0
    assert results(beside) == results(alone)


def test_a_run_sets_what_it_rests_on(restored):
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(True)
    set_up_torch()
    assert torch.get_default_dtype() == torch.float32 and torch.get_num_threads() == 1
    assert not torch.are_deterministic_algorithms_enabled()
    torch.set_flush_denormal(False)


def test_a_process_that_does_not_obey_is_refused(restored):
    torch.set_default_dtype(torch.float64)
    torch.set_default_dtype = lambda value: None
    with pytest.raises(RuntimeError, match="default dtype torch.float64"):
        set_up_torch()
