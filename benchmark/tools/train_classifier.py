"""Trains the digit classifiers that ship: ``python -m benchmark.tools.train_classifier``.

mnist    60,000 training digits of MNIST, shifted by up to two pixels
digits   scikit-learn's digits, four fifths of them, for the stand-in task
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.core.errors import DONE, exit_code, unknown
from benchmark.core.files import replaced, write_text
from benchmark.data import digits as files
from benchmark.data.stacked import INDEX_DIM, stacks
from benchmark.store import provenance
from metrics import likeness
from metrics.classifier import WEIGHTS, DigitClassifier, classify
from metrics.stacked_mnist import stacked_mnist_metrics

BATCH, PEAK_RATE, SHIFT = 128, 6e-3, 2
EPOCHS = {"mnist": 8, "digits": 60}
EVALUATED_STACKS = 26_000  # as many as the paper classifies


def train(name: str, seed: int) -> None:
    """Train one classifier, and write its weights and record."""
    digits = files.mnist() if name == "mnist" else files.sklearn_digits()
    x, labels = digits.images[:, None].float() / 255, digits.labels
    torch.manual_seed(seed)
    model = DigitClassifier()
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=1e-2)
    total = EPOCHS[name] * (digits.train // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_RATE, total)
    start = time.monotonic()
    for epoch in range(EPOCHS[name]):
        for rows in torch.randperm(digits.train).split(BATCH)[: digits.train // BATCH]:
            loss = F.cross_entropy(model(shifted(x[rows])), labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        right = accuracy(model, x[digits.train :], labels[digits.train :])
        print(f"{name}: epoch {epoch + 1} of {EPOCHS[name]}, test accuracy {right:.4f}")
    seconds = round(time.monotonic() - start)
    model.eval()
    push = stacks(digits, "cpu")
    z = torch.randn(EVALUATED_STACKS, INDEX_DIM)
    real = torch.cat([classify(model, push(part)) for part in z.split(1000)])
    facts = {"test_accuracy": right, "seed": seed, "epochs": EPOCHS[name], "seconds": seconds,
             "real_stacks": stacked_mnist_metrics(real)}  # fmt: skip
    digest = save(name, model.state_dict(), facts)
    found = likeness.fit(model, digits.images, digits.labels, digits.train)._asdict()
    tensors = {key: value for key, value in found.items() if isinstance(value, Tensor)}
    numbers = {key: value for key, value in found.items() if key not in tensors}
    save(f"{name}_likeness", tensors, numbers | {"classifier": digest, "kept": likeness.KEPT})


def shifted(x: Tensor) -> Tensor:
    """Each image moved by up to SHIFT pixels either way."""
    padded = F.pad(x, [SHIFT] * 4)
    offsets = torch.randint(2 * SHIFT + 1, (2, len(x), 1, 1))
    rows, columns = torch.arange(28).view(1, -1, 1), torch.arange(28).view(1, 1, -1)
    index = torch.arange(len(x)).view(-1, 1, 1)
    return padded[index, 0, rows + offsets[0], columns + offsets[1]][:, None]


@torch.no_grad()
def accuracy(model: DigitClassifier, x: Tensor, labels: Tensor) -> float:
    """Share of right answers in evaluation mode."""
    model.eval()
    right = sum(
        int((model(part).argmax(1) == truth).sum())
        for part, truth in zip(x.split(1000), labels.split(1000), strict=True)
    )
    model.train()
    return right / len(labels)


def save(name: str, tensors: dict[str, Tensor], facts: dict) -> str:
    """Tensors as safetensors, facts and their hash beside. Returns the hash."""
    from safetensors.torch import save as to_bytes

    content = to_bytes({k: v.contiguous() for k, v in tensors.items()})
    with replaced(WEIGHTS / f"{name}.safetensors") as file:
        file.write(content)
    made = {"commit": provenance.commit()} | provenance.machine("cpu")
    digest = hashlib.sha256(content).hexdigest()
    record = {"sha256": digest} | facts | {"made_by": made}
    write_text(WEIGHTS / f"{name}.json", json.dumps(record, indent=2, sort_keys=True) + "\n")
    print(f"{name}: {json.dumps(facts)}")
    return digest


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmark.tools.train_classifier", description=__doc__
    )
    parser.add_argument("names", nargs="*", default=["mnist", "digits"], metavar="mnist|digits")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    return exit_code(lambda: every(arguments.names, arguments.seed))


def every(names: list[str], seed: int) -> int:
    """Train the classifiers of these names."""
    for name in names:
        if name not in EPOCHS:
            raise unknown("classifier", name, EPOCHS)
    for name in names:
        train(name, seed)
    return DONE


if __name__ == "__main__":
    sys.exit(main())
