"""Which digits are certain, and what the classifier counts in training mode."""

from __future__ import annotations

import shutil

import pytest
import torch

from benchmark.data import digits as files
from benchmark.data.stacked import INDEX_DIM, stacks
from metrics import classifier, likeness, stacked_mnist_metrics

needs_mnist = pytest.mark.skipif(
    not files.mnist_found(), reason="no MNIST in DATA_ROOT (see README)"
)


@pytest.mark.parametrize("name", ["digits", "digits_likeness"])
def test_altered_weights_are_refused(tmp_path, monkeypatch, name):
    shutil.copytree(classifier.WEIGHTS, tmp_path, dirs_exist_ok=True)
    path = tmp_path / f"{name}.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    monkeypatch.setattr(classifier, "WEIGHTS", tmp_path)
    with pytest.raises(ValueError, match="wrong SHA-256"):
        classifier.tensors(name)


def test_the_likeness_of_another_classifier_is_refused(monkeypatch):
    def retrained(name):
        return classifier.record(name) | ({} if "likeness" in name else {"sha256": "another"})

    monkeypatch.setattr(likeness, "record", retrained)
    with pytest.raises(ValueError, match="another classifier"):
        likeness.load.__wrapped__("digits")


NAMES = [pytest.param("mnist", marks=needs_mnist), "digits"]


def real_stacks(name: str, count: int) -> torch.Tensor:
    digits = files.mnist() if name == "mnist" else files.sklearn_digits()
    z = torch.randn(count, INDEX_DIM, generator=torch.Generator().manual_seed(0))
    return stacks(digits, "cpu")(z)


def textures(count: int) -> dict[str, torch.Tensor]:
    """Stacks without a digit: constants, noise, waves and patches of grey."""
    generator = torch.Generator().manual_seed(0)

    def smooth(size: int) -> torch.Tensor:
        z = torch.randn(count, 3, size, size, generator=generator)
        return torch.nn.functional.interpolate(2 * z, (28, 28), mode="bilinear").sigmoid()

    noise = torch.rand(count, 3, 28, 28, generator=generator)
    wave = (torch.arange(28) % 4 < 2).float().expand(count, 3, 28, 28)
    return {
        "grey": torch.linspace(0, 1, count).view(-1, 1, 1, 1).expand(-1, 3, 28, 28),
        "noise": noise,
        "grey noise": 0.3 + 0.2 * noise,
        "black and white": (noise > 0.5).float(),
        "stripes": wave,
        "patches": smooth(4),
        "small patches": smooth(14),
    }


@pytest.mark.parametrize("name", NAMES)
def test_textures_have_no_certain_mode_though_the_classifier_is_sure(name):
    model, real = classifier.load(name), likeness.load(name)
    for kind, drawn in textures(60).items():
        _, certain = likeness.judge(model, real, drawn)
        # A stack needs three: of the channels one in a hundred passes at the most.
        assert not certain.all(dim=1).any(), kind
        assert certain.double().mean() <= 0.02, kind
    with torch.no_grad():
        noise = textures(60)["noise"].reshape(-1, 1, 28, 28)
        sure = model(noise).softmax(1).amax(1) > real.confidence
    assert name == "digits" or sure.all()  # so that confidence alone would not do


def test_a_certain_digit_is_both_sure_and_near():
    """Of blends of digits, which miss one, the other or both."""
    model, real = classifier.load("digits"), likeness.load("digits")
    stacks = real_stacks("digits", 200)
    blends = (stacks[:100] + stacks[100:]) / 2
    _, certain = likeness.judge(model, real, blends)
    with torch.no_grad():
        features = model.embed(blends.reshape(-1, 1, 28, 28))
        confidence, digit = model.head(features).softmax(1).max(1)
        distance = (features @ real.whiten - real.means[digit]).norm(dim=1)
    sure, near = confidence >= real.confidence, distance <= real.distance
    assert torch.equal(certain.flatten(), sure & near)
    assert (sure & ~near).any() and (near & ~sure).any() and (sure & near).any()


