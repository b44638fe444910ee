"""The only training loop: step, log, evaluate, checkpoint.

A run that meets a NaN or an infinity stops with status ``diverged`` and keeps its curves.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark import provenance
from benchmark.compile import Jit
from benchmark.config import Run, config_class, load_module
from benchmark.datasets import DATASETS, Dataset
from benchmark.noise import Feed, draw
from benchmark.store import RunFolder, replaced
from methods.base import Method, Spec, State

CHECK_EVERY = 100  # steps between looks at the losses, each of which waits for the device
SAMPLE_CHUNK = 50_000  # points generated at once: 51 MB of noise at Z = 256
KEPT_SAMPLES = 5_000  # points stored for scatter plots
DENSITY_BINS = 600  # per axis, over DENSITY_EXTENT: half a grid std per bin
DENSITY_EXTENT = 1.5  # data units; holds ring and grid with their tails


def prepare(run: Run, jit: Callable) -> tuple[Method, Spec, Dataset]:
    """The method built for its dataset."""
    dataset = DATASETS[run.dataset]()
    spec = Spec(dataset.x_shape, run.budget.z_dim, run.budget.batch, dataset.push, jit)
    module = load_module(run.module)
    return module.build(spec, config_class(module)(**run.settings)), spec, dataset


def execute(
    run: Run,
    folder: RunFolder,
    *,
    device: str = "cpu",
    jit: Jit | None = None,
    checkpoint_seconds: float = 60.0,
    progress: Callable[[int], None] = lambda step: None,
) -> str:
    """Train one run to its end, continuing from its checkpoint if there is one.

    progress: called before every step with the number of steps done; what it raises ends the run
        after saving its state. Returns the final status.
    """
    jit = jit or Jit(enabled=False)
    with torch.no_grad():
        return _Training(run, folder, device, jit, checkpoint_seconds, progress).execute()


class _Training:
    """State of one run in progress; ``execute`` reads top to bottom."""

    def __init__(self, run, folder, device, jit, checkpoint_seconds, progress) -> None:
        self.run, self.folder, self.device, self.jit = run, folder, device, jit
        self.checkpoint_seconds, self.progress = checkpoint_seconds, progress
        self.method, self.spec, self.dataset = prepare(run, jit)
        self.step = 0
        self.rows: list[dict[str, Any]] = []
        self.train_seconds = 0.0  # evaluation, checkpoints and compilation excluded
        self.compile_seconds = 0.0
        self.started = datetime.now(UTC).isoformat(timespec="seconds")
        self.commit = provenance.commit()  # of the code that runs, not of the day it ends
        self.state: State = to_device(self.method.init(run.seed), device)

    def execute(self) -> str:
        self._resume()
        feed = Feed(
            self.method, self.spec, self.run.dataset, self.dataset, self.run.seed, self.device
        )
        total = self.run.budget.iterations
        due = evaluation_steps(total, self.run.budget.evaluations)
        if self.step == 0 and not self.rows:
            self._evaluate(self.run.budget.eval_samples)
        saved, self.mark = time.monotonic(), self._now()
        logs: dict[str, Tensor] = {}
        while self.step < total:
            try:
                self.progress(self.step)
            except BaseException:
                self._account()
                self._checkpoint()
                raise
            self.state, logs = self.method.step(self.state, feed(self.step))
            self.step += 1
            if not self.compile_seconds:  # the first step of a process pays for compilation
                self.compile_seconds = self._now() - self.mark
                self.mark = self._now()
            if self.step % CHECK_EVERY and self.step not in due:
                continue
            self._account()
            if not all(bool(value.isfinite().all()) for value in logs.values()):
                return self._finish("diverged", logs)
            if self.step in due and self.step < total:
                self._evaluate(self.run.budget.eval_samples, logs)
            if time.monotonic() - saved > self.checkpoint_seconds:
                self._checkpoint()
                saved = time.monotonic()
            self.mark = self._now()
        healthy = all(bool(v.isfinite().all()) for v in leaves(self.state))
        return self._finish("complete" if healthy else "diverged", logs)

    def _now(self) -> float:
        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def _account(self) -> None:
        now = self._now()
        self.train_seconds += now - self.mark
        self.mark = now

    def _evaluate(self, n: int, logs: dict[str, Tensor] | None = None) -> Tensor:
        """Append metrics of n samples, drawn from the same noise at every evaluation."""
        x = self._sample(n)
        values = self.dataset.evaluate(x) | {k: float(v) for k, v in (logs or {}).items()}
        self.rows += [
            {"step": self.step, "seconds": self.train_seconds, "metric": k, "value": v}
            for k, v in values.items()
        ]
        return x

    def _sample(self, n: int) -> Tensor:
        address = (self.run.seed, self.run.dataset, "evaluation")
        parts = []
        for block, start in enumerate(range(0, n, SAMPLE_CHUNK)):
            shape = (min(SAMPLE_CHUNK, n - start), self.spec.z_dim)
            z = draw(*address, block, shape, self.device)
            parts.append(self.method.sample(self.state, z).cpu())
        return torch.cat(parts)

    def _resume(self) -> None:
        saved = self.folder.load_checkpoint()
        if saved is None or saved["device"] != self.device:
            return
        self.step, self.rows = saved["step"], saved["rows"]
        self.train_seconds, self.started = saved["train_seconds"], saved["started"]
        self.state = to_device(saved["state"], self.device)

    def _checkpoint(self) -> None:
        self.folder.save_checkpoint(
            {
                "step": self.step,
                "rows": self.rows,
                "train_seconds": self.train_seconds,
                "started": self.started,
                "device": self.device,
                "state": to_device(self.state, "cpu"),
            }
        )

    def _finish(self, status: str, logs: dict[str, Tensor]) -> str:
        x = self._evaluate(self.run.budget.final_samples, logs)
        self.folder.write_metrics(self.rows)
        with replaced(self.folder.path / "samples.npz") as file:
            np.savez_compressed(file, counts=density(x), samples=x[:KEPT_SAMPLES].numpy())
        self.folder.write_provenance(
            provenance.machine(self.device)
            | {
                "commit": self.commit,
                "started": self.started,
                "status": status,
                "steps": self.step,
                "train_seconds": round(self.train_seconds, 3),
                "compile_seconds": round(self.compile_seconds, 3),
                "compiled": self.jit.active,
            }
        )
        self.folder.checkpoint.unlink(missing_ok=True)
        return status


def evaluation_steps(total: int, evaluations: int) -> set[int]:
    """Evenly spaced steps, the last one included."""
    return {round(total * k / evaluations) for k in range(1, evaluations + 1)}


def density(samples: Tensor) -> np.ndarray:
    """Counts (DENSITY_BINS, DENSITY_BINS) over the square of half-width DENSITY_EXTENT; points
    outside are dropped. First axis x, second y.
    """
    edges = np.linspace(-DENSITY_EXTENT, DENSITY_EXTENT, DENSITY_BINS + 1)
    finite = samples[samples.isfinite().all(dim=1)].double().numpy()
    return np.histogram2d(finite[:, 0], finite[:, 1], bins=(edges, edges))[0].astype(np.uint32)


def to_device(state: State, device: str) -> State:
    """A copy of the state on another device (or the same tensors where they are there already)."""
    return {
        name: to_device(value, device) if isinstance(value, dict) else value.to(device)
        for name, value in state.items()
    }


def leaves(state: State) -> list[Tensor]:
    """All tensors of a state."""
    found = []
    for value in state.values():
        found += leaves(value) if isinstance(value, dict) else [value]
    return found
