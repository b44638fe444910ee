"""Data, classifier, metrics and table of Stacked MNIST."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import pandas as pd
import pytest
import torch
from faults import LONG

from benchmark.cli import main
from benchmark.core.errors import UserError
from benchmark.data import digits as files
from benchmark.data import load
from benchmark.data.base import pixels
from benchmark.data.stacked import INDEX_DIM, stacks
from benchmark.experiments.job import Job
from metrics import METRICS, classifier, stacked_mnist_metrics
from metrics.stacked_mnist import uniform_modes

needs_mnist = pytest.mark.skipif(
    not files.mnist_found(), reason="no MNIST in DATA_ROOT (see README)"
)


def every_triple(repeats: int = 1) -> torch.Tensor:
    index = torch.arange(1000)
    return torch.stack([index // 100, index // 10 % 10, index % 10], dim=1).repeat(repeats, 1)


def test_a_uniform_sampler_scores_all_modes_and_no_kl():
    expected = {"smnist_modes": 1000, "smnist_kl": 0, "smnist_effective_modes": 1000}
    assert stacked_mnist_metrics(every_triple(3)) == expected


def test_total_collapse_scores_one_mode_and_log_1000():
    got = stacked_mnist_metrics(torch.full((26_000, 3), 7))
    assert got["smnist_modes"] == 1
    assert got["smnist_kl"] == pytest.approx(math.log(1000))
    assert got["smnist_effective_modes"] == pytest.approx(1)


def test_half_the_modes():
    got = stacked_mnist_metrics(every_triple()[:500])
    assert (got["smnist_modes"], got["smnist_kl"]) == (500, pytest.approx(math.log(2)))
    assert got["smnist_effective_modes"] == pytest.approx(500)


def test_a_rare_mode_counts_whole_but_not_as_effective():
    """Two modes, 999 to 1: exp of their entropy is how many equal ones they are worth."""
    digits = torch.zeros(1000, 3, dtype=torch.long)
    digits[0] = 9
    got = stacked_mnist_metrics(digits)
    entropy = -(0.999 * math.log(0.999) + 0.001 * math.log(0.001))
    assert got["smnist_modes"] == 2
    assert got["smnist_effective_modes"] == pytest.approx(math.exp(entropy))


def test_a_stack_is_certain_if_all_three_digits_are():
    certain = torch.ones(1000, 3, dtype=torch.bool)
    certain[250:500, 1] = False
    certain[500:] = False
    got = stacked_mnist_metrics(every_triple(), certain=certain)
    assert (got["smnist_modes"], got["smnist_certain_modes"]) == (1000, 250)
    assert got["smnist_certain_kl"] == pytest.approx(math.log(4))
    assert got["smnist_certain_pct"] == 25


def test_without_a_certain_stack_no_mode_counts():
    got = stacked_mnist_metrics(every_triple(), certain=torch.zeros(1000, 3, dtype=torch.bool))
    assert (got["smnist_certain_modes"], got["smnist_certain_pct"]) == (0, 0)
    assert got["smnist_certain_kl"] == METRICS["smnist_kl"].miss == math.log(1000)


def test_digits_in_training_mode_are_counted_beside():
    got = stacked_mnist_metrics(torch.full((1000, 3), 7), training=every_triple())
    assert (got["smnist_modes"], got["smnist_training_modes"]) == (1, 1000)
    assert got["smnist_training_kl"] == 0


@pytest.mark.parametrize("name", ["certain", "training"])
def test_judgements_of_other_stacks_are_refused(name):
    with pytest.raises(ValueError, match="shape"):
        stacked_mnist_metrics(every_triple(), **{name: every_triple()[:500]})


@pytest.mark.parametrize(
    "digits",
    [torch.zeros(5, 2), torch.zeros(0, 3), torch.full((2, 3), 10), torch.full((2, 3), 3.5)],
)
def test_other_input_is_refused(digits):
    with pytest.raises(ValueError):
        stacked_mnist_metrics(digits)


@pytest.mark.parametrize("name", ["mnist", "digits"])
def test_the_shipped_classifier_is_as_accurate_as_its_record(name):
    if name == "mnist" and not files.mnist_found():
        pytest.skip("no MNIST in DATA_ROOT (see README)")
    digits = files.mnist() if name == "mnist" else files.sklearn_digits()
    model = classifier.load(name)
    assert not model.training
    x, labels = digits.images[digits.train :], digits.labels[digits.train :]
    with torch.no_grad():
        parts = [model(part[:, None].float() / 255).argmax(1) for part in x.split(1000)]
    right = (torch.cat(parts) == labels).double().mean().item()
    assert right == pytest.approx(classifier.record(name)["test_accuracy"], abs=2e-4)  # rounding
    assert right >= 0.992


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("stacked_mnist", marks=needs_mnist),
        pytest.param("stacked_digits", marks=pytest.mark.skipif(not LONG, reason="as the other")),
    ],
)
def test_real_stacks_give_all_modes(name):
    data = load(name)
    z = torch.randn(26_000, INDEX_DIM, generator=torch.Generator().manual_seed(0))
    got = data.evaluate(torch.cat([data.push(part) for part in z.split(2000)]))
    assert got["smnist_modes"] == 1000
    assert 0.015 < got["smnist_kl"] < 0.05  # sampling alone makes 0.019


def test_every_stack_is_drawn_equally_often():
    """A digit's place as its pixels: 128,000 triples of ten digits, drawn 400,000 times."""
    places = torch.arange(10, dtype=torch.uint8).view(10, 1, 1).expand(10, 28, 28)
    push = stacks(files.Digits(places, torch.arange(10), 10), "cpu")
    z = torch.randn(400_000, 1, generator=torch.Generator().manual_seed(0))
    drawn = torch.cat([push(part)[:, :, 0, 0] for part in z.split(2_000)]) * 255
    counts = (drawn.round().long() @ torch.tensor([100, 10, 1])).bincount(minlength=1000)
    # 128 triples a mode, drawn 400 times in all: std sqrt(400 + 400^2 / 128) = 41, six of them.
    assert len(counts) == 1000 and (counts - 400).abs().max() < 250
    first = push(torch.full((1, 1), -9.0))[0, :, 0, 0] * 255
    assert first.round().long().tolist() == [0, 1, 5]  # the stacking seed is part of the data


