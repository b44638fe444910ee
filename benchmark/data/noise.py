"""All randomness of a run: standard normals addressed by (seed, dataset, stream, block).

Each block of steps is drawn from a generator seeded by a hash of its address. So the data of step
k is the same for every method of a seed, no draw depends on which other seeds run beside it, and
resuming needs nothing but the step number.
"""

from __future__ import annotations

import torch
from torch import Tensor

from benchmark.data.base import Dataset
from methods.base import Batch, Method, Spec, seeded

BLOCK = 4  # steps drawn at once: amortises seeding the generators


def draw(
    seed: int, dataset: str, stream: str, block: int, shape: tuple[int, ...], device: str = "cpu"
) -> Tensor:
    """Standard normals of the given shape; the same arguments always give the same numbers."""
    generator = seeded(seed, dataset, stream, block)
    if device != "cpu":
        generator = torch.Generator(device).manual_seed(generator.initial_seed())
    return torch.randn(shape, generator=generator, device=device)


class Feed:
    """The batches of one run: ``feed(step)`` -> name -> tensor, for steps in any order."""

    def __init__(
        self, method: Method, spec: Spec, name: str, dataset: Dataset, seed: int, device: str
    ) -> None:
        rows = (spec.batch, dataset.push_dim)
        self._shapes = dict.fromkeys(method.data, rows) | method.noise
        self._data = method.data
        self._push = dataset.push
        self._address = (seed, name)
        self._device = device
        self._block = -1
        self._values: dict[str, Tensor] = {}

    def __call__(self, step: int) -> Batch:
        block, offset = divmod(step, BLOCK)
        if block != self._block:
            self._block = block
            for name, shape in self._shapes.items():
                z = draw(*self._address, name, block, (BLOCK, *shape), self._device)
                self._values[name] = self._push(z) if name in self._data else z
        return {name: value[offset] for name, value in self._values.items()}
