"""The only training loop: step, log, evaluate, checkpoint; one run, or the seeds of one stacked.

A run that meets a NaN or an infinity ends with status ``diverged`` and keeps its curves; those
stacked with it go on. Seconds of a stacked run are those of the whole stack.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark import provenance
from benchmark.compile import Jit
from benchmark.config import Run, config_class, load_module
from benchmark.datasets import Dataset, load_dataset
from benchmark.engine import Engine
from benchmark.noise import Feed, draw
from benchmark.store import RunFolder, replaced
from methods.base import Logs, Method, Spec, State

CHECK_EVERY = 100  # steps between looks at the losses, each of which waits for the device


def prepare(run: Run, jit: Callable, device: str = "cpu") -> tuple[Method, Spec, Dataset]:
    """The method built for its dataset."""
    dataset = load_dataset(run.data, device)
    spec = Spec(dataset.x_shape, run.budget.z_dim, run.budget.batch, dataset.push, jit)
    module = load_module(run.module)
    return module.build(spec, config_class(module)(**run.settings)), spec, dataset


def execute(
    runs: Sequence[Run],
    folders: Sequence[RunFolder],
    *,
    device: str = "cpu",
    jit: Jit | None = None,
    checkpoint_seconds: float = 60.0,
    progress: Callable[[int], None] = lambda step: None,
) -> list[str]:
    """Train runs that differ in their seed alone, each from its checkpoint if it has one.

    Several are stacked into one program (``benchmark.engine``), as far as they stand at the same
    step. progress: called before every step with the number of steps done; what it raises ends the
    runs after saving their states. Returns the final statuses.
    """
    jit = jit or Jit(enabled=False)
    lanes = [_Lane(run, folder) for run, folder in zip(runs, folders, strict=True)]
    with torch.no_grad():
        for lane in lanes:
            lane.resume(device)
        for step in sorted({lane.step for lane in lanes}):
            together = [lane for lane in lanes if lane.step == step]
            _Training(together, device, jit, checkpoint_seconds, progress).execute()
    return [lane.status for lane in lanes]


class _Lane:
    """One run among those trained together: what is its own, besides its place in the stack.

    status: empty while in training. state: only until training starts; then the engine has it.
    """

    def __init__(self, run: Run, folder: RunFolder) -> None:
        self.run, self.folder = run, folder
        self.step, self.status = 0, ""
        self.state: State | None = None
        self.rows: list[dict[str, Any]] = []
        self.train_seconds = 0.0  # evaluation, checkpoints and compilation excluded
        self.started = datetime.now(UTC).isoformat(timespec="seconds")

    def resume(self, device: str) -> None:
        saved = self.folder.load_checkpoint()
        if saved is None or saved["device"] != device:
            return
        self.step, self.rows, self.state = saved["step"], saved["rows"], saved["state"]
        self.train_seconds, self.started = saved["train_seconds"], saved["started"]

    def save(self, state: State, device: str) -> None:
        self.folder.save_checkpoint(
            {
                "step": self.step,
                "rows": self.rows,
                "train_seconds": self.train_seconds,
                "started": self.started,
                "device": device,
                "state": to_device(state, "cpu"),
            }
        )


class _Training:
    """Runs in progress; ``execute`` reads top to bottom."""

    def __init__(self, lanes, device, jit, checkpoint_seconds, progress) -> None:
        self.lanes, self.device, self.jit = lanes, device, jit
        self.checkpoint_seconds, self.progress = checkpoint_seconds, progress
        self.run = lanes[0].run  # all but its seed holds for every lane
        self.method, self.spec, self.dataset = prepare(self.run, jit, device)
        self.step = lanes[0].step
        self.compile_seconds = 0.0
        self.commit = provenance.commit()  # of the code that runs, not of the day it ends
        states = [lane.state or self.method.init(lane.run.seed) for lane in lanes]
        on_device = [to_device(s, device) for s in states]
        self.engine = Engine(self.method, on_device, device, self.step)
        for lane in lanes:
            lane.state = None

    def execute(self) -> None:
        name, budget = self.run.data, self.run.budget
        feeds = [
            Feed(self.method, self.spec, name, self.dataset, lane.run.seed, self.device)
            for lane in self.lanes
        ]
        due = evaluation_steps(budget.iterations, budget.evaluations)
        for i, lane in enumerate(self.lanes):
            if self.step == 0 and not lane.rows:
                self._evaluate(i, budget.eval_samples)
        saved, self.mark = time.monotonic(), self._now()
        logs: Logs = {}
        while self.step < budget.iterations and self._active():
            try:
                self.progress(self.step)
            except BaseException:
                self._account()
                self._checkpoint()
                raise
            logs = self.engine.advance([feed(self.step) for feed in feeds])
            self.step += 1
            if not self.compile_seconds:  # the first step of a process pays for compilation
                self.compile_seconds = self._now() - self.mark
                self.mark = self._now()
            if self.step % CHECK_EVERY and self.step not in due:
                continue
            self._account()
            for i in self._active():
                if not all(bool(value[i].isfinite()) for value in logs.values()):
                    self._finish(i, "diverged", logs)
                elif self.step in due and self.step < budget.iterations:
                    self._evaluate(i, budget.eval_samples, logs)
            if time.monotonic() - saved > self.checkpoint_seconds:
                self._checkpoint()
                saved = time.monotonic()
            self.mark = self._now()
        for i in self._active():
            healthy = all(bool(v.isfinite().all()) for v in leaves(self.engine.state(i)))
            self._finish(i, "complete" if healthy else "diverged", logs)

    def _active(self) -> list[int]:
        """Places of the runs still in training."""
        return [i for i, lane in enumerate(self.lanes) if not lane.status]

    def _now(self) -> float:
        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def _account(self) -> None:
        now = self._now()
        for i in self._active():
            self.lanes[i].train_seconds += now - self.mark
            self.lanes[i].step = self.step
        self.mark = now

    def _evaluate(self, i: int, n: int, logs: Logs | None = None) -> Tensor:
        """Append metrics of n samples, drawn from the same noise at every evaluation."""
        lane = self.lanes[i]
        x = self._sample(i, n)
        values = self.dataset.evaluate(x) | self._probe(i)
        values |= {k: float(v[i]) for k, v in (logs or {}).items()}
        lane.rows += [
            {"step": self.step, "seconds": lane.train_seconds, "metric": k, "value": v}
            for k, v in values.items()
        ]
        return x

    def _sample(self, i: int, n: int) -> Tensor:
        state, chunk = self.engine.state(i), self.dataset.chunk
        parts = []
        for block, start in enumerate(range(0, n, chunk)):
            z = self._latents(i, block, min(chunk, n - start))
            parts.append(self.method.sample(state, z).cpu())
        return torch.cat(parts)

    def _probe(self, i: int) -> dict[str, float]:
        """The method's own measurements, on the same data and noise at every evaluation."""
        probe = self.method.probe
        if probe is None:
            return {}
        seed, data = self.lanes[i].run.seed, self.run.data
        z = draw(seed, data, "probe", 0, (probe.points, self.dataset.push_dim), self.device)
        eps = draw(seed, data, "probe noise", 0, (probe.points, *probe.noise), self.device)
        found = probe.measure(self.engine.state(i), self.dataset.push(z), eps)
        return {name: float(value) for name, value in found.items()}

    def _latents(self, i: int, block: int, n: int) -> Tensor:
        address = (self.lanes[i].run.seed, self.run.data, "evaluation", block)
        return draw(*address, (n, self.spec.z_dim), self.device)

    def _checkpoint(self) -> None:
        for i in self._active():
            self.lanes[i].save(self.engine.state(i), self.device)

    def _finish(self, i: int, status: str, logs: Logs) -> None:
        lane = self.lanes[i]
        x = self._evaluate(i, self.run.budget.final_samples, logs)
        lane.folder.write_metrics(lane.rows)
        kept = self.dataset.keep(x)
        for name, sample in self.method.also.items():
            more = sample(self.engine.state(i), self._latents(i, 0, self.dataset.chunk)).cpu()
            kept |= {f"{name}_{key}": value for key, value in self.dataset.keep(more).items()}
        with replaced(lane.folder.path / "samples.npz") as file:
            np.savez_compressed(file, **kept)
        lane.folder.write_provenance(
            provenance.machine(self.device)
            | {
                "commit": self.commit,
                "started": lane.started,
                "status": status,
                "steps": self.step,
                "train_seconds": round(lane.train_seconds, 3),
                "compile_seconds": round(self.compile_seconds, 3),
                "compiled": self.jit.active,
                "stacked": len(self.lanes),
            }
        )
        lane.folder.checkpoint.unlink(missing_ok=True)
        lane.status = status


def evaluation_steps(total: int, evaluations: int) -> set[int]:
    """Evenly spaced steps, the last one included."""
    return {round(total * k / evaluations) for k in range(1, evaluations + 1)}


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
