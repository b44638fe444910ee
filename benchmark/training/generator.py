"""Trained generators, kept: what the players learned, as safetensors, with their run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from benchmark.core.errors import UserError, first_line
from benchmark.core.files import write_bytes
from benchmark.core.run import Run
from benchmark.data.base import Dataset
from benchmark.store import sealed
from benchmark.store.folder import RunFolder
from benchmark.training.measure import Measure
from benchmark.training.prepare import prepare
from methods.base import Method, Spec, State

FILE = sealed.GENERATOR  # in a run's folder


class Generator(NamedTuple):
    """A method's state after training, without its optimisers', and what it takes to sample."""

    run: Run
    method: Method
    spec: Spec
    dataset: Dataset
    state: State

    @torch.no_grad()
    def samples(self, n: int) -> Tensor:
        """n samples (n, *x_shape) on the CPU, in data units: always the same, those that the run's
        metrics are of.
        """
        measure = Measure(self.method, self.spec, self.dataset, "cpu", lambda: None)
        return measure.sample(self.run, self.state, n) / self.spec.scale


def save(folder: Path, run: Run, state: State) -> None:
    """Write a run's generator into its folder. Raises StorageError."""
    from safetensors.torch import save

    learned = {k: v.cpu().contiguous() for k, v in state.items() if isinstance(v, Tensor)}
    write_bytes(folder / FILE, save(learned, metadata={"run": run.model_dump_json()}))


def missing(out: Path, runs: Sequence[Run]) -> list[Run]:
    """Those that completed without keeping theirs."""
    folders = [RunFolder(out, run, code="") for run in runs]
    return [f.run for f in folders if f.status() == "complete" and not (f.path / FILE).is_file()]


def load(folder: Path) -> Generator:
    """The generator that ``--keep-generator`` left in a run's folder; a plugin's file must be where
    it was. Raises UserError where there is none, or a damaged one.
    """
    from safetensors import safe_open

    path = Path(folder) / FILE
    if sealed.generator(Path(folder)) is None:
        raise UserError(f"{path}: no such file; --keep-generator leaves one")
    try:
        with safe_open(path, "pt") as file:
            run = Run(**json.loads(file.metadata()["run"]))
            state = {name: file.get_tensor(name) for name in file.keys()}
    except Exception as error:  # whatever a damaged archive comes up with
        raise UserError(f"{path}: not a kept generator ({first_line(error)})") from None
    method, spec, dataset = prepare(run, lambda fn: fn)
    return Generator(run, method, spec, dataset, state)
