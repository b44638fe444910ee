"""Data of one's own: trained on, measured, drawn and told of like those shipped."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from benchmark import data
from benchmark.cli import main
from benchmark.core.errors import UserError
from benchmark.data.mixtures import mixture
from benchmark.data.plane import plane
from benchmark.experiments.job import Job
from benchmark.store.code import code_version

TRIANGLE = '''"""Triangle: three Gaussians."""
import torch
from benchmark.data.mixtures import mixture

def load(device="cpu"):
    return mixture(torch.tensor([[0.0, 5.0], [4.0, -3.0], [-4.0, -3.0]]), 0.2, device)
'''
RING_32 = '''"""The ring in 32 dimensions."""
import torch
from benchmark.data import load as shipped
from benchmark.data.mixtures import mixture

def load(device="cpu"):
    ring = shipped("ring").modes
    return mixture(torch.nn.functional.pad(ring.centers, (0, 30)), ring.std, device)
'''
CLOUD = '''"""Cloud: points of a circle."""
from benchmark.data.plane import plane

like = "grid"

def load(device="cpu"):
    return plane(lambda z: z / z.norm(dim=1, keepdim=True), 2)
'''
TINY = ("iterations=2", "batch=8", "z_dim=40", "eval_samples=500", "final_samples=2000")


def write(folder, **sources: str) -> list[str]:
    """Plugins, as options."""
    options = []
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source)
        options += ["--plugin", str(folder / f"{name}.py")]
    return options


def tiny(*names: str) -> list[str]:
    return ["--preset", "smoke", "--seeds", "0", "--jobs", "1",
            *(f"--set={name}.{setting}" for name in names for setting in TINY)]  # fmt: skip


def test_data_of_ones_own_are_in_tables_figures_and_page(tmp_path):
    options = write(tmp_path, triangle=TRIANGLE, ring32=RING_32)
    command = [*options, "--methods", "gan,oracle", "--dataset", "triangle,ring32"]
    command += [*tiny("triangle", "ring32"), "--reproduce", "fig2,fig3"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    (out,) = (tmp_path / "out").iterdir()
    table = pd.read_csv(out / "metrics.csv")
    assert set(table["dataset"]) == {"triangle", "ring32"}
    measured = table.query("metric == 'sliced_w2' and method == 'oracle'")
    assert set(measured["dataset"]) == {"triangle", "ring32"}
    oracle = pd.read_csv(out / "summary.csv").query("dataset == 'triangle' and method == 'oracle'")
    assert oracle.set_index("metric").loc["modes_covered", "mean"] == 3
    for name in ("fig2", "fig3", "fig3_seconds"):
        assert (out / "figures" / f"{name}.png").is_file()
    page = (out / "index.html").read_text()
    assert "triangle" in page and f"--plugin {tmp_path / 'triangle.py'}" in page
    with np.load(out / "runs/triangle/oracle/seed0/samples.npz") as kept:
        assert float(kept["extent"]) == 6 and kept["counts"].sum() == 2000
    # Drawing needs results alone.
    out.rename(out.with_name("smoke"))
    (out.with_name("smoke") / "figures" / "fig2.png").unlink()
    assert main(["--report", "--preset", "smoke", "--out", str(tmp_path / "out")]) == 0
    assert (out.with_name("smoke") / "figures" / "fig2.png").is_file()


def test_data_of_ones_own_are_what_is_trained_on_by_default(tmp_path, capsys):
    options = write(tmp_path, triangle=TRIANGLE)
    assert main([*options, "--plan", "--methods", "gan", "--out", str(tmp_path / "out")]) == 0
    plan = capsys.readouterr().out
    assert plan.startswith("triangle") and "ring" not in plan


def test_budgets_are_those_of_what_it_is_like(tmp_path):
    write(tmp_path, cloud=CLOUD, triangle=TRIANGLE)
    paths = [str(tmp_path / f"{name}.py") for name in ("cloud", "triangle")]
    job = Job("quick", ("triangle.batch=16",), tuple(paths))
    assert job.budget("cloud").iterations == job.budget("grid").iterations
    assert job.budget("triangle").iterations == job.budget("ring").iterations
    assert job.budget("triangle").batch == 16 != job.budget("ring").batch
    assert job.folder == "quick[triangle.batch=16]"
    assert job.feeding("fig2") == ["ring", "grid", "cloud", "triangle"]
    run = job.runs("triangle", "gan")[0]
    assert (run.data, run.source) == ("triangle", paths[1])


def test_new_data_retrain_nobody(tmp_path):
    write(tmp_path, triangle=TRIANGLE)
    own = code_version("methods.gan", str(tmp_path / "triangle.py"))
    before = code_version("methods.gan", data.DATASETS["ring"].module)
    plain, more = (Job("smoke", plugins=p).runs("ring", "gan")[0] for p in
                   ((), (str(tmp_path / "triangle.py"),)))  # fmt: skip
    assert plain == more and own != before


@pytest.mark.parametrize(
    "source, message",
    [
        ("x = 1", "no function build(spec, cfg) or load(device)"),
        ("like = 'rong'\ndef load(device): ...", "did you mean 'ring'?"),
        ("def load(device): 1 / 0", "load: ZeroDivisionError"),
        ("from benchmark.data.plane import plane\n"
         "def load(device): return plane(lambda z: z[:, 0], 2)", "not (N, D), D >= 2"),
    ],
)  # fmt: skip
def test_broken_data_get_one_line(source, message, tmp_path, capsys):
    options = write(tmp_path, broken=source)
    command = [*options, "--methods", "oracle", *tiny("broken"), "--out", str(tmp_path / "out")]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and message in error


def test_a_sampler_draws_batches_of_any_shape():
    centred = plane(lambda z: 3 + z, 2)
    z = torch.randn(4, 5, 9)  # the oracle's noise is as wide as any generator's
    assert torch.equal(centred.push(z), 3 + z[..., :2])
    counts = centred.keep(centred.push(torch.randn(1000, 2)))
    assert counts["counts"].sum() > 990 and float(counts["extent"]) > 6


def test_a_mixture_beyond_the_plane_knows_its_modes():
    centers = torch.eye(5)
    five = mixture(centers, 0.01)
    x = five.push(torch.randn(3, 700, five.push_dim))
    assert five.x_shape == (5,) and x.shape == (3, 700, 5)
    assert torch.cdist(x.flatten(0, 1), centers).argmin(1).bincount(minlength=5).min() > 300
    found = five.evaluate(x[0])
    assert found["nonfinite"] == 0 and "modes_covered" not in found
    assert found["sliced_w2"] < 3 * found["sliced_w2_floor"] < 0.3  # the data's own samples


def test_a_stand_in_is_not_what_it_stands_in_for():
    assert Job("smoke").runs("stacked_digits", "gan")[0].data == "stacked_digits"
    with pytest.raises(UserError):
        Job("smoke").runs("triangle", "gan")


PRESET = """about: my own data, twice
seeds: [3]
methods:
  gan: {eta_theta: 0.002}
