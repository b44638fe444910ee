"""Figure 2: densities of the data and of every method's generator, ring above, grid below."""

from __future__ import annotations

from pathlib import Path

from benchmark.artefacts import Artefact
from benchmark.artefacts.drawing import densities
from benchmark.experiments.job import Job
from benchmark.results.scale import scale_of
from benchmark.results.view import Results

MIXTURES = ("ring", "grid")


def needs(job: Job) -> list[tuple[str, str]]:
    """Every method on both datasets, as far as the preset has them."""
    datasets = [d for d in MIXTURES if d in job.preset.datasets]
    return [(dataset, method) for dataset in datasets for method in job.modules]


def draw(results: Results, job: Job) -> list[Path]:
    """figures/fig2.png and .svg, of the datasets that have runs; nothing where none has."""
    shown = {d: d for d in MIXTURES}
    return densities.draw(results, shown, results.figures / "fig2", scale_of(results, job))


ARTEFACT = Artefact(needs, draw)
