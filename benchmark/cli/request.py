"""Which runs a command asks for."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmark import artefacts
from benchmark.artefacts import ARTEFACTS
from benchmark.cli import options
from benchmark.cli.arguments import parse_seeds, split
from benchmark.core.errors import unknown
from benchmark.core.run import Run
from benchmark.data import fetch
from benchmark.experiments.job import Job
from benchmark.experiments.labels import parse_label
from benchmark.experiments.presets import known_as
from benchmark.experiments.renamed import migrate


class Request(NamedTuple):
    """A command's runs. names: of the artefacts asked for. out: where results go. figures: whether
    any is drawn.
    """

    job: Job
    names: list[str]
    runs: list[Run]
    out: Path
    figures: bool

    def shown(self) -> set[tuple[str, str]]:
        """Datasets and labels of the runs."""
        return {(run.dataset, run.label) for run in self.runs}

    def drawn(self, otherwise: Sequence[str]) -> Sequence[str]:
        """The artefacts to draw: those asked for, or else these."""
        return (self.names or otherwise) if self.figures else []

    def usual(self) -> list[str]:
        """The figures that show any method on the datasets of the runs: densities and curves."""
        datasets = {run.dataset for run in self.runs}
        return [name for name in ("fig2", "fig3") if datasets & set(self.job.feeding(name))]


def resolve(arguments: argparse.Namespace) -> Request:
    """What the options name. Raises UserError on any that names nothing or makes no sense."""
    options.limits(arguments)
    fetch.configure(options.data_root(arguments), arguments.offline or arguments.report)
    job = Job(
        arguments.preset or options.PRESET,
        tuple(arguments.overrides),
        tuple(arguments.plugin),
        parse_seeds(arguments.seeds),
    )
    names = split(arguments.reproduce)
    names = list(ARTEFACTS) if names == ["all"] else names
    for name in names:
        if name not in ARTEFACTS:
            raise unknown("artefact", name, ARTEFACTS)
    datasets = [known_as(name, job.name) for name in split(arguments.dataset)]
    methods = split(arguments.methods)
    if methods == ["all"]:
        methods = [] if names else list(job.modules)
    runs = _runs(job, names, methods, datasets)
    _say_idle(job, runs)
    out = options.writable(arguments.out)
    if not arguments.plan:
        migrate(out, job.name)
    return Request(job, names, runs, out, not arguments.no_figures)


def _say_idle(job: Job, runs: list[Run]) -> None:
    """Warns of a setting of a method that none of the runs has."""
    for owner in job.overrides:
        if owner in job.modules and owner not in {run.method for run in runs} | set(job.datasets):
            setting = f"--set {owner}.{next(iter(job.overrides[owner]))}"
            print(f"warning: {setting}: no run of {owner} is asked for", file=sys.stderr)


def _runs(job: Job, names: list[str], methods: list[str], datasets: list[str]) -> list[Run]:
    """The runs of methods on datasets, or of artefacts as far as these are among them, each once;
    nothing named is everything.
    """
    for dataset in datasets:
        job.budget(dataset)
    for method in methods:
        job.check(method)
    runs: dict[tuple[str, str, int], Run] = {}

    def add(dataset: str, method: str, seeds: int | None = None) -> None:
        for run in job.runs(dataset, method)[:seeds]:
            runs.setdefault((run.dataset, run.label, run.seed), run)

    if not names:
        usual = ["ring"] if job.has("ring") else job.datasets
        for dataset in datasets or job.own() or usual:
            for method in methods or job.budget(dataset).updates or job.usual:
                add(dataset, method)
    for artefact in map(artefacts.load, names):
        for dataset, method in artefact.needs(job):
            asked = {method, parse_label(method).key} & set(methods or [method])
            if asked and dataset in (datasets or [dataset]):
                add(dataset, method, 1 if artefact.one_seed else None)
    return list(runs.values())
