"""The benchmark as a library: train a method, sample from it, measure samples of one's own."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmark import data as datasets
from benchmark.core.errors import unknown
from benchmark.core.modules import is_plugin
from benchmark.core.run import DatasetSettings, pays
from benchmark.data.base import Dataset
from benchmark.experiments.job import Job
from benchmark.experiments.plugins import known
from benchmark.store import sealed
from benchmark.store.folder import RunFolder
from benchmark.training.compile import Jit
from benchmark.training.generator import Generator
from benchmark.training.generator import load as load_generator
from benchmark.training.loop import execute
from benchmark.training.prepare import set_up_torch

SIZE = {"evaluations": 1, "eval_samples": 1_000, "final_samples": 50_000}  # where nothing is said


class Trained(NamedTuple):
    """status: complete, or diverged. metrics: of the last samples, and the losses."""

    status: str
    metrics: dict[str, float]
    generator: Generator

    def samples(self, n: int) -> Tensor:
        """n samples (n, *x_shape) of the trained generator, always the same."""
        return self.generator.samples(n)


def train(
    method: str, data: str, *, seed: int = 0, device: str = "cpu", **settings: Any
) -> Trained:
    """Train one run in this process, on one thread; writes nothing that stays.

    method, data: names, or files of one's own, as ``--plugin`` takes them; a method may be a
    variant, ``lbt[mog]``. settings: of the budget (``iterations``, ``batch``, ...) and of the
    method (``K``, ``eta_theta``, ...); others are those of preset ``full``. Raises UserError on
    names and settings that do not exist, and whatever the method raises.
    """
    plugins = tuple(dict.fromkeys(filter(is_plugin, (method, data))))
    method, data = (Path(name).stem if is_plugin(name) else name for name in (method, data))
    overrides = [
        f"{data if name in DatasetSettings.model_fields else method.split('[')[0]}.{name}={value}"
        for name, value in ((k, json.dumps(v)) for k, v in (SIZE | settings).items())
    ]
    (run,) = Job("full", tuple(overrides), plugins, (seed,)).runs(data, method)
    set_up_torch()
    with tempfile.TemporaryDirectory() as out:
        folder = RunFolder(Path(out), run)
        folder.open()
        worth = pays(run.budget.iterations)
        (status,) = execute(
            [run], [folder], device=device, jit=Jit(worth), native=worth and device == "cpu",
            keep_generator=True,
        )  # fmt: skip
        found = sealed.read(folder.path)
        rows = list(csv.DictReader(io.StringIO(found.metrics.decode())))
        last = {r["metric"]: float(r["value"]) for r in rows if r["step"] == rows[-1]["step"]}
        return Trained(status, last, load_generator(folder.path))


def measure(samples: Any, data: str) -> dict[str, float]:
    """The metrics of samples (N, *x_shape), an array or a tensor in data units, as the benchmark
    takes them. data: a name, or a file of one's own. Raises UserError on an unknown name,
    ValueError on samples of another shape.
    """
    dataset = _dataset(data)
    samples = torch.as_tensor(samples)
    if samples.is_complex():
        raise ValueError(f"samples of {data} must be real numbers, not {samples.dtype}")
    samples = samples.to(torch.float32)
    if samples.shape[1:] != dataset.x_shape or not len(samples):
        raise ValueError(f"samples of {data} must be (N, {dataset.x_shape}), not {samples.shape}")
    return dataset.evaluate(samples)


@cache
def _dataset(data: str) -> Dataset:
    """What samples are measured against, with what the measures keep of it."""
    plugins = (data,) if is_plugin(data) else ()
    name, entries = Path(data).stem if plugins else data, known(plugins).data
    if name not in entries:
        raise unknown("dataset", name, entries)
    return datasets.load(name, plugin=entries[name].module)