@pytest.mark.parametrize("name", NAMES)
def test_nearly_all_real_stacks_are_certain_and_judged_as_they_are_classified(name):
    model, stacks = classifier.load(name), real_stacks(name, 1000)
    digits, certain = likeness.judge(model, likeness.load(name), stacks)
    assert torch.equal(digits, classifier.classify(model, stacks))
    # Two thresholds that 99 % of digits reach: of stacks of three, 94 % if they were independent.
    assert 0.92 < certain.all(dim=1).double().mean() < 1


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_likeness_is_that_of_the_digits(name):
    """Its thresholds are what 99 % of the held-out digits reach; fitted anew, it is the same."""
    digits = files.mnist() if name == "mnist" else files.sklearn_digits()
    shipped, model = likeness.load(name), classifier.load(name)
    held_out = digits.images[digits.train :]
    held_out = held_out[: len(held_out) // 3 * 3].view(-1, 3, 28, 28).float() / 255
    _, certain = likeness.judge(model, shipped, held_out)
    assert 0.975 < certain.double().mean() <= 0.99
    if name == "digits":  # a fit to MNIST takes half a minute
        again = likeness.fit(model, digits.images, digits.labels, digits.train)
        for ours, theirs in zip(again, shipped, strict=True):
            assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-4)  # other machines' rounding


def test_features_of_a_known_distance():
    """Whitened, a class's covariance is the identity: an image one feature off is that far away."""
    digits = files.sklearn_digits()
    model = classifier.load("digits")
    found = likeness.fit(model, digits.images, digits.labels, digits.train)
    with torch.no_grad():
        x = digits.images[: digits.train, None].float() / 255
        offset = model.embed(x) @ found.whiten - found.means[digits.labels[: digits.train]]
    covariance = offset.T.cov(correction=0)
    assert torch.allclose(covariance, torch.eye(96), atol=1e-2)  # float32, condition 1,000


def test_training_mode_counts_modes_that_are_not_there():
    """Real stacks of 100 modes, the first channel all zeros: the reason why it is not the count."""
    stacks = real_stacks("digits", 3000)
    model = classifier.load("digits")
    stacks = stacks[classifier.classify(model, stacks)[:, 0] == 0][:200]
    digits = classifier.classify(model, stacks)
    got = stacked_mnist_metrics(digits, training=classifier.classify_by_batch(model, stacks))
    assert got["smnist_modes"] <= 100 < got["smnist_training_modes"]
    assert got["smnist_training_kl"] < got["smnist_kl"] - 0.1


def test_training_mode_normalises_by_the_batch_and_keeps_nothing():
    model, stacks = classifier.load("digits"), real_stacks("digits", 150)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    alone = classifier.classify_by_batch(model, stacks[100:])
    both = classifier.classify_by_batch(model, stacks)
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())
    assert not model.training
    assert torch.equal(both[100:], alone)  # the second batch is of what is left
    assert torch.equal(classifier.classify_by_batch(model, stacks), both)
    # On digits as various as those of training, the batch says what the running statistics say.
    agree = (both[:100] == classifier.classify(model, stacks[:100])).double().mean()
    assert agree > 0.95
    # A collapsed batch is normalised to nothing: every label is the same, and another one.
    same = stacks[:1].expand(100, -1, -1, -1)
    labels = classifier.classify_by_batch(model, same)
    assert (labels == labels[0]).all()
    mixed = torch.cat([same[:50], torch.zeros(50, 3, 28, 28)])
    training = model.__class__()
    training.load_state_dict(model.state_dict())
    with torch.no_grad():
        expected = training.train()(mixed[:, :1]).argmax(1)
    assert torch.equal(classifier.classify_by_batch(model, mixed)[:, 0], expected)
