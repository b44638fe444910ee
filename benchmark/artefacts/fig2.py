"""Figure 2: densities of the data and of every method's generator, a row per dataset."""

from __future__ import annotations

from pathlib import Path

from benchmark.artefacts import Artefact
from benchmark.artefacts.drawing import densities
from benchmark.experiments.job import Job
from benchmark.results.scale import scale_of
from benchmark.results.view import Results


def needs(job: Job) -> list[tuple[str, str]]:
    """Every method on each of the preset's mixtures."""
    return [(dataset, method) for dataset in job.feeding("fig2") for method in job.usual]


def draw(results: Results, job: Job) -> list[Path]:
    """figures/fig2.png and .svg, of the datasets that have runs; nothing where none has."""
    shown = {d: job.budget(d).data for d in job.feeding("fig2")}
    shown |= {d: d for d in results.strangers(job)}
    note = scale_of(results, job, *results.among(shown))
    return densities.draw(results, shown, results.figures / "fig2", note, job.data)


ARTEFACT = Artefact(needs, draw)
