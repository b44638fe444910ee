"""Figure 4: samples of GAN (DCGAN) and LBT-GAN on Stacked MNIST with D of size 1 and 0.5.

The paper's point is that DCGAN's samples depend on the size of its discriminator and LBT-GAN's do
not. The first samples of the lowest seed, true to the pixel; nothing is chosen.
"""

from __future__ import annotations

from pathlib import Path

from benchmark.artefacts import Artefact
from benchmark.artefacts.drawing import sheets, style
from benchmark.artefacts.table1 import networks
from benchmark.experiments.job import Job
from benchmark.results.scale import scale_of
from benchmark.results.view import Results

METHODS, RATIOS = ("gan", "lbt_gan"), (1.0, 0.5)


def needs(job: Job) -> list[tuple[str, str]]:
    """Both methods with both sizes of D, on the preset's first Stacked MNIST."""
    return [
        (dataset, job.variant(dataset, method, d_ratio=ratio))
        for dataset in job.stacked("fig4")[:1]
        for method in METHODS
        for ratio in RATIOS
    ]


def draw(results: Results, job: Job) -> list[Path]:
    """figures/fig4.png."""
    panels = []
    for dataset in results.among(job.drawn("fig4"))[:1]:
        for method in METHODS:
            for ratio in RATIOS:
                label = job.label(job.variant(dataset, method, d_ratio=ratio))
                found = results.samples(dataset, label)
                if found:
                    words = networks(results.settings(dataset, label), label)
                    title = f"{style.image_name(method)} ({words})"
                    panels.append(sheets.Panel(title, found["samples"]))
    if not panels:
        return []
    note = f"{results.data(dataset)}; {scale_of(results, job, dataset)}"
    return sheets.save(panels, note, results.figures / "fig4", scale=2)


ARTEFACT = Artefact(needs, draw, one_seed=True)
