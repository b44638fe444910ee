"""The only training loop: step, log, evaluate, checkpoint; one run, or the seeds of one stacked.

A run that meets a NaN or an infinity ends with status ``diverged`` and keeps its curves; those
stacked with it go on. Seconds of a stacked run are those of the whole stack.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

from benchmark.core.errors import Refused, StorageError
from benchmark.core.run import Run
from benchmark.data.noise import Feed
from benchmark.store import checkpoints, provenance
from benchmark.store.folder import RunFolder
from benchmark.training import generator
from benchmark.training.compile import Jit
from benchmark.training.engine import Engine
from benchmark.training.fid import Fid
from benchmark.training.lane import Lane, leaves, to_device
from benchmark.training.measure import Measure, named
from benchmark.training.prepare import prepare
from methods.base import Logs

CHECK_EVERY = 100  # steps between looks at the losses, each of which waits for the device


class Saving(NamedTuple):
    """How often runs are saved: seconds between checkpoints; more where saving would else take more
    than that share of the time.
    """

    seconds: float = 60.0
    share: float = 1.0


def execute(
    runs: Sequence[Run],
    folders: Sequence[RunFolder],
    *,
    device: str = "cpu",
    jit: Jit | None = None,
    native: bool = False,
    saving: Saving = Saving(),  # noqa: B008
    progress: Callable[[int], None] = lambda step: None,
    fid: Fid | None = None,
    keep_generator: bool = False,
) -> list[str]:
    """Train runs that differ in their seed alone, each from its checkpoint if it has one.

    Several are stacked into one program (``engine``), as far as they stand at the same step.
    native: whether kernels for CPUs (``methods/kernels``) do what they can. progress: called before
    every step, and often during an evaluation, with the number of steps done. fid: what photographs
    are scored with at the end. keep_generator: leave what was learned in the folders
    (``generator``). Whatever is raised between steps ends the runs after saving their states.
    Returns the final statuses.
    """
    jit = jit or Jit(enabled=False)
    lanes = [Lane(run, folder) for run, folder in zip(runs, folders, strict=True)]
    with torch.no_grad():
        for lane in lanes:
            lane.resume(device)
        for step in sorted({lane.step for lane in lanes}):
            together = [lane for lane in lanes if lane.step == step]
            _Training(
                together, device, jit, native, saving, progress, fid, keep_generator
            ).execute()
    return [lane.status for lane in lanes]


class _Training:
    """Runs in progress; ``execute`` reads top to bottom."""

    def __init__(
        self,
        lanes: list[Lane],
        device: str,
        jit: Jit,
        native: bool,
        saving: Saving,
        progress: Callable[[int], None],
        fid: Fid | None,
        keep_generator: bool,
    ) -> None:
        self.lanes, self.device, self.jit, self.saving = lanes, device, jit, saving
        self.progress, self.keep_generator = progress, keep_generator
        self.run = lanes[0].run  # all but its seed holds for every lane
        self.method, self.spec, self.dataset = prepare(self.run, jit, device, native)
        self.measure = Measure(
            self.method, self.spec, self.dataset, device, lambda: progress(self.step), fid
        )
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
        except (StorageError, Refused):
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
        if not self.jit.enabled:  # else the first step tells
            self._agree()
        self._look()  # at the start, or at the step of a checkpoint saved before or amid its look
        saved, self.mark = time.monotonic(), self._now()
        interval = self.saving.seconds
        while self.step < budget.iterations and self._active():
            self.progress(self.step)
            compiles = self._compiles_next()
            if compiles:
                self._account()
            batches = [feed(self.step) for feed in feeds]
            self.settled = False
            self.logs = self.engine.advance(batches)
            self.step += 1
            if compiles:
                self._agree()
            self.settled = True
            if compiles:
                self.compile_seconds += self._now() - self.mark
                self.mark = self._now()
            if self.step % CHECK_EVERY == 0 or self.step in self.due:
                self._look()
            if time.monotonic() - saved > interval:
                began = time.monotonic()
                self._checkpoint()
                saved = time.monotonic()
                interval = max(interval, (saved - began) / self.saving.share)
        self._account()
        self.mark = None
        for i in self._active():
            healthy = all(bool(v.isfinite().all()) for v in leaves(self.engine.state(i)))
            self._finish(i, "complete" if healthy else "diverged")

    def _compiles_next(self) -> bool:
        """Whether the next step is the first of its kind in this process, which pays for
        compilation: the first of all, and the one after the method's warm-up.
        """
        warm_up = self.method.warm_up
        return self.step == self.first or (warm_up is not None and self.step == warm_up.steps)

    def _agree(self) -> None:
        """See that every run goes on with what its checkpoint was made with. Raises Refused."""
        now = self.jit.made_with(self.device, self.method.native)
        for i in self._active():
            self.lanes[i].agree(now, self.jit.mixing)

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
                self.lanes[i].rows += self._evaluate(i, self.run.budget.eval_samples)[1]
        if timing:
            self.mark = self._now()

    def _evaluation_due(self, i: int) -> bool:
        """At step 0, and at the steps of ``evaluation_steps`` but the last, once."""
        rows = self.lanes[i].rows
        asked = self.step in self.due and self.step < self.run.budget.iterations
        return asked and not (rows and rows[-1]["step"] == self.step)

    def _evaluate(self, i: int, samples: int) -> tuple[torch.Tensor, list[dict]]:
        """Samples of run i, and rows of their metrics and the run's losses."""
        lane, state = self.lanes[i], self.engine.state(i)
        x = self.measure.sample(lane.run, state, samples)
        values = self.measure.values(lane.run, state, x)
        for name, value in named(self._losses(i)).items():
            values.setdefault(name, value)  # a method names its losses, not our metrics
        return x, lane.measured(values)

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

    def _losses(self, i: int) -> dict[str, float]:
        return {name: float(value[i]) for name, value in self.logs.items()}

    def _checkpoint(self) -> None:
        self._account()
        for i in self._active():
            self.lanes[i].save(self.engine.state(i), self._losses(i), self.device)
        if self.mark is not None:
            self.mark = self._now()

    def _finish(self, i: int, status: str) -> None:
        lane, state = self.lanes[i], self.engine.state(i)
        if self.keep_generator:
            generator.save(lane.folder.path, lane.run, state)
        x, rows = self._evaluate(i, self.run.budget.final_samples)
        self._agree()  # sampling may have been what did not compile
        if status == "complete":
            rows += lane.measured(self.measure.scores(lane.run, state))
        record = provenance.machine(self.device) | {
            "commit": self.commit,
            "compile_seconds": round(self.compile_seconds, 3),
            "stacked": len(self.lanes),
            "state_sha256": checkpoints.digest(state),
        }
        lane.finish(status, lane.rows + rows, self.measure.kept(lane.run, state, x), record)


def evaluation_steps(total: int, evaluations: int) -> set[int]:
    """Evenly spaced steps, the last one included."""
    return {round(total * k / evaluations) for k in range(1, evaluations + 1)}
