"""Image data, networks, classifier and metrics of Stacked MNIST, and every method on images."""

from __future__ import annotations

import gzip
import importlib
import math
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from conftest import flat, tree_map

from benchmark import images
from benchmark.__main__ import main
from benchmark.config import config_class
from benchmark.datasets import load_dataset, pixels
from benchmark.engine import Engine
from benchmark.errors import UserError
from benchmark.job import Job, parse_label
from methods import REGISTRY, estimators, nets
from methods.base import Method, Spec
from metrics import classifier, stacked_mnist_metrics

METHODS = sorted(set(REGISTRY) - {"oracle"})
X_SHAPE = (3, 28, 28)
SPEC = Spec(X_SHAPE, 256, 4)
needs_mnist = pytest.mark.skipif(
    not images.mnist_found(), reason="no MNIST in DATA_ROOT (see README)"
)


# Networks, REFERENCE_FACTS section 2.1


@pytest.mark.parametrize("family, parameters", [("lbt", 1_886_995), ("metz", 287_875)])
def test_generator_parameter_counts(family, parameters):
    assert nets.generator(SPEC, family).size == parameters


@pytest.mark.parametrize(
    "family, ratio, pack, parameters",
    [
        ("lbt", 1, 1, 1_615_633),
        ("lbt", 0.5, 1, 806_281),
        ("metz", 0.25, 1, 585),
        ("metz", 0.5, 1, 1_889),
        ("metz", 1, 1, 6_657),
        ("metz", 0.25, 2, 639),
        ("metz", 0.5, 2, 1_997),
        ("metz", 1, 2, 6_873),
    ],
)
def test_discriminator_parameter_counts(family, ratio, pack, parameters):
    assert nets.discriminator(SPEC, family, ratio=ratio, pack=pack).size == parameters


@pytest.mark.parametrize("hidden, parameters", [("1000-400", 5_816_864), ("20-20", 113_184)])
def test_vae_parameter_counts(hidden, parameters):
    cfg = estimators.EstimatorConfig(latent=256, hidden=hidden, likelihood="bernoulli")
    assert estimators.build(SPEC, cfg).size == parameters


@pytest.mark.parametrize("family", ["lbt", "metz"])
def test_each_batch_has_its_own_statistics_and_pixels_are_in_range(family):
    net = nets.generator(SPEC, family)
    theta = net.init(torch.Generator().manual_seed(0))
    z = torch.randn(2, 8, 256, generator=torch.Generator().manual_seed(1))
    both = net.each(net.apply, theta, z)
    assert both.shape == (2, 8, *X_SHAPE) and 0 <= both.min() and both.max() <= 1
    for i in (0, 1):
        torch.testing.assert_close(both[i], net.apply(theta, z[i]))
    mixed = net.apply(theta, z.flatten(0, 1))
    assert not torch.allclose(mixed[:8], both[0], atol=1e-4)


@pytest.mark.parametrize("family, std", [("lbt", None), ("metz", 0.02)])
def test_initialisation(family, std):
    net = nets.generator(SPEC, family)
    first = net.init(torch.Generator().manual_seed(0))[: 256 * 1024]
    expected = std or math.sqrt(2 / (256 + 1024))  # Glorot uniform: variance 2 / (in + out)
    assert abs(first.std() / expected - 1) < 0.02


def test_networks_of_another_size_are_refused():
    with pytest.raises(ValueError, match="no metz networks"):
        nets.generator(SPEC._replace(x_shape=(1, 8, 8)), "metz")


def test_bernoulli_log_likelihood_by_hand():
    """With a decoder of zeros every pixel is 1/2: log-likelihood -D log 2, and KL 0."""
    cfg = estimators.EstimatorConfig(latent=2, hidden="3", likelihood="bernoulli")
    estimator = estimators.build(SPEC, cfg)
    x = torch.rand(5, *X_SHAPE)
    got = estimator.log_prob(torch.zeros(estimator.size), x, torch.randn(5, 2))
    torch.testing.assert_close(got, torch.full((5,), -2352 * math.log(2)))
    sample = estimator.sample(torch.zeros(estimator.size), torch.randn(5, 256))
    assert torch.equal(sample, torch.full((5, *X_SHAPE), 0.5))


