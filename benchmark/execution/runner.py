"""Runs of a job: what is missing is trained, what is finished is reused."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tqdm import tqdm

from benchmark.core.errors import UserError, printable
from benchmark.core.modules import is_plugin
from benchmark.core.run import MIN_STEPS, Run
from benchmark.execution import cost
from benchmark.execution.cluster import Cluster
from benchmark.execution.how import Event, Execution
from benchmark.execution.launch import launch
from benchmark.store.folder import RunFolder


def check(runs: Sequence[Run]) -> None:
    """Build every shipped method once, as its process will. Raises UserError where one refuses its
    settings or its data; the mistakes of a plugin are its runs' alone.
    """
    from benchmark.training.prepare import prepare

    for run in {(run.dataset, run.label): run for run in runs}.values():
        if not is_plugin(run.module):
            try:
                prepare(run, lambda fn: fn)
            except ValueError as error:
                raise UserError(f"{run.label} on {run.dataset}: {error}") from None


def unfinished(runs: Sequence[Run], how: Execution) -> list[Run]:
    """The runs that still have to be trained, longest first so that workers end together. Raises
    UserError where one is damaged, unless all are trained again.
    """
    folders = [RunFolder(how.out, run) for run in runs]
    todo = [folder.run for folder in folders if how.force or not folder.finished()]
    return sorted(todo, key=lambda run: -cost.seconds(run, how.out))


def train(runs: Sequence[Run], how: Execution) -> list[Event]:
    """Train what is missing. Returns the events of runs that failed, or that another process
    has.
    """
    todo = unfinished(runs, how)
    if todo:
        compiled = f"runs of {MIN_STEPS:,} updates or more are compiled"
        print(
            f"{len(todo)} runs to do, {len(runs) - len(todo)} finished; "
            f"{compiled if how.engine != 'eager' else 'nothing is compiled'}",
            file=sys.stderr,
        )
    tell = _Progress(todo, how)
    try:
        if how.slurm is None:
            launch(todo, how, tell)
        else:
            Cluster(todo, how, tell).work()
    finally:
        tell.bar.close()
    return tell.missed


class _Progress:
    """One bar for the whole job, in estimated seconds of work; no bar where nobody watches."""

    def __init__(self, runs: Sequence[Run], how: Execution) -> None:
        self.cost = {str(run): cost.seconds(run, how.out) for run in runs}
        self.done = dict.fromkeys(self.cost, 0.0)
        self.missed: list[Event] = []
        self.bar = tqdm(
            total=round(sum(self.cost.values())),
            disable=not sys.stderr.isatty(),
            bar_format="{percentage:3.0f}% |{bar}| {elapsed} elapsed, {remaining} left {desc}",
            dynamic_ncols=True,
        )

    def __call__(self, event: Event) -> None:
        name = str(event.run)
        share = 1.0 if event.status else event.step / event.run.budget.iterations
        self.bar.update(self.cost[name] * share - self.done[name])
        self.done[name] = self.cost[name] * share
        self.bar.set_description_str(f"· {name} {share:.0%}")
        if event.status in ("failed", "held", "refused"):
            self.missed.append(event)
        if event.status in ("failed", "held", "refused", "diverged"):
            line = printable(f"{name}: {event.status} {event.reason}".rstrip())
            self.bar.write(line, file=sys.stderr)
