"""The only training loop: step, log, evaluate, checkpoint; one run, or the seeds of one stacked.

A run that meets a NaN or an infinity ends with status ``diverged`` and keeps its curves; those
stacked with it go on. Seconds of a stacked run are those of the whole stack.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark import data as datasets
from benchmark.core.errors import StorageError
from benchmark.core.files import replaced
from benchmark.core.modules import config_class, load_module
from benchmark.core.run import Run
from benchmark.data.base import Dataset, scaled
from benchmark.data.noise import Feed, draw
from benchmark.store import checkpoints, provenance
from benchmark.store.folder import RunFolder
from benchmark.training import fid as inception
from benchmark.training.compile import Jit
from benchmark.training.engine import Engine
from methods.base import Logs, Method, Spec, State
from methods.steadying import steadied

CHECK_EVERY = 100  # steps between looks at the losses, each of which waits for the device


def prepare(run: Run, jit: Callable, device: str = "cpu") -> tuple[Method, Spec, Dataset]:
    """The method built for its dataset."""
    budget = run.budget
    dataset = scaled(datasets.load(run.data, device), budget.coordinate_scale)
    scale = budget.coordinate_scale
    spec = Spec(dataset.x_shape, budget.z_dim, budget.batch, dataset.push, jit, scale)
    module = load_module(run.module)
    method = module.build(spec, config_class(module)(**run.settings))
    anneal, average = (run.settings.get(name, 0.0) for name in ("anneal", "average"))
    return steadied(method, budget.iterations, anneal, average), spec, dataset


def execute(
    runs: Sequence[Run],
    folders: Sequence[RunFolder],
    *,
    device: str = "cpu",
    jit: Jit | None = None,
    checkpoint_seconds: float = 60.0,
    checkpoint_share: float = 1.0,
    progress: Callable[[int], None] = lambda step: None,
    fid: inception.Fid | None = None,
) -> list[str]:
    """Train runs that differ in their seed alone, each from its checkpoint if it has one.

    Several are stacked into one program (``engine``), as far as they stand at the same step.
    checkpoint_seconds: between checkpoints; more where saving would else take more than
    checkpoint_share of the time. progress: called before every step, and often during an
    evaluation, with the number of steps done. fid: what photographs are scored with at the end.
    Whatever is raised between steps ends the runs after saving their states. Returns the final
    statuses.
    """
    jit = jit or Jit(enabled=False)
    lanes = [_Lane(run, folder) for run, folder in zip(runs, folders, strict=True)]
    with torch.no_grad():
        for lane in lanes:
            lane.resume(device)
        for step in sorted({lane.step for lane in lanes}):
            together = [lane for lane in lanes if lane.step == step]
            interval = (checkpoint_seconds, checkpoint_share)
            _Training(together, device, jit, interval, progress, fid).execute()
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
        self.logs: dict[str, float] = {}  # of the last step, where it was saved
        self.train_seconds = 0.0  # evaluation, checkpoints and compilation excluded
        self.started = datetime.now(UTC).isoformat(timespec="seconds")

    def resume(self, device: str) -> None:
        saved = self.folder.load_checkpoint()
        if saved is None or saved["device"] != device:
            return
        self.step, self.rows, self.state = saved["step"], saved["rows"], saved["state"]
        self.logs = saved["logs"]
        self.train_seconds, self.started = saved["train_seconds"], saved["started"]

    def save(self, state: State, logs: dict[str, float], device: str) -> None:
        self.folder.save_checkpoint(
            {
                "step": self.step,
                "rows": self.rows,
                "logs": logs,
                "train_seconds": self.train_seconds,
                "started": self.started,
                "device": device,
                "state": to_device(state, "cpu"),
            }
        )


class _Training:
    """Runs in progress; ``execute`` reads top to bottom."""

    def __init__(self, lanes, device, jit, interval, progress, fid) -> None:
        self.lanes, self.device, self.jit = lanes, device, jit
        (self.interval, self.share), self.progress, self.fid = interval, progress, fid
        self.run = lanes[0].run  # all but its seed holds for every lane
        self.method, self.spec, self.dataset = prepare(self.run, jit, device)
        self.first = self.step = lanes[0].step
        self.due = {0} | evaluation_steps(self.run.budget.iterations, self.run.budget.evaluations)
        self.logs: Logs = {  # of the last step, each (S,)
            name: torch.tensor([lane.logs[name] for lane in lanes], dtype=torch.float64)
            for name in lanes[0].logs
        }
        self.settled = True  # no step is half done: what is in memory may be saved
        self.mark: float | None = None  # since when training time is not yet accounted for
        self.compile_seconds = 0.0
        self.commit = provenance.commit()  # of the code that runs, not of the day it ends
        states = [lane.state or self.method.init(lane.run.seed) for lane in lanes]
        on_device = [to_device(s, device) for s in states]
        self.engine = Engine(self.method, on_device, device, self.step)
        for lane in lanes:
            lane.state = None

    def execute(self) -> None:
        try:
            self._train()
        except StorageError:
            raise
        except BaseException:
            if self.settled:
                self._checkpoint()
            raise

    def _train(self) -> None:
        name, budget = self.run.data, self.run.budget
        feeds = [
            Feed(self.method, self.spec, name, self.dataset, lane.run.seed, self.device)
            for lane in self.lanes
        ]
        self._look()  # at the start, or at the step of a checkpoint saved before or amid its look
        saved, self.mark = time.monotonic(), self._now()
        while self.step < budget.iterations and self._active():
            self.progress(self.step)
            batches = [feed(self.step) for feed in feeds]
            self.settled = False
            self.logs = self.engine.advance(batches)
            self.step += 1
            self.settled = True
            if self._compiles():
                self.compile_seconds += self._now() - self.mark
                self.mark = self._now()
            if self.step % CHECK_EVERY == 0 or self.step in self.due:
                self._look()
            if time.monotonic() - saved > self.interval:
                began = time.monotonic()
                self._checkpoint()
                saved = time.monotonic()
                self.interval = max(self.interval, (saved - began) / self.share)
        self._account()
        self.mark = None
        for i in self._active():
            healthy = all(bool(v.isfinite().all()) for v in leaves(self.engine.state(i)))
            self._finish(i, "complete" if healthy else "diverged")

    def _compiles(self) -> bool:
        """Whether the last step was the first of its kind in this process, which pays for
        compilation: the first of all, and the one after the method's warm-up.
        """
        warm_up = self.method.warm_up
        return self.step == self.first + 1 or (
            warm_up is not None and self.step == warm_up.steps + 1
        )

    def _look(self) -> None:
        """End the runs whose losses are not finite; evaluate the others where that is due.

        Does nothing twice at one step.
        """
        self._account()
        timing, self.mark = self.mark is not None, None
        for i in self._active():
            if not all(bool(value[i].isfinite()) for value in self.logs.values()):
                self._finish(i, "diverged")
            elif self._evaluation_due(i):
                x = self._sample(i, self.run.budget.eval_samples)
                self.lanes[i].rows += self._measure(x, i)
        if timing:
            self.mark = self._now()

    def _evaluation_due(self, i: int) -> bool:
        """At step 0, and at the steps of ``evaluation_steps`` but the last, once."""
        rows = self.lanes[i].rows
        asked = self.step in self.due and self.step < self.run.budget.iterations
        return asked and not (rows and rows[-1]["step"] == self.step)

    def _active(self) -> list[int]:
        """Places of the runs still in training."""
        return [i for i, lane in enumerate(self.lanes) if not lane.status]

    def _now(self) -> float:
        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def _account(self) -> None:
        """Book the training time since ``mark``."""
        now = self._now()
        for i in self._active():
            self.lanes[i].train_seconds += 0.0 if self.mark is None else now - self.mark
            self.lanes[i].step = self.step
        self.mark = None if self.mark is None else now

    def _measure(self, x: Tensor, i: int) -> list[dict[str, Any]]:
        """Rows of the metrics of run i's samples, and of its losses."""
        values = self.dataset.evaluate(x) | self._probe(i)
        for name, value in self._losses(i).items():  # a method names its losses, not our metrics
            values.setdefault(re.sub(r"[^A-Za-z0-9_.]", "_", name), value)
        return self._rows(values, i)

    def _rows(self, values: dict[str, float], i: int) -> list[dict[str, Any]]:
        seconds = self.lanes[i].train_seconds
        return [
            {"step": self.step, "seconds": seconds, "metric": k, "value": v}
            for k, v in values.items()
        ]

    def _losses(self, i: int) -> dict[str, float]:
        return {name: float(value[i]) for name, value in self.logs.items()}

    def _sample(self, i: int, n: int) -> Tensor:
        """n samples of run i, drawn from the same noise at every evaluation."""
        state, chunk = self.engine.state(i), self.dataset.chunk
        parts = []
        for block, start in enumerate(range(0, n, chunk)):
            self.progress(self.step)
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

    def _inception_scores(self, i: int) -> dict[str, float]:
        """Those of photographs, where they are asked for."""
        if self.fid is None or datasets.family(self.run.data) != "photos":
            return {}
        x = self._sample(i, self.fid.samples)
        return inception.scores(
            self.fid, self.run.data, x, self.device, lambda: self.progress(self.step)
        )

    def _latents(self, i: int, block: int, n: int) -> Tensor:
        address = (self.lanes[i].run.seed, self.run.data, "evaluation", block)
        return draw(*address, (n, self.spec.z_dim), self.device)

    def _checkpoint(self) -> None:
        self._account()
        for i in self._active():
            self.lanes[i].save(self.engine.state(i), self._losses(i), self.device)
        if self.mark is not None:
            self.mark = self._now()

    def _finish(self, i: int, status: str) -> None:
        lane = self.lanes[i]
        x = self._sample(i, self.run.budget.final_samples)
        rows = lane.rows + self._measure(x, i)
        if status == "complete":
            rows += self._rows(self._inception_scores(i), i)
        lane.folder.write_metrics(rows)
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
                "state_sha256": checkpoints.digest(self.engine.state(i)),
            }
        )
        lane.folder.remove_checkpoints()
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
