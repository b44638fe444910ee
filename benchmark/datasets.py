"""Data distributions as push-forwards of standard normals.

One map serves training batches, the oracle and any seed or device: all randomness comes from
``benchmark.noise``. Fresh samples every step, as in the authors' 2D code; images are drawn with
replacement.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmark import images, photos
from metrics import mixture_metrics, stacked_mnist_metrics, toy_metrics
from metrics.classifier import classify, load
from metrics.toy import DATA_MEANS

DENSITY_BINS = 600  # per axis, over DENSITY_EXTENT: half a grid std per bin
DENSITY_EXTENT = 1.5  # data units; holds ring and grid with their tails
TOY_BINS, TOY_EXTENT = 140, 7.0  # of the line: bins a tenth of a std wide
KEPT_POINTS = 5_000  # points stored for scatter plots
KEPT_IMAGES = 100  # images stored for sample sheets


class Dataset(NamedTuple):
    """x_shape: of one point. push: standard normals (N, >= push_dim) -> points (N, *x_shape).
    evaluate: samples (N, *x_shape) -> metrics. keep: samples -> arrays stored with the run.
    chunk: how many points to generate at once for a measurement; where networks normalise by batch
        it is part of the result.
    """

    x_shape: tuple[int, ...]
    push: Callable[[Tensor], Tensor]
    push_dim: int
    evaluate: Callable[[Tensor], dict[str, float]]
    keep: Callable[[Tensor], dict[str, np.ndarray]]
    chunk: int


class Mixture(NamedTuple):
    """Equal-weight isotropic Gaussians: centers (C, D) and their common std, in data units."""

    centers: Tensor
    std: float

    def push(self, z: Tensor) -> Tensor:
        """Normals (N, >= 1 + D) -> points (N, D): one picks the mode, the others spread it."""
        modes = len(self.centers)
        index = (torch.special.ndtr(z[..., 0]) * modes).long().clamp(max=modes - 1)
        return self.centers[index] + self.std * z[..., 1 : 1 + self.centers.shape[1]]


def ring() -> Mixture:
    """Eight Gaussians of std 0.1 on a circle of radius 1 (paper section 5.1; std, trap T1)."""
    angle = torch.arange(8, dtype=torch.float64) * (2 * math.pi / 8)  # endpoint excluded, trap T11
    return Mixture(torch.stack([angle.cos(), angle.sin()], dim=1).float(), 0.1)


def grid() -> Mixture:
    """A 10 by 10 grid of Gaussians of std 0.01, spacing 0.2, centred (paper section 5.1)."""
    axis = (torch.arange(10, dtype=torch.float64) - 4.5) * 0.2
    return Mixture(torch.cartesian_prod(axis, axis).float(), 0.01)


def toy1d() -> Mixture:
    """Two Gaussians of std 1 at -3 and 3 on the line (paper section 1, Figures 1 and 7)."""
    return Mixture(torch.tensor(DATA_MEANS)[:, None], 1.0)


def stacked_mnist() -> images.Digits:
    """Three MNIST digits as the channels of an image: 1,000 modes (paper section 5.2)."""
    return images.mnist()


def stacked_digits() -> images.Digits:
    """Stacked MNIST's stand-in from scikit-learn's 1,797 bundled digits: no download, no paper."""
    return images.sklearn_digits()


def cifar10() -> Tensor:
    """CIFAR-10's training images, or a subset of them (paper section 5.3)."""
    return photos.cifar10()


def celeba() -> Tensor:
    """CelebA in 64 x 64 crops, or any folder of images (paper section 5.3)."""
    return photos.celeba()


MIXTURES = {"ring": ring, "grid": grid}
TOYS = {"toy1d": toy1d}
PHOTOS = {"cifar10": cifar10, "celeba": celeba}
STACKED = {"stacked_mnist": stacked_mnist, "stacked_digits": stacked_digits}
CLASSIFIERS = {"stacked_mnist": "mnist", "stacked_digits": "digits"}


