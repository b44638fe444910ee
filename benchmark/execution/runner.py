"""Runs of a job: what is missing is trained, what is finished is reused."""

from __future__ import annotations

import sys
import time
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

QUIET_SECONDS = 60.0  # between lines where there is no bar


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
    """A line for every run that ends, and one bar for the whole job, in estimated seconds of work;
    where nobody watches, a line now and then in place of the bar.
    """

    def __init__(self, runs: Sequence[Run], how: Execution) -> None:
        self.cost = {str(run): cost.seconds(run, how.out) for run in runs}
        self.done = dict.fromkeys(self.cost, 0.0)
        self.ended = 0
        self.missed: list[Event] = []
        self.begun = self.said = time.monotonic()
        self.bar = tqdm(
            total=sum(self.cost.values()),
            disable=not sys.stderr.isatty(),
            bar_format="{percentage:3.0f}% |{bar}| {elapsed} elapsed, {remaining} left {desc}",
            dynamic_ncols=True,
        )

    def __call__(self, event: Event) -> None:
        name = str(event.run)
        share = 1.0 if event.status else event.step / event.run.budget.iterations
        self.done[name] = self.cost[name] * share
        if not self.bar.disable:
            self.bar.n = min(sum(self.done.values()), self.bar.total)
            self.bar.set_description_str(f"· {name} {share:.0%}")
        if event.status in ("failed", "held", "refused"):
            self.missed.append(event)
        if event.status:
            self.ended += 1
            self._say(f"{name}: {event.status} {event.reason}".rstrip())
        elif self.bar.disable and time.monotonic() - self.said > QUIET_SECONDS:
            self._say(f"{name}: {share:.0%}")

    def _say(self, news: str) -> None:
        """A line of news, with how far the job is."""
        self.said = time.monotonic()
        took, done, total = self.said - self.begun, sum(self.done.values()), sum(self.cost.values())
        left = f", about {cost.clock(took * (total / done - 1))} left" if 0 < done < total else ""
        line = f"{news} · {self.ended} of {len(self.cost)} runs, {cost.clock(took)}{left}"
        self.bar.write(printable(line), file=sys.stderr)
