"""Methods of one's own: compiled like the shipped ones, with modules beside them, and told of."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmark.cli import main
from benchmark.core.errors import UserError
from benchmark.core.files import read_json
from benchmark.core.modules import load_module
from benchmark.core.run import MIN_STEPS
from benchmark.experiments.job import Job
from benchmark.store.code import code_version

# Just long enough to be compiled.
COMPILED = [
    "--preset", "smoke", "--seeds", "0", "--jobs", "1",
    *(f"--set=ring.{setting}" for setting in
      (f"iterations={MIN_STEPS}", "batch=4", "z_dim=3", "eval_samples=100", "final_samples=100")),
]  # fmt: skip
METHOD = '''"""Pull: moves a point to the data's mean."""
import torch
from torch.func import grad_and_value
from {helper} import distance
from methods.base import Method, MethodConfig, Spec

class Config(MethodConfig):
    rate: float = 0.1

def half(loss):
    return loss / 2

def build(spec: Spec, cfg: Config) -> Method:
    @spec.jit
    @grad_and_value
    def descent(theta, x):
        return half(distance(theta, x))

    def step(state, batch):
        grad, value = descent(state["theta"], batch["x"])
        return {{"theta": state["theta"] - cfg.rate * grad}}, {{"loss": value}}

    def sample(state, z):
        return state["theta"] + z[:, :2]

    return Method(lambda seed: {{"theta": torch.ones(2)}}, step, sample, ("x",), {{}})
'''
HELPER = """from {more} import power

def distance(theta, x):
    return power(theta - x.mean(0)).{reduce}()
"""


def write(folder: Path, name: str, reduce: str = "sum") -> Path:
    """A method whose loss lies in ``helper_losses`` beside it, with a module of its own in turn."""
    folder.mkdir(exist_ok=True)
    (folder / "helper_losses.py").write_text(HELPER.format(more="helper_powers", reduce=reduce))
    (folder / "helper_powers.py").write_text("def power(x):\n    return x.square()\n")
    path = folder / f"{name}.py"
    path.write_text(METHOD.format(helper="helper_losses"))
    return path


def record(out: Path, label: str) -> dict:
    (path,) = out.glob(f"smoke*/runs/ring/{label}/seed0/provenance.json")
    return read_json(path)


@pytest.mark.slow
def test_plugins_in_two_folders_are_compiled_in_a_worker(tmp_path, capfd):
    """With modules of one name beside both, in one worker after the other."""
    one, two = write(tmp_path / "a", "pull"), write(tmp_path / "b", "push", "mean")
    command = ["--plugin", one, "--plugin", two, "--methods", "pull,push,oracle", *COMPILED]
    assert main([*map(str, command), "--out", str(tmp_path / "out")]) == 0
    assert "not compiling" not in capfd.readouterr().err
    compiled = {m: record(tmp_path / "out", m)["compiled"] for m in ("pull", "push", "oracle")}
    assert compiled == {"pull": True, "push": True, "oracle": False}
    losses = [code_version(str(path), "benchmark.data.mixtures") for path in (one, two)]
    assert losses[0] != losses[1]


def test_a_helper_of_that_name_in_another_folder_stays_its_own(tmp_path):
    one, two = write(tmp_path / "a", "first"), write(tmp_path / "b", "second", "mean")
    modules = [load_module(str(path)) for path in (one, two, one)]
    assert modules[0] is modules[2] and modules[0].distance is not modules[1].distance
    assert sys.modules["helper_losses"].distance is modules[0].distance


def test_code_beside_a_plugin_counts_as_its_own(tmp_path):
    versions = set()
    for number, reduce in enumerate(("sum", "mean")):
        path = write(tmp_path / str(number), "mine", reduce)
        versions.add(code_version(str(path), "benchmark.data.mixtures"))
    assert len(versions) == 2


@pytest.mark.parametrize("name", ["json", "torch", "calendar", "metrics"])
def test_a_name_of_other_code_is_refused(name, tmp_path):
    """``import calendar`` must not mean the plugin to a library that needs Python's."""
    path = tmp_path / f"{name}.py"
    path.write_text("def build(spec, cfg): ...\n")
    with pytest.raises(UserError, match="the name of another module"):
        Job("smoke", plugins=(str(path),)).runs("ring", name)


def test_what_a_method_raises_lies_in_a_file_until_it_runs(tmp_path, capsys):
    path = tmp_path / "broken.py"
    good = METHOD.format(helper="torch.nn.functional").replace("distance", "mse_loss")
    good = good.replace("theta, x))", "theta, x.mean(0)))")
    path.write_text(good.replace("x.mean(0)", "x @ x"))
    command = ["--plugin", str(path), "--methods", "broken", "--preset", "smoke", "--seeds", "0"]
    command += ["--set=ring.iterations=2", "--set=ring.final_samples=100", "--set=ring.batch=4"]
    command += ["--jobs", "1", "--out", str(tmp_path / "out")]
    assert main(command) == 1
    (trace,) = (tmp_path / "out").glob("smoke*/runs/ring/broken/seed0/error.txt")
    told = capsys.readouterr().err.splitlines()[-1]
    line = "return half(mse_loss(theta, x @ x))"
    number = 1 + path.read_text().splitlines().index(f"        {line}")
    assert f"broken.py line {number}: {line}" in told and str(trace) in told
    assert str(path) in trace.read_text() and "RuntimeError" in trace.read_text()
    assert str(tmp_path) not in record(tmp_path / "out", "broken")["reason"]
    path.write_text(good)
    assert main(command) == 0
    assert not trace.exists()
