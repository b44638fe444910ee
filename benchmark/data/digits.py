"""Single digits: MNIST from ``DATA_ROOT``, and scikit-learn's bundled ones.

The files are checked against the published hashes on every load, and downloaded (through
torchvision) only where they are missing.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.core.errors import UserError, first_line
from benchmark.data import fetch
from benchmark.data.fetch import data_root

# SHA-256 of the canonical files, uncompressed.
MNIST = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


class Digits(NamedTuple):
    """Labelled single digits: images (N, 28, 28), uint8; labels (N,), int64; the first ``train``
    are for training a classifier, the rest for testing it.
    """

    images: Tensor
    labels: Tensor
    train: int


def mnist_found() -> bool:
    """Whether all files of MNIST are there, packed or not; says nothing of their content."""
    return all(_file(name) is not None for name in MNIST)


@cache
def mnist() -> Digits:
    """MNIST, 60,000 digits and 10,000. Downloads what is missing.

    Raises UserError where files are missing and cannot be had, or are not what they should be.
    """
    if not mnist_found():
        _download()
    parts = {name: _read(name) for name in MNIST}
    images = [parts[f"{p}-images-idx3-ubyte"][16:].reshape(-1, 28, 28) for p in ("train", "t10k")]
    labels = [parts[f"{p}-labels-idx1-ubyte"][8:] for p in ("train", "t10k")]
    joined = torch.from_numpy(np.concatenate(images))
    return Digits(joined, torch.from_numpy(np.concatenate(labels)).long(), len(labels[0]))


@cache
def sklearn_digits() -> Digits:
    """The 1,797 real 8 x 8 digits of scikit-learn, resized to 28 x 28; every fifth for testing."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    small = torch.from_numpy(bunch.images).float()[:, None] * (255 / 16)
    large = F.interpolate(small, (28, 28), mode="bicubic", align_corners=False)
    images = large.clamp(0, 255).round().byte()[:, 0]
    labels = torch.from_numpy(bunch.target).long()
    test = torch.arange(len(labels)) % 5 == 0
    order = torch.cat([(~test).nonzero().flatten(), test.nonzero().flatten()])
    return Digits(images[order], labels[order], int((~test).sum()))


def _folder() -> Path:
    return data_root() / "MNIST" / "raw"


def _file(name: str) -> Path | None:
    """The file of that name, unpacked or packed."""
    return next((p for p in (_folder() / name, _folder() / f"{name}.gz") if p.is_file()), None)


def _read(name: str) -> np.ndarray:
    path = _file(name)
    try:
        content = path.read_bytes() if path.suffix != ".gz" else gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: {first_line(error)}; delete it and fetch it again") from None
    if hashlib.sha256(content).hexdigest() != MNIST[name]:
        raise UserError(
            f"{path}: is not the published file (wrong SHA-256); delete it and fetch it again"
        )
    return np.frombuffer(bytearray(content), np.uint8)


def _download() -> None:
    """Fetch, and keep only what has the right hash. Raises UserError where that fails."""
    lacks = ", ".join(f"{name}.gz" for name in MNIST if _file(name) is None)
    advice = "put the files there, or set DATA_ROOT to where they are"
    with fetch.aside("MNIST", _folder(), lacks, advice) as inside:
        from benchmark.data.vision import torchvision

        torchvision.datasets.MNIST(inside, download=True)
        fetched = inside / "MNIST" / "raw"
        for name, wanted in MNIST.items():
            if hashlib.sha256((fetched / name).read_bytes()).hexdigest() != wanted:
                raise RuntimeError(f"{name} arrived with the wrong SHA-256")
        for name in MNIST:
            (fetched / name).replace(_folder() / name)
