"""The benchmark as a library, and generators that are kept."""

from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import TINY
from test_own_data import TRIANGLE, tiny, write

from benchmark import load_generator, measure, train
from benchmark.cli import main
from benchmark.core.errors import UserError
from benchmark.data import load

SMALL = {"iterations": 3, "batch": 8, "z_dim": 40, "final_samples": 2_000}


def test_importing_the_library_imports_nothing_heavy():
    code = "import sys, benchmark; sys.exit('torch' in sys.modules or 'pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_what_is_trained_is_what_was_measured():
    trained = train("lbt", "ring", seed=1, K=2, M=2, coordinate_scale=2.0, **SMALL)
    assert trained.status == "complete" and trained.generator.run.settings["K"] == 2
    again = measure(trained.samples(2_000), "ring")
    assert again == {name: trained.metrics[name] for name in again}
    other = train("lbt", "ring", seed=2, K=2, M=2, coordinate_scale=2.0, **SMALL)
    assert not torch.equal(other.samples(10), trained.samples(10))


def test_samples_of_ones_own_are_measured():
    perfect = load("ring").push(torch.randn(50_000, 3)).numpy()
    found = measure(perfect, "ring")
    assert found["modes_covered"] == 8 and abs(found["high_quality_pct"] - 98.89) < 0.3  # 6 errors
    assert measure(np.zeros((100, 2)), "ring")["modes_covered"] == 0
    with pytest.raises(UserError, match="did you mean 'ring'"):
        measure(perfect, "rings")
    with pytest.raises(ValueError, match="must be"):
        measure(perfect.T, "ring")


def test_a_file_of_ones_own_is_trained_on(tmp_path):
    write(tmp_path, triangle=TRIANGLE)
    path = str(tmp_path / "triangle.py")
    trained = train("oracle", path, **SMALL)
    assert (
        trained.metrics["modes_covered"]
        == 3
        == measure(trained.samples(2_000), path)["modes_covered"]
    )


def test_a_kept_generator_samples_what_its_run_measured(tmp_path, capsys):
    command = ["--methods", "gan", *tiny("ring"), "--out", str(tmp_path)]
    assert main(command) == 0
    assert main([*command, "--keep-generator"]) == 0
    assert "ring/gan seed 0: keeps no generator; --force" in capsys.readouterr().err
    assert main([*command, "--keep-generator", "--set", "gan.average=0.5"]) == 0
    (folder,) = tmp_path.glob("smoke*/runs/ring/gan?average*/seed0")
    generator = load_generator(folder)
    kept = np.load(folder / "samples.npz")["samples"]
    assert np.array_equal(generator.samples(2_000).numpy(), kept)
    (folder / "generator.safetensors").write_bytes(b"not this")
    with pytest.raises(UserError, match="generator.safetensors: damaged"):
        load_generator(folder)


def test_a_damaged_generator_is_not_loaded(tmp_path):
    command = ["--methods", "oracle", *TINY, "--seeds", "0", "--keep-generator"]
    assert main([*command, "--out", str(tmp_path)]) == 0
    (run,) = tmp_path.glob("smoke*/runs/ring/oracle/seed0")
    assert load_generator(shutil.copytree(run, tmp_path / "elsewhere")).samples(3).shape == (3, 2)
    path = run / "generator.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"generator.safetensors: damaged \(its SHA-256"):
        load_generator(run)
