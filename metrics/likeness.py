"""Whether an image is a digit at all, which a classifier's confidence does not say.

Of uniform noise and of constant grey the classifier of MNIST is more than 99.9 % sure that they are
an eight, and surer of a collapsed generator's textures than of another's clumsy digits. So a digit
is certain here only if it also lies among those of its class: within a Mahalanobis distance of the
class's mean, in the features that the classifier reads digits from, with one covariance for all
classes (Lee et al. 2018, "A Simple Unified Framework for Detecting Out-of-Distribution Samples").

Either threshold is what KEPT of the held-out real digits reach, which costs real stacks, of three
digits, some 5 %.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from metrics.classifier import CHUNK, DigitClassifier, record, tensors

KEPT = 0.99


class Likeness(NamedTuple):
    """What real digits are like. whiten: (96, 96), makes the features' covariance within classes
    the identity. means: (10, 96), of the whitened features of each class. confidence: the least
    softmax probability, and distance: the greatest from the mean, of a certain digit, 0-d.
    """

    whiten: Tensor
    means: Tensor
    confidence: Tensor
    distance: Tensor


@torch.no_grad()
def fit(model: DigitClassifier, images: Tensor, labels: Tensor, train: int) -> Likeness:
    """From labelled digits (N, 28, 28), bytes: means and covariance of the first ``train``,
    thresholds from the rest.
    """
    parts = [model.embed(part[:, None].float() / 255) for part in images.split(CHUNK)]
    features = torch.cat(parts).double()
    known, truth = features[:train], labels[:train]
    means = torch.stack([known[truth == digit].mean(0) for digit in range(10)])
    covariance = (known - means[truth]).T.cov(correction=0)
    whiten = torch.linalg.cholesky(torch.linalg.inv(covariance)).contiguous()
    found = Likeness(whiten.float(), (means @ whiten).float(), *torch.zeros(2))
    confidence, distance, _ = _reach(model, found, features[train:].float())
    return found._replace(
        confidence=confidence.quantile(1 - KEPT), distance=distance.quantile(KEPT)
    )


@cache
def load(name: str, device: str = "cpu") -> Likeness:
    """That of the shipped classifier ``mnist`` or ``digits``. Raises ValueError if it was altered,
    or belongs to other weights.
    """
    if record(f"{name}_likeness")["classifier"] != record(name)["sha256"]:
        raise ValueError(
            f"{name}_likeness.json: of another classifier; train_classifier remakes it"
        )
    found = tensors(f"{name}_likeness")
    return Likeness(**{field: found[field].to(device) for field in Likeness._fields})


@torch.no_grad()
def judge(model: DigitClassifier, likeness: Likeness, stacks: Tensor) -> tuple[Tensor, Tensor]:
    """Stacks (N, 3, 28, 28) in [0, 1] -> digits (N, 3), those of ``classify``, and whether each is
    certain, (N, 3).
    """
    digits, certain = [], []
    for part in stacks.split(CHUNK):
        features = model.embed(part.reshape(-1, 1, 28, 28))
        confidence, distance, digit = _reach(model, likeness, features)
        sure = (confidence >= likeness.confidence) & (distance <= likeness.distance)
        digits.append(digit.view(-1, 3))
        certain.append(sure.view(-1, 3))
    return torch.cat(digits), torch.cat(certain)


def _reach(
    model: DigitClassifier, likeness: Likeness, features: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Of features (N, 96): confidence in their digit, distance from its mean, digit, each (N,)."""
    logits = model.head(features)
    digit = logits.argmax(1)
    distance = (features @ likeness.whiten - likeness.means[digit]).norm(dim=1)
    return logits.softmax(1).amax(1), distance, digit
