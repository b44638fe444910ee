"""Datasets and noise."""

from __future__ import annotations

import importlib
import inspect
import math

import pytest
import torch
from conftest import build

from benchmark.data import DATASETS, load
from benchmark.data.noise import BLOCK, Feed, draw

MIXTURES = [name for name, entry in DATASETS.items() if entry.family == "plane"]


def test_every_dataset_is_a_function_of_its_module():
    for name, entry in DATASETS.items():
        module = importlib.import_module(entry.module)
        assert inspect.signature(getattr(module, name)).parameters["device"].default == "cpu"
        assert {entry.like, entry.instead} <= {"", *DATASETS}


def test_ring_geometry(ring):
    assert torch.allclose(ring.centers.norm(dim=1), torch.ones(8))
    gaps = torch.cdist(ring.centers, ring.centers).fill_diagonal_(9).min(1).values
    assert torch.allclose(gaps, torch.full((8,), 2 * math.sin(math.pi / 8)))
    assert ring.std == 0.1  # a standard deviation, not a variance


def test_grid_geometry():
    grid = load("grid").modes
    assert grid.std == 0.01 and len(grid.centers) == 100
    assert torch.allclose(grid.centers.unique(), torch.linspace(-0.9, 0.9, 10))


@pytest.mark.parametrize("name", MIXTURES)
def test_components_have_equal_weight_and_the_stated_spread(name):
    data, n = load(name).modes, 400_000
    x = data.push(torch.randn(n, 3, generator=torch.Generator().manual_seed(0)))
    index = torch.cdist(x, data.centers).argmin(1)
    counts = index.bincount(minlength=len(data.centers))
    expected = n / len(data.centers)
    assert (counts - expected).abs().max() < 5 * math.sqrt(expected)
    spread = (x - data.centers[index]).std()
    assert abs(spread / data.std - 1) < 0.01


def feed(name, seed=0, dataset="ring"):
    method, spec = build(name)
    return Feed(method, spec, dataset, load(dataset), seed, "cpu")


def test_all_methods_of_a_seed_see_the_same_data():
    assert torch.equal(feed("gan")(5)["x"], feed("veegan")(5)["x"])
    assert torch.equal(feed("gan")(5)["x"], feed("lbt")(5)["x"])


def test_steps_in_any_order_give_the_same_batch():
    forward, jump = feed("lbt"), feed("lbt")
    batches = [forward(step) for step in range(2 * BLOCK)]
    assert all(torch.equal(jump(BLOCK + 1)[k], v) for k, v in batches[BLOCK + 1].items())


def test_streams_blocks_and_seeds_differ():
    shape = (4,)
    base = draw(0, "ring", "x", 0, shape)
    others = [(1, "ring", "x", 0), (0, "grid", "x", 0), (0, "ring", "z", 0), (0, "ring", "x", 1)]
    assert all(not torch.equal(base, draw(*address, shape)) for address in others)
    assert torch.equal(base, draw(0, "ring", "x", 0, shape))


def test_noise_is_standard_normal():
    z = draw(0, "ring", "z", 0, (200_000,))
    assert abs(z.mean()) < 0.012 and abs(z.std() - 1) < 0.008  # 5 standard errors
