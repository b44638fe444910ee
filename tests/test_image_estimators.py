"""What the estimators of images are, on images small enough to enumerate or integrate over."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from test_estimators import OF_IMAGES, PICTURES, make

from methods import estimators
from methods.base import Spec
from methods.estimators import likelihood, pixelcnn


def spec_of(*x_shape: int) -> Spec:
    return Spec(x_shape, 64, 8)


def all_binary(x_shape: tuple[int, ...]) -> torch.Tensor:
    """Every image of 0 and 1."""
    pixels = itertools.product((0.0, 1.0), repeat=math.prod(x_shape))
    return torch.tensor(list(pixels), dtype=torch.float64).view(-1, *x_shape)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_pixelcnn_is_causal(channels):
    """The output for a number depends neither on that number nor on any after it, and on the one
    before it in its row and on the one above it it does, in the order of rows, columns, channels.
    """
    cfg = estimators.EstimatorConfig(estimator="pixelcnn", maps=7, blocks=1)
    net = pixelcnn.conditionals(spec_of(channels, 4, 5), cfg)
    phi = torch.randn(net.size, generator=torch.Generator().manual_seed(0)).double()

    def ordered(flat: torch.Tensor) -> torch.Tensor:
        x = flat.view(4, 5, channels).permute(2, 0, 1)
        return net.apply(phi, x[None])[0].permute(1, 2, 0).flatten()

    # Of several images: in one, units may be silent.
    x = torch.randn(10, 20 * channels, generator=torch.Generator().manual_seed(1)).double()
    influence = torch.func.vmap(torch.func.jacrev(ordered))(x).abs().amax(0)
    assert torch.equal(influence.triu(), torch.zeros_like(influence))
    starts_a_row = torch.arange(1, 20 * channels) % (5 * channels) == 0
    assert (influence.diagonal(-1)[~starts_a_row] != 0).all()
    assert (influence.diagonal(-5 * channels) != 0).all()


def test_pixelcnn_terms_do_not_depend_on_later_pixels():
    """Of log_prob itself: the last number changes no term but its own, which is linear in it."""
    estimator, phi = make("pixelcnn", spec_of(2, 2, 2))
    x = torch.rand(1, 2, 2, 2, generator=torch.Generator().manual_seed(1)).double()
    other = x.clone()
    other[:, 1, 1, 1] = 0.9  # the last number
    gain = estimator.log_prob(phi, other, x[:, :0]) - estimator.log_prob(phi, x, x[:, :0])
    logit = torch.func.grad(lambda v: estimator.log_prob(phi, v, x[:, :0]).sum())(x)[:, 1, 1, 1]
    torch.testing.assert_close(gain, (0.9 - x[:, 1, 1, 1]) * logit)


@pytest.mark.parametrize("x_shape", [(1, 2, 2), (3, 1, 2), (2, 2, 2)])
def test_pixelcnn_is_a_distribution_of_binary_images_and_samples_from_it(x_shape):
    estimator, phi = make("pixelcnn", spec_of(*x_shape))
    images = all_binary(x_shape)
    p = estimator.log_prob(phi, images, torch.zeros(len(images), 0)).exp()
    assert abs(p.sum() - 1) < 1e-12
    z = torch.randn(100_000, estimator.sample_dim, generator=torch.Generator().manual_seed(2))
    powers = 2 ** torch.arange(math.prod(x_shape)).flip(0)
    codes = (estimator.sample(phi, z.double()).flatten(1).long() * powers).sum(1)
    share = torch.bincount(codes, minlength=len(images)) / len(z)
    # Five standard errors; the smallest allows for a share of none.
    assert ((share - p).abs() < 5 * (p * (1 - p) / len(z)).sqrt() + 1e-5).all()


@pytest.mark.parametrize("name, mass", [("pixelcnn, variance learned", 1.0), ("pixelcnn", None)])
def test_pixelcnn_of_real_valued_pixels(name, mass):
    """A Gaussian's integrates to one over pixels in [-1, 1] units; a Bernoulli's is no density, and
    has at most 2^-D over [0, 1].
    """
    estimator, phi = make(name, spec_of(1, 1, 2))
    gaussian = mass is not None
    # Nodes of the midpoint rule, in the data's units.
    n, low, high = 1000, *((-4.0, 5.0) if gaussian else (0.0, 1.0))
    axis = low + (torch.arange(n, dtype=torch.float64) + 0.5) * (high - low) / n
    x = torch.cartesian_prod(axis, axis).view(-1, 1, 1, 2)
    area = ((high - low) / n * (2 if gaussian else 1)) ** 2
    p = estimator.log_prob(phi, x, torch.zeros(len(x), 0)).exp() * area
    if not gaussian:
        assert 0.2 < p.sum() <= 0.25
        return
    assert abs(p.sum() - mass) < 1e-6
    z = torch.randn(100_000, 2, generator=torch.Generator().manual_seed(2)).double()
    samples, x = estimator.sample(phi, z).flatten(1), x.flatten(1)
    mean = (p[:, None] * x).sum(0)
    covariance = (p[:, None, None] * (x - mean)[:, :, None] * (x - mean)[:, None, :]).sum(0)
    torch.testing.assert_close(samples.mean(0), mean, rtol=0, atol=0.01)  # 100,000 samples
    torch.testing.assert_close(torch.cov(samples.T), covariance, rtol=0.03, atol=0.003)


@pytest.mark.parametrize("name", ["pixelcnn", "pixelcnn, variance learned"])
def test_pixelcnn_draws_from_strips_what_the_whole_image_says(name):
    """Taller than what a row depends on: the sample is a draw from its own conditionals."""
    spec = spec_of(2, 8, 3)
    estimator, phi = make(name, spec)
    cfg = estimators.EstimatorConfig(**OF_IMAGES[name])
    net, pixels = pixelcnn.conditionals(spec, cfg), likelihood.build(spec, cfg)
    z = torch.randn(5, 48, generator=torch.Generator().manual_seed(2)).double()
    x = estimator.sample(phi, z)
    out = net.apply(phi[: net.size], pixels.see(x).view(x.shape))
    again = pixels.draw(phi[net.size :], out, z.view(x.shape))
    torch.testing.assert_close(x, again)


def test_conv_vae_bounds_a_distribution_of_binary_images():
    """E exp(log weight) = p(x), whose sum over all images is one, and the bound lies below it."""
    estimator, phi = make("conv_vae", spec_of(1, 2, 2))
    images, generator = all_binary((1, 2, 2)), torch.Generator().manual_seed(1)
    eps = torch.randn(20_000, 2, generator=generator).double()
    bounds, log_p = [], []
    for image in images:
        rows = image.expand(len(eps), 1, 2, 2)
        bounds.append(estimator.log_prob(phi, rows, eps).mean())
        log_p.append(estimator.log_weight(phi, rows, eps).logsumexp(0) - math.log(len(eps)))
    bounds, log_p = torch.stack(bounds), torch.stack(log_p)
    assert abs(log_p.exp().sum() - 1) < 0.01  # 20,000 draws
    assert (bounds <= log_p).all() and (bounds < log_p - 0.001).any()


def test_conv_vae_samples_agree_with_its_distribution():
    """The mean of samples, themselves means of p(x|h), against the probabilities of all images."""
    estimator, phi = make("conv_vae", spec_of(1, 2, 2))
    images, generator = all_binary((1, 2, 2)), torch.Generator().manual_seed(1)
    eps = torch.randn(20_000, 2, generator=generator).double()
    log_w = [estimator.log_weight(phi, i.expand(len(eps), 1, 2, 2), eps) for i in images]
    p = (torch.stack(log_w).logsumexp(1) - math.log(len(eps))).exp()
    expected = (p[:, None] * images.flatten(1)).sum(0)
    samples = estimator.sample(phi, torch.randn(20_000, 2, generator=generator).double())
    torch.testing.assert_close(samples.flatten(1).mean(0), expected, rtol=0, atol=0.01)


@pytest.mark.parametrize("name", sorted(OF_IMAGES))
def test_an_image_has_its_value_whatever_is_beside_it(name):
    estimator, phi = make(name)
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(4, *PICTURES.x_shape, generator=generator).double()
    eps = torch.randn(4, *estimator.noise, generator=generator).double()
    together = estimator.log_prob(phi, x, eps)
    alone = torch.cat([estimator.log_prob(phi, x[i : i + 1], eps[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize(
    "side, conv_vae",
    [(28, 611_043), (32, 795_603), (64, 1_608_707)],
)
def test_parameter_counts(side, conv_vae):
    for name, count in (("conv_vae", conv_vae), ("pixelcnn", 8_139)):
        cfg = estimators.EstimatorConfig(estimator=name, latent=256, likelihood="bernoulli")
        estimator = estimators.build(spec_of(3, side, side), cfg)
        assert estimator.size == count
        phi = estimator.init(torch.Generator().manual_seed(0))
        value = estimator.log_prob(phi, torch.rand(2, 3, side, side), torch.zeros(2, 256))
        assert value.shape == (2,) and value.isfinite().all()


def test_what_they_are_not_for_is_said():
    config = estimators.EstimatorConfig
    for name, x_shape, words in [
        ("conv_vae", (2,), "square images"),
        ("conv_vae", (3, 28, 32), "square images"),
        ("conv_vae", (3, 30, 30), "too odd"),
        ("pixelcnn", (2,), "for images"),
    ]:
        with pytest.raises(ValueError, match=words):
            estimators.build(spec_of(*x_shape), config(estimator=name))
    with pytest.raises(ValueError, match="maps must be at least 3"):
        estimators.build(spec_of(3, 4, 4), config(estimator="pixelcnn", maps=2))
