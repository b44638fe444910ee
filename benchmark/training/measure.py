"""What is measured of a run: its samples, the method's own probes, scores of photographs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmark import data
from benchmark.core.run import Run
from benchmark.data.base import Dataset
from benchmark.data.noise import draw
from benchmark.training import fid as inception
from methods.base import Method, Spec, State


class Measure(NamedTuple):
    """Measurements of states of one method, each on the same noise at every evaluation.

    alive: called often, so that signals are noticed. fid: what photographs are scored with.
    """

    method: Method
    spec: Spec
    dataset: Dataset
    device: str
    alive: Callable[[], None]
    fid: inception.Fid | None = None

    def sample(self, run: Run, state: State, n: int) -> Tensor:
        """n samples (n, *x_shape), on the CPU. Raises ValueError where a sampler returns others."""
        chunk = self.dataset.chunk
        parts = []
        for block, start in enumerate(range(0, n, chunk)):
            self.alive()
            z = self._latents(run, block, min(chunk, n - start))
            parts.append(self._drawn(self.method.sample, state, z))
        return torch.cat(parts)

    def _drawn(self, sample: Callable, state: State, z: Tensor) -> Tensor:
        x = sample(state, z).cpu()
        shape = (len(z), *self.dataset.x_shape)
        if tuple(x.shape) != shape or not x.is_floating_point():
            raise ValueError(
                f"the sampler returned {tuple(x.shape)} of {x.dtype}, not {shape} of real numbers"
            )
        return x

    def values(self, run: Run, state: State, x: Tensor) -> dict[str, float]:
        """Metrics of samples, and the method's own measurements. Raises ValueError where these
        would take the place of those.
        """
        metrics, own = self.dataset.evaluate(x), self._probe(run, state)
        if taken := metrics.keys() & own.keys():
            raise ValueError(f"the method's probe has the name of a metric: {', '.join(taken)}")
        return metrics | own

    def scores(self, run: Run, state: State) -> dict[str, float]:
        """FID and KID of photographs, where they are asked for."""
        if self.fid is None or data.family(run.data) != "photos":
            return {}
        x = self.sample(run, state, self.fid.samples)
        return inception.scores(self.fid, run.data, x, self.device, self.alive)

    def kept(self, run: Run, state: State, x: Tensor) -> dict[str, np.ndarray]:
        """What is stored of samples, and of whatever else the method draws."""
        found = self.dataset.keep(x)
        for name, sample in self.method.also.items():
            more = self._drawn(sample, state, self._latents(run, 0, self.dataset.chunk))
            found |= {f"{name}_{key}": value for key, value in self.dataset.keep(more).items()}
        return found

    def _probe(self, run: Run, state: State) -> dict[str, float]:
        probe = self.method.probe
        if probe is None:
            return {}
        rows = (probe.points, self.dataset.push_dim)
        z = draw(run.seed, run.data, "probe", 0, rows, self.device)
        noise = (probe.points, *probe.noise)
        eps = draw(run.seed, run.data, "probe noise", 0, noise, self.device)
        found = probe.measure(state, self.dataset.push(z), eps)
        return {name: float(value) for name, value in found.items()}

    def _latents(self, run: Run, block: int, n: int) -> Tensor:
        address = (run.seed, run.data, "evaluation", block)
        return draw(*address, (n, self.spec.z_dim), self.device)


def named(losses: dict[str, float]) -> dict[str, float]:
    """Losses under names that no table obeys. Raises ValueError where two would share one."""
    found = {re.sub(r"[^A-Za-z0-9_.]", "_", name): value for name, value in losses.items()}
    if len(found) < len(losses):
        raise ValueError(f"two of the losses {', '.join(map(repr, losses))} are alike in a table")
    return found
