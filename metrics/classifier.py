"""The digit classifier behind the mode counts of Stacked MNIST, in evaluation mode.

The authors evaluate theirs in training mode: dropout on, batch normalisation by the batch
of 100, which makes labels noisy and tends to inflate the mode count. Ours counts in evaluation
mode, by its running statistics; ``in_training_mode`` tells what the batch statistics alone would
change. Ours has no dropout and was not trained with it, so that part of the authors' noise is not
remade: none is added to a network that never learnt to bear it.
Weights ship with the project; ``python -m benchmark.tools.train_classifier`` remakes them.
"""

from __future__ import annotations

import copy
import hashlib
import json
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

WEIGHTS = Path(__file__).parent / "weights"
CHUNK = 100  # stacks classified at once; the authors' batch, and twice as fast as 700 on a CPU


class DigitClassifier(nn.Module):
    """Four 3 x 3 convolutions, the even ones with stride 2, then a 5 x 5 one over what is left."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs, stride in ((1, 24, 1), (24, 32, 2), (32, 48, 1), (48, 64, 2)):
            layers += [
                nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(),
            ]
        layers += [nn.Conv2d(64, 96, 5, bias=False), nn.BatchNorm2d(96), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(96, 10)

    def embed(self, x: Tensor) -> Tensor:
        """x: (N, 1, 28, 28) in [0, 1] -> what the digit is read from, (N, 96)."""
        return self.features(x).mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, 1, 28, 28) in [0, 1] -> logits (N, 10)."""
        return self.head(self.embed(x))


def record(name: str) -> dict:
    """What is known of the shipped weights: file, SHA-256, test accuracy, how they were trained."""
    return json.loads((WEIGHTS / f"{name}.json").read_text())


def tensors(name: str) -> dict[str, Tensor]:
    """The shipped tensors of that name. Raises ValueError if they were altered."""
    from safetensors.torch import load as load_tensors

    content = (WEIGHTS / f"{name}.safetensors").read_bytes()
    if hashlib.sha256(content).hexdigest() != record(name)["sha256"]:
        raise ValueError(f"{WEIGHTS / name}.safetensors: wrong SHA-256; restore it from git")
    return load_tensors(content)


@cache
def load(name: str, device: str = "cpu") -> DigitClassifier:
    """The shipped classifier ``mnist`` or ``digits``. Raises ValueError if its weights were
    altered.
    """
    model = DigitClassifier()
    model.load_state_dict(tensors(name))
    return model.eval().to(device)


@torch.no_grad()
def classify(model: DigitClassifier, stacks: Tensor) -> Tensor:
    """Stacks (N, 3, 28, 28) in [0, 1] -> digits (N, 3)."""
    parts = [
        model(part.reshape(-1, 1, 28, 28)).argmax(1).view(-1, 3) for part in stacks.split(CHUNK)
    ]
    return torch.cat(parts)


def in_training_mode(model: DigitClassifier) -> DigitClassifier:
    """A copy that normalises by the batch it sees, and keeps no statistics of it."""
    model = copy.deepcopy(model)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean = layer.running_var = None
    return model


@torch.no_grad()
def classify_by_batch(model: DigitClassifier, stacks: Tensor) -> Tensor:
    """``classify`` in training mode: each channel of CHUNK stacks is a batch, as in the authors'
    evaluation; the last one may be smaller. Where a channel lacks digits, others are taken for
    them: of 2,600 real stacks of 200 modes, with two digits in the first channel, it makes 690.
    """
    model = in_training_mode(model)
    parts = [
        torch.stack([model(channel[:, None]).argmax(1) for channel in part.unbind(1)], dim=1)
        for part in stacks.split(CHUNK)
    ]
    return torch.cat(parts)
