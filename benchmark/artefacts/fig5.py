"""Figure 5: samples of GAN (DCGAN) and LBT-GAN on CIFAR-10 and CelebA.

The first samples of the lowest seed, true to the pixel; nothing is chosen. The paper shows samples
only and calls the two comparable, its VAE being too weak for these data. FID stands above them
where the run has one (``--fid-weights``). A dataset that is not there is left out, with a line that
says what is wanted and where.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmark import data
from benchmark.artefacts import Artefact
from benchmark.artefacts.drawing import sheets, style
from benchmark.core.errors import UserError
from benchmark.experiments.job import Job
from benchmark.results.scale import scale_of
from benchmark.results.view import Results

METHODS = ("gan", "lbt_gan")


def needs(job: Job) -> list[tuple[str, str]]:
    """Both methods on whichever of the two datasets is at hand."""
    found = []
    for dataset in job.feeding("fig5"):
        try:
            data.ensure(dataset)
        except UserError as error:
            print(f"fig5: left out {data.DATASETS[dataset].name}: {error}", file=sys.stderr)
            continue
        found += [(dataset, method) for method in METHODS]
    return found


def draw(results: Results, job: Job) -> list[Path]:
    """figures/fig5.png, of the datasets that have runs."""
    panels = []
    for dataset in job.feeding("fig5"):
        for method in METHODS:
            found = results.samples(dataset, job.label(method))
            if found:
                title = f"{data.DATASETS[dataset].name}: {style.image_name(method)}"
                title += score(results, dataset, job.label(method), int(found["seed"]))
                panels.append(sheets.Panel(title, found["samples"]))
    if not panels:
        return []
    return sheets.save(
        panels,
        scale_of(results, job, *results.among(job.feeding("fig5"))),
        results.figures / "fig5",
        scale=2,
    )


def score(results: Results, dataset: str, method: str, seed: int) -> str:
    """The FID of a run and of how many images it is; nothing where it has none."""
    table = results.table
    chosen = (table["dataset"] == dataset) & (table["method"] == method) & (table["seed"] == seed)
    values = table[chosen].set_index("metric")["value"]
    if "fid" not in values:
        return ""
    sizes = f"{values['fid_samples']:,.0f} against {values['fid_reference']:,.0f}"
    return f", FID {values['fid']:.1f} ({sizes} images)"


ARTEFACT = Artefact(needs, draw, one_seed=True)