# Methods


def build(name: str, **changes) -> Method:
    module = importlib.import_module(REGISTRY[name])
    model = config_class(module)
    small = {"nets": "metz", "d_ratio": 0.25, "hidden": "8-8", "latent": 4, "M": 2, "K": 2}
    small |= {"likelihood": "bernoulli"} | changes
    return module.build(SPEC, model(**{k: v for k, v in small.items() if k in model.model_fields}))


def batch(method: Method, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    data = {n: torch.rand(SPEC.batch, *X_SHAPE, generator=generator) for n in method.data}
    return data | {n: torch.randn(s, generator=generator) for n, s in method.noise.items()}


@pytest.mark.parametrize("family", ["lbt", "metz"])
@pytest.mark.parametrize("name", METHODS)
def test_every_parameter_group_moves_on_images(name, family):
    method = build(name, nets=family)
    old = method.init(0)
    before = tree_map(torch.clone, old)
    new, logs = method.step(old, batch(method))
    assert all(torch.equal(flat(old)[k], v) for k, v in flat(before).items())
    assert all(value.isfinite() for value in logs.values())
    for key, value in flat(new).items():
        assert value.isfinite().all()
        assert not torch.equal(value, flat(old)[key]), f"{key} did not move"
    x = method.sample(new, torch.randn(6, 256))
    assert x.shape == (6, *X_SHAPE) and 0 <= x.min() and x.max() <= 1


@pytest.mark.parametrize("name", METHODS)
def test_stacked_seeds_equal_single_ones_on_images(name):
    method = build(name)
    states, batches = [method.init(s) for s in (0, 1)], [batch(method, s) for s in (0, 1)]
    engine = Engine(method, states, "cpu")
    engine.advance(batches)
    for i in (0, 1):
        single, _ = method.step(states[i], batches[i])
        for key, value in flat(engine.state(i)).items():
            # Grouped convolutions sum in another order. Adam's first step is a sign: rounding
            # decides it where a gradient is zero, as it is of every bias before a batch norm.
            expected, start = flat(single)[key], flat(states[i])[key]
            apart = (value - expected).double().norm() / (expected - start).double().norm()
            assert apart <= (1e-3 if key.startswith("opt_") else 0.5), f"{key} of seed {i}"


def test_warm_up_is_a_plain_gan_and_ends():
    method = build("lbt_gan", warm_up=2, lambda_G=1.0, clip_norm=0.0, eta_theta=1e-3)
    state = method.init(0)
    engine = Engine(method, [state], "cpu")
    gan = build("gan", eta_theta=1e-3)
    plain = {k: state[k] for k in ("theta", "psi", "opt_theta", "opt_psi")}
    phis = [state["phi"]]
    for step in range(3):
        inputs = batch(method, step)
        plain, _ = gan.step(plain, inputs | {"x": inputs["x_psi"]})
        engine.advance([inputs])
        now = engine.state(0)
        phis.append(now["phi"])
        same = all(torch.allclose(now[k], plain[k], atol=1e-6) for k in ("theta", "psi"))
        assert same == (step < 2)
    assert torch.equal(phis[2], phis[0]) and not torch.equal(phis[3], phis[2])
    resumed = Engine(method, [state], "cpu", done=2)
    resumed.advance([batch(method)])
    assert not torch.equal(resumed.state(0)["phi"], phis[0])


# Metrics and classifier


def test_a_uniform_sampler_scores_all_modes_and_no_kl():
    index = torch.arange(1000)
    digits = torch.stack([index // 100, index // 10 % 10, index % 10], dim=1).repeat(3, 1)
    assert stacked_mnist_metrics(digits) == {"smnist_modes": 1000, "smnist_kl": 0}


def test_total_collapse_scores_one_mode_and_log_1000():
    got = stacked_mnist_metrics(torch.full((26_000, 3), 7))
    assert got["smnist_modes"] == 1
    assert got["smnist_kl"] == pytest.approx(math.log(1000))


def test_half_the_modes():
    index = torch.arange(500)
    digits = torch.stack([index // 100, index // 10 % 10, index % 10], dim=1)
    got = stacked_mnist_metrics(digits)
    assert (got["smnist_modes"], got["smnist_kl"]) == (500, pytest.approx(math.log(2)))


@pytest.mark.parametrize(
    "digits",
    [torch.zeros(5, 2), torch.zeros(0, 3), torch.full((2, 3), 10), torch.full((2, 3), 3.5)],
)
def test_other_input_is_refused(digits):
    with pytest.raises(ValueError):
        stacked_mnist_metrics(digits)


@pytest.mark.parametrize("name", ["mnist", "digits"])
def test_the_shipped_classifier_is_as_accurate_as_its_record(name):
    if name == "mnist" and not images.mnist_found():
        pytest.skip("no MNIST in DATA_ROOT (see README)")
    digits = images.mnist() if name == "mnist" else images.sklearn_digits()
    model = classifier.load(name)
    assert not model.training
    x, labels = digits.images[digits.train :], digits.labels[digits.train :]
    with torch.no_grad():
        parts = [model(part[:, None].float() / 255).argmax(1) for part in x.split(1000)]
    right = (torch.cat(parts) == labels).double().mean().item()
    assert right == pytest.approx(classifier.record(name)["test_accuracy"], abs=2e-4)  # rounding
    assert right >= 0.992


def test_altered_weights_are_refused(tmp_path, monkeypatch):
    shutil.copytree(classifier.WEIGHTS, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "digits.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    monkeypatch.setattr(classifier, "WEIGHTS", tmp_path)
    classifier.load.cache_clear()
    with pytest.raises(ValueError, match="wrong SHA-256"):
        classifier.load("digits")
    classifier.load.cache_clear()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param("stacked_mnist", marks=needs_mnist), "stacked_digits"]
)
def test_real_stacks_give_all_modes(name):
    data = load_dataset(name)
    z = torch.randn(26_000, images.INDEX_DIM, generator=torch.Generator().manual_seed(0))
    got = data.evaluate(torch.cat([data.push(part) for part in z.split(2000)]))
    assert got["smnist_modes"] == 1000
    assert 0.015 < got["smnist_kl"] < 0.05  # sampling alone makes 0.019


# Data


def test_every_stack_is_drawn_equally_often():
    """A digit's place as its pixels: 128,000 triples of ten digits, drawn 400,000 times."""
    places = torch.arange(10, dtype=torch.uint8).view(10, 1, 1).expand(10, 28, 28)
    push = images.stacks(images.Digits(places, torch.arange(10), 10), "cpu")
    z = torch.randn(400_000, 1, generator=torch.Generator().manual_seed(0))
    drawn = torch.cat([push(part)[:, :, 0, 0] for part in z.split(2_000)]) * 255
    counts = (drawn.round().long() @ torch.tensor([100, 10, 1])).bincount(minlength=1000)
    # 128 triples a mode, drawn 400 times in all: std sqrt(400 + 400^2 / 128) = 41, six of them.
    assert len(counts) == 1000 and (counts - 400).abs().max() < 250
    first = push(torch.full((1, 1), -9.0))[0, :, 0, 0] * 255
    assert first.round().long().tolist() == [0, 1, 5]  # the stacking seed is part of the data


def test_stacks_are_fixed():
    digits = images.sklearn_digits()
    push, again = images.stacks(digits, "cpu"), images.stacks(digits, "cpu")
    z = torch.randn(500, 1, generator=torch.Generator().manual_seed(0))
    x = push(z)
    assert x.shape == (500, 3, 28, 28) and 0 <= x.min() and x.max() <= 1
    assert torch.equal(x, again(z))
    assert torch.equal(push(torch.full((1, 1), 9.0)), push(torch.full((1, 1), 99.0)))


@needs_mnist
def test_mnist_is_whole():
    digits = images.mnist()
    assert digits.images.shape == (70_000, 28, 28) and digits.train == 60_000
    assert digits.labels[:60_000].bincount().tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip


def fake_root(path: Path, damage) -> Path:
    """A DATA_ROOT with files of the right names: small, and ``damage`` done to the first."""
    raw = path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in images.MNIST:
        (raw / f"{name}.gz").write_bytes(gzip.compress(b"nothing"))
    first = raw / f"{next(iter(images.MNIST))}.gz"
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
    images.mnist.cache_clear()
    monkeypatch.setenv("DATA_ROOT", str(root))
    command = ["--methods", "oracle", "--dataset", "stacked_mnist", "--preset", "smoke"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert "train-images-idx3-ubyte.gz" in error and error.count("\n") == 1
    assert sorted(root.rglob("*")) == before
    images.mnist.cache_clear()


@pytest.fixture
def no_mnist(tmp_path, monkeypatch):
    """An empty DATA_ROOT, and a download that fails as it does offline."""
    from benchmark.vision import torchvision

    def offline(*args, **kwargs):
        raise RuntimeError("Error downloading train-images-idx3-ubyte.gz")

    root = tmp_path / "data"
    monkeypatch.setenv("DATA_ROOT", str(root))
    monkeypatch.setattr(torchvision.datasets, "MNIST", offline)
    images.mnist.cache_clear()
    Job._mnist.cache_clear()
    yield root
    images.mnist.cache_clear()
    Job._mnist.cache_clear()


def test_missing_files_are_named_and_where_to_put_them(no_mnist, tmp_path, capsys):
    command = ["--methods", "oracle", "--dataset", "stacked_mnist", "--preset", "smoke"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert str(no_mnist / "MNIST" / "raw") in error and "t10k-labels-idx1-ubyte.gz" in error
    assert error.count("\n") == 1
    assert not [p for p in no_mnist.rglob("*") if p.is_file()]


def test_a_wrong_download_is_not_kept(tmp_path, monkeypatch):
    from benchmark.vision import torchvision

    def wrong(root, download):
        raw = Path(root) / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for name in images.MNIST:
            (raw / name).write_bytes(b"a quota page")

    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    monkeypatch.setattr(torchvision.datasets, "MNIST", wrong)
    images.mnist.cache_clear()
    with pytest.raises(UserError, match="wrong SHA-256"):
        images.mnist()
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_without_mnist_the_table_is_of_the_stand_in_and_says_so(no_mnist, tmp_path, capsys):
    command = ["--reproduce", "table1", "--methods", "gan,oracle", "--preset", "smoke"]
    assert main([*command, "--seeds", "0", "--jobs", "1", "--out", str(tmp_path)]) == 0
    assert "using stacked_digits instead" in capsys.readouterr().err
    table = pd.read_csv(tmp_path / "smoke" / "tables" / "table1_digits.csv")
    ours = table[table["source"] == "ours"]
    assert set(ours["dataset"]) == {"stacked_digits"} and set(ours["method"]) == {"GAN", "Data"}
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


# Variants


def test_a_variant_is_named_by_its_settings():
    assert parse_label("lbt[K=3,eta_phi=1e-3]") == ("lbt", {"K": 3, "eta_phi": 1e-3})
    job = Job("smoke", seeds=(0,))
    (run,) = job.runs("ring", "lbt[M=2,K=3]")
    assert run.label == "lbt[K=3,M=2]" and run.settings["K"] == 3 and run.settings["M"] == 2
    assert job.variant("ring", "lbt", K=run.settings["K"]) == "lbt[K=3]"
    assert job.variant("ring", "lbt", M=5) == "lbt"  # what the preset has anyway


@pytest.mark.parametrize("label", ["lbt[K=3", "lbt[K]", "lbt[KK=3]", "lbtt[K=3]", "lbt[K=0]"])
def test_a_wrong_variant_is_refused(label):
    with pytest.raises(UserError):
        Job("smoke", seeds=(0,)).runs("ring", label)


# CIFAR-10 and CelebA


@pytest.mark.parametrize(
    "size, generator, discriminator, vae",
    [(32, 6_212_739, 1_033_729, 7_257_584), (64, 6_412_867, 4_315_649, 25_698_800)],
)
def test_parameter_counts_on_photographs(size, generator, discriminator, vae):
    spec = Spec((3, size, size), 256, 4)
    cfg = estimators.EstimatorConfig(latent=256, hidden="1000-400", likelihood="gaussian")
    assert nets.generator(spec).size == generator
    assert nets.discriminator(spec).size == discriminator
    assert estimators.build(spec, cfg).size == vae


def test_gaussian_log_likelihood_of_images_by_hand():
    """A decoder of zeros has mean tanh(0) = 0 on pixels in [-1, 1]."""
    cfg = estimators.EstimatorConfig(latent=2, hidden="3", variance=0.5)
    estimator = estimators.build(SPEC, cfg)
    x = torch.rand(5, *X_SHAPE)
    signed = (2 * x - 1).flatten(1)
    expected = -signed.square().sum(1) / (2 * 0.5) - 2352 / 2 * math.log(2 * math.pi * 0.5)
    got = estimator.log_prob(torch.zeros(estimator.size), x, torch.randn(5, 2))
    torch.testing.assert_close(got, expected)


@pytest.fixture
def photo_root(tmp_path, monkeypatch):
    """A DATA_ROOT with a CIFAR-10 subset and a folder of pictures of two sizes."""
    import numpy as np
    from PIL import Image

    from benchmark import photos

    root = tmp_path / "data"
    (root / "cifar10").mkdir(parents=True)
    rng = np.random.default_rng(0)
    images_ = rng.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    np.savez(root / "cifar10" / "some.npz", images=images_, labels=np.arange(20) % 10)
    (root / "celeba" / "more").mkdir(parents=True)
    for i, (width, height) in enumerate([(178, 218), (100, 80), (178, 218)]):
        picture = np.zeros((height, width, 3), np.uint8)
        picture[height // 2, width // 2] = 255
        Image.fromarray(picture).save(root / "celeba" / "more" / f"{i}.png")
    monkeypatch.setenv("DATA_ROOT", str(root))
    photos.cifar10.cache_clear()
    photos.celeba.cache_clear()
    yield root
    photos.cifar10.cache_clear()
    photos.celeba.cache_clear()


def test_photographs_are_read_cropped_and_drawn(photo_root):
    cifar, celeba = load_dataset("cifar10"), load_dataset("celeba")
    z = torch.randn(7, 1, generator=torch.Generator().manual_seed(0))
    assert cifar.push(z).shape == (7, 3, 32, 32) and celeba.push(z).shape == (7, 3, 64, 64)
    assert 0 <= celeba.push(z).min() < celeba.push(z).max() <= 1
    assert len(list((photo_root / "celeba").glob("crops-64-of-3.npy"))) == 1
    again = load_dataset("celeba")
    assert torch.equal(celeba.push(z), again.push(z))


def test_figure_5_is_drawn_from_what_is_there(photo_root, tmp_path, capsys):
    shutil.rmtree(photo_root / "celeba")
    command = ["--reproduce", "fig5", "--preset", "smoke", "--seeds", "0", "--jobs", "1"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    error = capsys.readouterr().err
    assert "fig5: left out CelebA" in error and str(photo_root / "celeba") in error
    assert (tmp_path / "out" / "smoke" / "figures" / "fig5.png").stat().st_size > 10_000


def test_a_damaged_picture_is_refused_by_name(photo_root):
    (photo_root / "celeba" / "broken.jpg").write_bytes(b"not a picture")
    with pytest.raises(UserError, match=r"broken\.jpg"):
        load_dataset("celeba")
