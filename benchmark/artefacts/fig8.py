"""Figure 8: LBT-GAN taught through a VAE of 20-20 hidden units, and samples of that VAE.

The paper's point is that an estimator too small to model the data still helps the generator
(appendix B). The first samples of the lowest seed, true to the pixel; the VAE's are its means.
"""

from __future__ import annotations

from pathlib import Path

from benchmark.artefacts import Artefact
from benchmark.artefacts.drawing import sheets
from benchmark.experiments.job import Job
from benchmark.results.scale import scale_of
from benchmark.results.view import Results

HIDDEN = "20-20"


def needs(job: Job) -> list[tuple[str, str]]:
    """LBT-GAN with the small VAE, on the preset's first Stacked MNIST."""
    return [
        (dataset, job.variant(dataset, "lbt_gan", hidden=HIDDEN))
        for dataset in job.stacked("fig8")[:1]
    ]


def draw(results: Results, job: Job) -> list[Path]:
    """figures/fig8.png."""
    for dataset in results.among(job.drawn("fig8"))[:1]:
        label = job.label(job.variant(dataset, "lbt_gan", hidden=HIDDEN))
        found = results.samples(dataset, label)
        if found:
            panels = [
                sheets.Panel("LBT-GAN with a 20-20 VAE", found["samples"]),
                sheets.Panel("that VAE", found["estimator_samples"]),
            ]
            note = f"{results.data(dataset)}; {scale_of(results, job, dataset)}"
            return sheets.save(panels, note, results.figures / "fig8", scale=2)
    return []


ARTEFACT = Artefact(needs, draw, one_seed=True)