def test_stacks_are_fixed():
    digits = files.sklearn_digits()
    push, again = stacks(digits, "cpu"), stacks(digits, "cpu")
    z = torch.randn(500, 1, generator=torch.Generator().manual_seed(0))
    x = push(z)
    assert x.shape == (500, 3, 28, 28) and 0 <= x.min() and x.max() <= 1
    assert torch.equal(x, again(z))
    assert torch.equal(push(torch.full((1, 1), 9.0)), push(torch.full((1, 1), 99.0)))


@needs_mnist
def test_mnist_is_whole():
    digits = files.mnist()
    assert digits.images.shape == (70_000, 28, 28) and digits.train == 60_000
    assert digits.labels[:60_000].bincount().tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip


def fake_root(path: Path, damage) -> Path:
    """A DATA_ROOT with files of the right names: small, and ``damage`` done to the first."""
    raw = path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in files.MNIST:
        (raw / f"{name}.gz").write_bytes(gzip.compress(b"nothing"))
    first = raw / f"{next(iter(files.MNIST))}.gz"
    damage(first)
    return path


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: None,
        lambda path: path.write_bytes(path.read_bytes()[:10]),
        lambda path: path.write_bytes(b"<html>quota exceeded</html>"),
        lambda path: path.write_bytes(gzip.compress(b"nothing")[:10] + b"\xff" * 20),
    ],
    ids=["other content", "truncated", "a web page", "undecodable"],
)
def test_damaged_files_are_refused_by_name(tmp_path, monkeypatch, capsys, damage):
    root = fake_root(tmp_path / "data", damage)
    before = sorted(root.rglob("*"))
    files.mnist.cache_clear()
    monkeypatch.setenv("DATA_ROOT", str(root))
    command = ["--methods", "oracle", "--dataset", "stacked_mnist_small", "--preset", "smoke"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert "train-images-idx3-ubyte.gz" in error and error.count("\n") == 1
    assert sorted(root.rglob("*")) == before
    files.mnist.cache_clear()


@pytest.fixture
def no_mnist(tmp_path, monkeypatch):
    """An empty DATA_ROOT, and a download that fails as it does offline."""
    from benchmark.data.vision import torchvision

    def offline(*args, **kwargs):
        raise RuntimeError("Error downloading train-images-idx3-ubyte.gz")

    root = tmp_path / "data"
    monkeypatch.setenv("DATA_ROOT", str(root))
    monkeypatch.setattr(torchvision.datasets, "MNIST", offline)
    files.mnist.cache_clear()
    Job.mnist.cache_clear()
    yield root
    files.mnist.cache_clear()
    Job.mnist.cache_clear()


def test_missing_files_are_named_and_where_to_put_them(no_mnist, tmp_path, capsys):
    command = ["--methods", "oracle", "--dataset", "stacked_mnist_small", "--preset", "smoke"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert str(no_mnist / "MNIST" / "raw") in error and "t10k-labels-idx1-ubyte.gz" in error
    assert error.count("\n") == 1
    assert not [p for p in no_mnist.rglob("*") if p.is_file()]


def test_a_wrong_download_is_not_kept(tmp_path, monkeypatch):
    from benchmark.data.vision import torchvision

    def wrong(root, download):
        raw = Path(root) / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for name in files.MNIST:
            (raw / name).write_bytes(b"a quota page")

    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    monkeypatch.setattr(torchvision.datasets, "MNIST", wrong)
    files.mnist.cache_clear()
    with pytest.raises(UserError, match="wrong SHA-256"):
        files.mnist()
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_without_mnist_the_table_is_of_the_stand_in_and_says_so(no_mnist, tmp_path, capsys):
    command = ["--reproduce", "table1", "--methods", "gan,oracle", "--preset", "smoke"]
    assert main([*command, "--seeds", "0", "--jobs", "1", "--out", str(tmp_path)]) == 0
    assert "using stacked_digits instead" in capsys.readouterr().err
    table = pd.read_csv(tmp_path / "smoke" / "tables" / "table1_digits.csv")
    ours = table[table["source"] == "ours"]
    assert set(ours["dataset"]) == {"stacked_digits"} and set(ours["method"]) == {"DCGAN", "Data"}
    text = (tmp_path / "smoke" / "tables" / "table1_digits.md").read_text()
    assert "Stacked digits of scikit-learn" in text and "Ours: Stacked MNIST" not in text
    assert not (tmp_path / "smoke" / "tables" / "table1.md").exists()


def test_published_rows_are_named_and_not_ours():
    from benchmark.artefacts.table1 import published

    table = published()
    assert "ours" not in set(table["source"])
    theirs = table.set_index(["source", "networks", "method"])
    assert theirs.loc[("LBT paper, Table 1", "lbt", "LBT-GAN"), "modes"] == 999.6
    row = theirs.loc[("PacGAN, Table 3", "metz, D = 0.25 G", "PacDCGAN2")]
    assert (row["modes"], row["kl"]) == (484.5, 2.61)


def test_samples_are_stored_as_bytes():
    x = torch.tensor([-1.0, 0.0, 0.5, 2.0]).view(4, 1, 1, 1).expand(4, 3, 2, 2)
    assert pixels(x)[:, 0, 0, 0].tolist() == [0, 0, 128, 255]
    assert pixels(x).shape == (4, 2, 2, 3)


def test_how_many_modes_a_perfect_generator_hits():
    digits = torch.randint(10, (2_600, 3), generator=torch.Generator().manual_seed(0))
    # One draw's count has a standard deviation of about 7.
    assert abs(stacked_mnist_metrics(digits)["smnist_modes"] - uniform_modes(2_600)) < 35
    assert uniform_modes(2_600) == pytest.approx(925.8, abs=0.1)
