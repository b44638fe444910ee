"""Shared fixtures: every method small, on the CPU, on one thread."""

from __future__ import annotations

import importlib

from benchmark.core import mkl

mkl.use_full_width()  # before torch, as the command line does

import pytest  # noqa: E402
import torch  # noqa: E402
from browser import Browser, find  # noqa: E402

from benchmark.core import modules  # noqa: E402
from benchmark.core.modules import config_class  # noqa: E402
from benchmark.data import load  # noqa: E402
from benchmark.data.base import Mixture  # noqa: E402
from methods import REGISTRY  # noqa: E402
from methods.base import Method, Spec  # noqa: E402

torch.set_num_threads(1)
SMALL = {
    "lbt": {"M": 2, "K": 2},
    "lbt_gan": {"M": 2, "K": 2},
    "unrolled_gan": {"K": 2},
    "flow_matching": {"steps": 2},
}
# A command of two seeds on the ring in seconds.
TINY = [
    "--preset", "smoke", "--seeds", "0,1", "--jobs", "1", "--no-figures",
    "--set", "ring.iterations=4", "--set", "ring.final_samples=2000",
    "--set", "ring.eval_samples=1000", "--set", "ring.batch=8",
]  # fmt: skip


@pytest.fixture(autouse=True)
def no_autograd():
    """As in the training loop: methods differentiate with torch.func."""
    with torch.no_grad():
        yield


@pytest.fixture(autouse=True)
def no_plugins():
    """Plugins of other tests do not move runs to workers."""
    modules.plugins.clear()


@pytest.fixture
def ring() -> Mixture:
    return load("ring").modes


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A headless Chromium."""
    program = find()
    if not program:
        pytest.skip("needs Chromium in PATH, or its path in $CHROME")
    with Browser(program, tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def photo_root(tmp_path, monkeypatch):
    """A DATA_ROOT with a CIFAR-10 subset and a folder of pictures of two sizes."""
    import numpy as np
    from PIL import Image

    from benchmark.data import photos

    root = tmp_path / "data"
    (root / "cifar10").mkdir(parents=True)
    rng = np.random.default_rng(0)
    images_ = rng.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    np.savez(root / "cifar10" / "some.npz", images=images_, labels=np.arange(20) % 10)
    (root / "celeba" / "more").mkdir(parents=True)
    for i, (width, height) in enumerate([(178, 218), (100, 80), (178, 218)]):
        picture = np.zeros((height, width, 3), np.uint8)
        picture[height // 2, width // 2] = 255
        Image.fromarray(picture).save(root / "celeba" / "more" / f"{i}.png")
    monkeypatch.setenv("DATA_ROOT", str(root))
    photos.cifar10_images.cache_clear()
    photos.celeba_images.cache_clear()
    yield root
    photos.cifar10_images.cache_clear()
    photos.celeba_images.cache_clear()


def build(name: str, **changes) -> tuple[Method, Spec]:
    """A registered method on the ring with a small batch and short inner loops."""
    dataset = load("ring")
    spec = Spec(dataset.x_shape, 40, 8, dataset.push)
    module = importlib.import_module(REGISTRY[name])
    cfg = config_class(module)(**SMALL.get(name, {}) | changes)
    return module.build(spec, cfg), spec


def batch(method: Method, spec: Spec, seed: int = 0) -> dict[str, torch.Tensor]:
    """One step's data and noise."""
    generator = torch.Generator().manual_seed(seed)
    data = {n: spec.push(torch.randn(spec.batch, 3, generator=generator)) for n in method.data}
    noise = {n: torch.randn(s, generator=generator) for n, s in method.noise.items()}
    return data | noise


def tree_map(fn, tree):
    """``fn`` on every tensor of a state or batch."""
    if isinstance(tree, dict):
        return {k: tree_map(fn, v) for k, v in tree.items()}
    return fn(tree)


def flat(tree, prefix: str = "") -> dict[str, torch.Tensor]:
    """Every tensor of a state by its path."""
    found = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found
