"""The digit classifier behind the mode counts of Stacked MNIST, always in evaluation mode.

The authors evaluate theirs in training mode, with dropout on (trap T7), which makes labels noisy
and tends to inflate the mode count; ours has no dropout and uses its running batch statistics.
Weights ship with the project; ``python -m benchmark.tools.train_classifier`` remakes them.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

WEIGHTS = Path(__file__).parent / "weights"
CHUNK = 2_000  # digits classified at once


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

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, 1, 28, 28) in [0, 1] -> logits (N, 10)."""
        return self.head(self.features(x).mean((2, 3)))


def record(name: str) -> dict:
    """What is known of the shipped weights: file, SHA-256, test accuracy, how they were trained."""
    return json.loads((WEIGHTS / f"{name}.json").read_text())


@cache
def load(name: str, device: str = "cpu") -> DigitClassifier:
    """The shipped classifier ``mnist`` or ``digits``. Raises ValueError if its weights were
    altered.
    """
    from safetensors.torch import load as load_tensors

    content = (WEIGHTS / f"{name}.safetensors").read_bytes()
    if hashlib.sha256(content).hexdigest() != record(name)["sha256"]:
        raise ValueError(f"{WEIGHTS / name}.safetensors: wrong SHA-256; restore it from git")
    model = DigitClassifier()
    model.load_state_dict(load_tensors(content))
    return model.eval().to(device)


@torch.no_grad()
def classify(model: DigitClassifier, stacks: Tensor) -> Tensor:
    """Stacks (N, 3, 28, 28) in [0, 1] -> digits (N, 3)."""
    parts = [
        model(part.reshape(-1, 1, 28, 28)).argmax(1).view(-1, 3)
        for part in stacks.split(CHUNK // 3)
    ]
    return torch.cat(parts)
