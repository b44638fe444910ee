"""Stacked MNIST and its stand-in: three digits as the channels of an image (paper section 5.2).

Stacks are built where they are used, from the digits; they are never stored.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from benchmark.data import digits as files
from benchmark.data.base import KEPT_IMAGES, Dataset, pixels
from metrics import likeness
from metrics.classifier import classify_by_batch, load
from metrics.stacked_mnist import stacked_mnist_metrics

STACKS = 128_000  # paper section 5.2
STACKING_SEED = 12345  # authors' code
INDEX_DIM = 1  # one normal picks a stack
FULL = 26_000  # samples of the paper, which are classified the authors' way too


def stacked_mnist(device: str = "cpu") -> Dataset:
    """Stacks of MNIST's digits."""
    return stacked(files.mnist(), "mnist", device)


def stacked_digits(device: str = "cpu") -> Dataset:
    """Stacks of scikit-learn's 1,797 digits."""
    return stacked(files.sklearn_digits(), "digits", device)


def ensure(name: str) -> None:
    """See that MNIST is there. Raises UserError where it cannot be had."""
    if name == "stacked_mnist" and not files.mnist_found():
        files.mnist()


def stacks(digits: files.Digits, device: str) -> Callable[[Tensor], Tensor]:
    """Map of normals (N, >= INDEX_DIM) to real stacks (N, 3, 28, 28), pixels in [0, 1].

    One of STACKS triples of digits, drawn once with replacement from all of them, as the authors
    do (their training set holds MNIST's test digits too).
    """
    generator = torch.Generator().manual_seed(STACKING_SEED)
    triples = torch.randint(len(digits.images), (STACKS, 3), generator=generator).to(device)
    images = digits.images.to(device)

    def push(z: Tensor) -> Tensor:
        index = (torch.special.ndtr(z[..., 0]) * STACKS).long().clamp(max=STACKS - 1)
        return images[triples[index]].float() / 255

    return push


def stacked(digits: files.Digits, classifier: str, device: str = "cpu") -> Dataset:
    """Stacks of three digits, counted by the shipped classifier of that name."""
    push = stacks(digits, device)
    model, real = load(classifier, device), likeness.load(classifier, device)

    def evaluate(x: Tensor) -> dict[str, float]:
        x = x.to(device)
        digits, certain = likeness.judge(model, real, x)
        training = classify_by_batch(model, x).cpu() if len(x) >= FULL else None
        return stacked_mnist_metrics(digits.cpu(), certain.cpu(), training)

    def keep(x: Tensor) -> dict[str, np.ndarray]:
        return {"samples": pixels(x[:KEPT_IMAGES])}

    return Dataset((3, 28, 28), push, INDEX_DIM, evaluate, keep, chunk=500)
