"""CIFAR-10, CelebA and Figure 5."""

from __future__ import annotations

import shutil

import pytest
import torch

from benchmark.cli import main
from benchmark.core.errors import UserError
from benchmark.data import load


def test_photographs_are_read_cropped_and_drawn(photo_root):
    cifar, celeba = load("cifar10"), load("celeba")
    z = torch.randn(7, 1, generator=torch.Generator().manual_seed(0))
    assert cifar.push(z).shape == (7, 3, 32, 32) and celeba.push(z).shape == (7, 3, 64, 64)
    assert 0 <= celeba.push(z).min() < celeba.push(z).max() <= 1
    assert len(list((photo_root / "celeba").glob("crops-64-of-3-*.npy"))) == 1
    again = load("celeba")
    assert torch.equal(celeba.push(z), again.push(z))


def test_figure_5_is_drawn_from_what_is_there(photo_root, tmp_path, capsys):
    shutil.rmtree(photo_root / "celeba")
    command = ["--reproduce", "fig5", "--preset", "smoke", "--seeds", "0", "--jobs", "1"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    error = capsys.readouterr().err
    assert "fig5: left out CelebA" in error and str(photo_root / "celeba") in error
    assert (tmp_path / "out" / "smoke" / "figures" / "fig5.png").stat().st_size > 10_000


def test_a_damaged_picture_is_refused_by_name(photo_root):
    (photo_root / "celeba" / "broken.jpg").write_bytes(b"not a picture")
    with pytest.raises(UserError, match=r"broken\.jpg"):
        load("celeba")