datasets:
  triangle: {SIZE}
  triangle_near: {data: triangle, coordinate_scale: 0.2, updates: {gan: 3, oracle: 1}, SIZE}
""".replace("SIZE", ", ".join(["evaluations: 1", *(s.replace("=", ": ") for s in TINY)]))


def test_a_preset_of_ones_own_on_data_of_ones_own(tmp_path):
    (tmp_path / "mine.yaml").write_text(PRESET)
    options = write(tmp_path, triangle=TRIANGLE)
    command = [*options, "--preset", str(tmp_path / "mine.yaml"), "--methods", "gan,oracle"]
    assert main([*command, "--jobs", "1", "--out", str(tmp_path / "out")]) == 0
    out = tmp_path / "out" / "mine"
    table = pd.read_csv(out / "metrics.csv")
    assert set(table["dataset"]) == {"triangle", "triangle_near"} and set(table["seed"]) == {3}
    assert table.query("dataset == 'triangle_near' and method == 'gan'")["step"].max() == 3
    assert "triangle_near" in (out / "index.html").read_text()
    assert main([*command, "--reproduce", "fig2", "--plan", "--out", str(tmp_path / "out")]) == 0


def test_a_preset_of_ones_own_may_set_a_plugin_and_nothing_unknown(tmp_path):
    path, plugin = tmp_path / "mine.yaml", tmp_path / "moments.py"
    path.write_text(PRESET.replace("gan: {eta", "moments: {eta"))
    write(tmp_path, triangle=TRIANGLE, moments="def build(spec, cfg): ...\n")
    triangle = str(tmp_path / "triangle.py")
    assert Job(str(path), plugins=(triangle, str(plugin))).preset.methods["moments"]
    with pytest.raises(UserError, match="unknown method 'moments'"):
        Job(str(path), plugins=(triangle,))
