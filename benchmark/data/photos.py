"""CIFAR-10 and CelebA from ``DATA_ROOT``.

CIFAR-10: torchvision's files (downloaded where missing), or a subset ``cifar10/*.npz`` with
``images`` (N, 32, 32, 3) and ``labels``. CelebA: any folder of images under ``celeba/``,
torchvision's included; its 178 x 218 pictures are cropped to the middle 108 x 108, others to their
middle square, and resized to 64 x 64. Its first 5,000 in a fixed shuffle are held out.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmark.core.errors import UserError, first_line
from benchmark.core.files import replaced
from benchmark.data import fetch
from benchmark.data.base import KEPT_IMAGES, Dataset, pixels
from benchmark.data.fetch import data_root

HELD_OUT = 5_000  # of CelebA; authors' code
CELEBA_SIZE, CELEBA_CROP = (178, 218), 108
SHUFFLE_SEED = 12345  # authors' seed
SUFFIXES = (".jpg", ".jpeg", ".png")


def cifar10(device: str = "cpu") -> Dataset:
    """CIFAR-10's training images, or a subset of them."""
    return photographs(cifar10_images(), device)


def celeba(device: str = "cpu") -> Dataset:
    """CelebA in 64 x 64 crops, or any folder of images."""
    return photographs(celeba_images(), device)


def ensure(name: str) -> None:
    """See that the images are there. Raises UserError where they cannot be had."""
    _pictures() if name == "celeba" else cifar10_images()  # decoding the former takes minutes


def images(name: str) -> Tensor:
    """The training images of a dataset, bytes (N, 3, H, W). Raises UserError."""
    return {"cifar10": cifar10_images, "celeba": celeba_images}[name]()


@cache
def cifar10_images() -> Tensor:
    """The training images, bytes (N, 3, 32, 32). Raises UserError where there are none."""
    folder = data_root()
    subsets = sorted((folder / "cifar10").glob("*.npz"))
    if subsets and not (folder / "cifar-10-batches-py").is_dir():
        array = _subset(subsets[0])
    else:
        array = _torchvision_cifar10(folder)
    return torch.from_numpy(array).permute(0, 3, 1, 2).contiguous()


def _subset(path: Path) -> np.ndarray:
    try:
        with np.load(path, allow_pickle=False) as archive:
            array = archive["images"]
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path}: {first_line(error)}") from None
    if array.dtype != np.uint8 or array.shape[1:] != (32, 32, 3) or not len(array):
        raise UserError(f"{path}: expected images (N, 32, 32, 3) of bytes, got {array.shape}")
    return array


def _torchvision_cifar10(folder: Path) -> np.ndarray:
    from benchmark.data.vision import torchvision

    load = torchvision.datasets.CIFAR10
    files = folder / "cifar-10-batches-py"
    if not files.is_dir():
        _download(folder, load)
    try:
        return load(folder).data  # checks the MD5 of every file
    except (OSError, RuntimeError) as error:
        raise UserError(f"{files}: {first_line(error)}; delete it and fetch it again") from None


def _download(folder: Path, load: Callable) -> None:
    """Fetch, and keep it whole. Raises UserError where that fails."""
    lacks = "cifar-10-batches-py/ and cifar10/*.npz"
    advice = "put either there, or set DATA_ROOT to where they are"
    with fetch.aside("CIFAR-10", folder, lacks, advice) as inside:
        load(inside, download=True)
        (inside / "cifar-10-batches-py").rename(folder / "cifar-10-batches-py")


@cache
def celeba_images() -> Tensor:
    """The training images, bytes (N, 3, 64, 64). Raises UserError where there are none.

    Decoding takes minutes once; the result is kept beside the images, named after their number and
    a hash of their names and sizes.
    """
    folder, paths = _pictures()
    named = "\n".join(f"{p.relative_to(folder)} {p.stat().st_size}" for p in paths)
    digest = hashlib.sha256(named.encode()).hexdigest()[:8]
    kept = folder / f"crops-64-of-{len(paths)}-{digest}.npy"
    if not kept.is_file():
        crops = np.stack([_crop(path) for path in paths])
        with replaced(kept) as file:
            np.save(file, crops)
    crops = np.load(kept, allow_pickle=False)
    order = np.random.default_rng(SHUFFLE_SEED).permutation(len(crops))
    order = order[HELD_OUT:] if len(crops) > 2 * HELD_OUT else order
    return torch.from_numpy(crops[order]).permute(0, 3, 1, 2).contiguous()


def _pictures() -> tuple[Path, list[Path]]:
    """CelebA's folder and the image files in it. Raises UserError where there are none."""
    folder = data_root() / "celeba"
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise UserError(
            f"CelebA: no images under {folder}; put img_align_celeba/ or any folder of images "
            "there, or set DATA_ROOT"
        )
    return folder, paths


def _crop(path: Path) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            side = CELEBA_CROP if picture.size == CELEBA_SIZE else min(picture.size)
            left, top = ((length - side) // 2 for length in picture.size)
            square = picture.convert("RGB").crop((left, top, left + side, top + side))
    except (OSError, UnidentifiedImageError) as error:
        raise UserError(f"{path}: {first_line(error)}") from None
    return np.asarray(square.resize((64, 64), Image.Resampling.BILINEAR))


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
