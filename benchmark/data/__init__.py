"""What points are drawn from: every dataset by name, one file per family.

A new one takes a function in a file of its own, which leaves finished runs on others valid, and an
entry; or a plugin with a function ``load``.

A new one is a function in a file, device -> Dataset (``mixtures.mixture`` and ``plane.plane`` make
them), and an entry below. Imports nothing heavy, so that names are known before torch is.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Literal, NamedTuple

from benchmark.core.errors import UserError, first_line
from benchmark.core.modules import is_plugin, load_module

if TYPE_CHECKING:
    from benchmark.data.base import Dataset

Family = Literal["plane", "line", "stacks", "photos"]


class Entry(NamedTuple):
    """A dataset. family: decides which figures, limits and costs apply. like: whose budgets and
    defaults it takes where it has none. instead: what replaces it where its files cannot be had.
    name: in print.
    """

    module: str  # with a function of the dataset's name, or load in a plugin: device -> Dataset
    family: Family
    title: str
    like: str = ""
    instead: str = ""
    name: str = ""
    modes: int = 0  # how many it has, where the paper counts them
    # Of an iteration, in the ring's, for plans: of images with the networks of Metz et al. and a
    # 20-20 VAE, others within a factor of two; the authors' 1000-400 VAE takes ten times that.
    work: float = 1.0

    @property
    def flat(self) -> bool:
        """Whether its points are few numbers each, and networks for them small."""
        return self.family in ("plane", "line")


_MIXTURES, _TOY = "benchmark.data.mixtures", "benchmark.data.toy1d"
_STACKED, _PHOTOS = "benchmark.data.stacked", "benchmark.data.photos"
DATASETS = {
    "ring": Entry(
        _MIXTURES, "plane", "Eight Gaussians of std 0.1 on a circle of radius 1 (section 5.1)",
        modes=8,
    ),
    "grid": Entry(
        _MIXTURES, "plane", "A 10 by 10 grid of Gaussians of std 0.01, spacing 0.2 (section 5.1)",
        modes=100,
    ),
    "toy1d": Entry(
        _TOY, "line", "Two Gaussians of std 1 at -3 and 3 on the line (section 1, Figures 1 and 7)"
    ),
    "stacked_mnist": Entry(
        _STACKED, "stacks", "Three MNIST digits as the channels of an image: 1,000 modes (5.2)",
        instead="stacked_digits", name="Stacked MNIST", work=30,
    ),
    "stacked_digits": Entry(
        _STACKED, "stacks", "Its stand-in from scikit-learn's 1,797 digits: no download, no paper",
        like="stacked_mnist", name="Stacked digits of scikit-learn", work=30,
    ),
    "cifar10": Entry(
        _PHOTOS, "photos", "CIFAR-10's training images, or a subset (5.3)", name="CIFAR-10",
        work=400,
    ),
    "celeba": Entry(
        _PHOTOS, "photos", "CelebA in 64 x 64 crops, or any folder of images (5.3)", name="CelebA",
        work=1600,
    ),
}  # fmt: skip


def family(name: str) -> Family | None:
    """The family of a dataset; None for a name that is not among ``DATASETS``."""
    return DATASETS[name].family if name in DATASETS else None


def entry(name: str) -> Entry:
    """The entry of a dataset; a plain one for a plugin's, which only ``load`` must find."""
    return DATASETS.get(name, Entry("", "plane", name))


def load(name: str, device: str = "cpu", plugin: str = "") -> Dataset:
    """The dataset of that name, its tensors on ``device``; that of a plugin where its module is
    one. Raises UserError where files are missing or damaged, or the plugin fails.
    """
    if is_plugin(plugin):
        try:
            return load_module(plugin).load(device)
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"plugin {plugin}: load: {first_line(error)}") from error
    return getattr(importlib.import_module(DATASETS[name].module), name)(device)


def ensure(name: str) -> None:
    """See that a dataset's files are there, downloading what is missing; loads nothing that is.
    Raises UserError where they cannot be had.
    """
    module = importlib.import_module(DATASETS[name].module)
    getattr(module, "ensure", lambda _: None)(name)
