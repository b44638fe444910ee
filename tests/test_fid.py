"""FID and KID on request; most of it needs requirements-fid.txt and is skipped without."""

from __future__ import annotations

import importlib.util
import math
import re
from pathlib import Path

import pandas as pd
import pytest
import torch

from benchmark.artefacts import fig5
from benchmark.cli import main
from benchmark.core.errors import UserError
from benchmark.results.view import Results
from benchmark.training import fid

needs_package = pytest.mark.skipif(
    importlib.util.find_spec("torch_fidelity") is None, reason="no torch-fidelity"
)
TINY = ["--dataset", "cifar10", "--methods", "gan", "--preset", "smoke", "--jobs", "1"]


def normals(seed: int, n: int = 500, features: int = 8) -> torch.Tensor:
    return torch.randn(n, features, generator=torch.Generator().manual_seed(seed))


@needs_package
def test_distances_against_closed_forms():
    x = normals(0)
    same = fid.distances(x, x)
    assert abs(same["fid"]) < 1e-4 and abs(same["kid"]) < 0.1
    # Moved by m the FID is |m|^2; scaled by s as well, (s - 1)^2 tr of the covariance more.
    assert fid.distances(x + 2.0, x)["fid"] == pytest.approx(8 * 4.0, rel=1e-3)
    scaled = (x - x.mean(0)) * 3 + x.mean(0)
    expected = 4 * torch.cov(x.T).trace()
    assert fid.distances(scaled, x)["fid"] == pytest.approx(float(expected), rel=1e-3)
    assert fid.distances(x + 2.0, x)["kid"] > 10 * abs(same["kid"])
    few = fid.distances(x[:20], x)
    assert (few["fid_samples"], few["fid_reference"]) == (20, 500)


@pytest.fixture
def weights(tmp_path, monkeypatch) -> Path:
    """A file as torch-fidelity's, of random weights that keep the activations' scale."""
    file, empty = tmp_path / "random.pth", tmp_path / "empty.pth"
    torch.save({}, empty)
    network = fid.package().FeatureExtractorInceptionV3
    with monkeypatch.context() as patch:
        patch.setattr(network, "load_state_dict", lambda *_: None)
        made = network("random", ["2048"], feature_extractor_weights_path=str(empty))
    generator = torch.Generator().manual_seed(0)
    for p in made.parameters():
        if p.dim() == 4:
            p.copy_(torch.randn(p.shape, generator=generator) * math.sqrt(2 / p[0].numel()))
    torch.save(made.state_dict(), file)
    return file


@needs_package
def test_the_network_tells_sets_of_images_apart(weights):
    extract = fid.extractor(weights, "cpu")
    noise = torch.Generator().manual_seed(1)
    dark, bright = (
        torch.randint(low, low + 128, (8, 3, 32, 32), generator=noise, dtype=torch.uint8)
        for low in (0, 128)
    )
    calls = []
    ours, theirs = (fid.features(x, extract, lambda: calls.append(1)) for x in (dark, bright))
    assert ours.shape == (8, 2048) and ours.isfinite().all() and len(calls) == 2
    same, apart = fid.distances(ours, ours), fid.distances(ours, theirs)
    assert apart["fid"] > 1 and apart["kid"] > same["kid"]
    assert abs(same["fid"]) < 1e-3 * apart["fid"]


@needs_package
def test_scores_are_taken_at_the_end_of_a_run_and_said_to_be_missing(
    photo_root, tmp_path, monkeypatch, capsys
):
    """Of a stand-in network, on a tiny run: one seed without, one with."""
    stand_in = lambda images: images.float().flatten(1)[:, ::200] / 255  # noqa: E731
    monkeypatch.setattr(fid, "extractor", lambda weights, device: stand_in)
    monkeypatch.setattr(fid, "_reference", {})
    (file := tmp_path / "weights.pth").touch()
    out = ["--out", str(tmp_path / "out")]
    asked = ["--fid-weights", str(file), "--fid-samples", "30"]
    assert main([*TINY, "--seeds", "0", *out]) == 0
    assert main([*TINY, "--seeds", "0,1", *asked, *out]) == 0
    assert "cifar10/gan seed 0: has no FID; --force trains it again" in capsys.readouterr().err
    table = pd.read_csv(tmp_path / "out" / "smoke" / "metrics.csv")
    assert not table.query("seed == 0 and metric == 'fid'").size
    found = table.query("seed == 1").set_index("metric")["value"]
    assert found["fid"] > 0 and math.isfinite(found["kid"]) and found["kid_std"] >= 0
    assert (found["fid_samples"], found["fid_reference"]) == (30, 20)  # the data has 20
    summary = pd.read_csv(tmp_path / "out" / "smoke" / "summary.csv").set_index("metric")
    assert math.isnan(summary.loc["fid", "mean"])  # not of every seed
    results = Results(tmp_path / "out", "smoke")
    assert fig5.score(results, "cifar10", "gan", 0) == ""
    assert re.fullmatch(
        r", FID \d+\.\d \(30 against 20 images\)", fig5.score(results, "cifar10", "gan", 1)
    )
    assert main([*TINY, "--seeds", "0,1", "--force", *asked, *out]) == 0
    assert "has no FID" not in (captured := capsys.readouterr()).err
    assert "FID" in captured.out
    summary = pd.read_csv(tmp_path / "out" / "smoke" / "summary.csv").set_index("metric")
    assert summary.loc["fid", "mean"] > 0


def refusal(capsys, out: Path, *options: str) -> str:
    """The one line with which a command is refused."""
    assert main([*TINY, *options, "--out", str(out)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert not out.exists()
    return line


def test_what_is_missing_is_said_before_anything_starts(photo_root, tmp_path, monkeypatch, capsys):
    out, file = tmp_path / "out", tmp_path / "weights.pth"
    line = refusal(capsys, out, "--fid-weights", str(file))
    assert f"{file}: no such file" in line and fid.WEIGHTS in line
    file.touch()
    assert "no run is on" in refusal(capsys, out, "--fid-weights", str(file), "--dataset", "ring")
    line = refusal(capsys, out, "--fid-weights", str(file), "--fid-samples", "1")
    assert "--fid-samples 1: must be at least 2" in line
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "requirements-fid.txt" in refusal(capsys, out, "--fid-weights", str(file))


class Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@needs_package
@pytest.mark.parametrize("kind", ["empty", "other", "hostile"])
def test_a_file_that_is_not_the_networks_is_refused_and_executes_nothing(tmp_path, kind):
    file, victim = tmp_path / "weights.pth", tmp_path / "executed"
    if kind == "empty":
        file.touch()
    else:
        torch.save({"a": torch.zeros(2)} if kind == "other" else Hostile(victim), file)
    with pytest.raises(UserError, match=f"weights.pth: not torch-fidelity's {fid.WEIGHTS}"):
        fid.extractor(file, "cpu")
    assert not victim.exists()