def load_dataset(name: str, device: str = "cpu") -> Dataset:
    """The dataset of that name, its tensors on ``device``. Raises UserError where files are
    missing or damaged.
    """
    if name in MIXTURES:
        return mixture(MIXTURES[name](), device)
    if name in PHOTOS:
        return photographs(PHOTOS[name](), device)
    if name in TOYS:
        return toy(TOYS[name](), device)
    return stacked(STACKED[name](), CLASSIFIERS[name], device)


def mixture(modes: Mixture, device: str = "cpu") -> Dataset:
    """A mixture with the metrics of paper section 5.1."""

    def evaluate(x: Tensor) -> dict[str, float]:
        return mixture_metrics(x, modes.centers, modes.std)

    def keep(x: Tensor) -> dict[str, np.ndarray]:
        return {"counts": density(x), "samples": x[:KEPT_POINTS].numpy()}

    push = modes._replace(centers=modes.centers.to(device)).push
    return Dataset((2,), push, 3, evaluate, keep, chunk=50_000)


def scaled(dataset: Dataset, factor: float) -> Dataset:
    """2D data whose coordinates a method sees times ``factor``; measured without it. Raises
    ValueError for other data.
    """
    if factor == 1:
        return dataset
    if dataset.x_shape != (2,):
        raise ValueError(f"coordinate_scale is for 2D data, not points of {dataset.x_shape}")
    return dataset._replace(
        push=lambda z: factor * dataset.push(z),
        evaluate=lambda x: dataset.evaluate(x / factor),
        keep=lambda x: dataset.keep(x / factor),
    )


def toy(modes: Mixture, device: str = "cpu") -> Dataset:
    """The 1D example with the means of the pair of Gaussians that the samples came from."""

    def evaluate(x: Tensor) -> dict[str, float]:
        return toy_metrics(x.numpy())

    def keep(x: Tensor) -> dict[str, np.ndarray]:
        counts, edges = np.histogram(x.numpy(), bins=TOY_BINS, range=(-TOY_EXTENT, TOY_EXTENT))
        return {"counts": counts.astype(np.uint32), "edges": edges}

    push = modes._replace(centers=modes.centers.to(device)).push
    return Dataset((1,), push, 2, evaluate, keep, chunk=50_000)


def stacked(digits: images.Digits, classifier: str, device: str = "cpu") -> Dataset:
    """Stacks of three digits, counted by the shipped classifier of that name."""
    push = images.stacks(digits, device)
    model = load(classifier, device)

    def evaluate(x: Tensor) -> dict[str, float]:
        return stacked_mnist_metrics(classify(model, x.to(device)).cpu())

    def keep(x: Tensor) -> dict[str, np.ndarray]:
        return {"samples": pixels(x[:KEPT_IMAGES])}

    return Dataset((3, 28, 28), push, images.INDEX_DIM, evaluate, keep, chunk=500)


def photographs(pictures: Tensor, device: str = "cpu") -> Dataset:
    """Draws from a set of images (N, C, H, W), bytes; looked at, not measured, as in the paper."""
    pictures = pictures.to(device)
    count = len(pictures)

    def push(z: Tensor) -> Tensor:
        index = (torch.special.ndtr(z[..., 0]) * count).long().clamp(max=count - 1)
        return pictures[index].float() / 255

    def keep(x: Tensor) -> dict[str, np.ndarray]:
        return {"samples": pixels(x[:KEPT_IMAGES])}

    shape = tuple(pictures.shape[1:])
    return Dataset(shape, push, 1, lambda x: {}, keep, chunk=KEPT_IMAGES)


def pixels(x: Tensor) -> np.ndarray:
    """Images (N, C, H, W) in [0, 1] as bytes (N, H, W, C)."""
    return (x.nan_to_num(0).clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def density(samples: Tensor) -> np.ndarray:
    """Counts (DENSITY_BINS, DENSITY_BINS) over the square of half-width DENSITY_EXTENT; points
    outside are dropped. First axis x, second y.
    """
    edges = np.linspace(-DENSITY_EXTENT, DENSITY_EXTENT, DENSITY_BINS + 1)
    finite = samples[samples.isfinite().all(dim=1)].double().numpy()
    return np.histogram2d(finite[:, 0], finite[:, 1], bins=(edges, edges))[0].astype(np.uint32)
