"""Figure 2: densities of the data and of every method's generator, ring above, grid below.

From the final samples of the lowest seed: a histogram smoothed with a Gaussian, its bandwidth
well below the width of a mode. Each panel has its own colour scale, as in the paper.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import seaborn as sns
from matplotlib import pyplot as plt
from scipy.ndimage import gaussian_filter

from benchmark.artefacts import style
from benchmark.datasets import DENSITY_BINS, DENSITY_EXTENT
from benchmark.job import Job
from benchmark.results import Results
from benchmark.tables import ordered

BANDWIDTH = {"ring": 0.02, "grid": 0.005}  # data units: a fifth and half of a mode's std
VIEW = {"ring": 1.5, "grid": 1.15}  # half-width of the panel, data units
COLUMNS = 5


def needs(job: Job) -> list[tuple[str, str]]:
    """Every method on both datasets, as far as the preset has them."""
    datasets = [d for d in BANDWIDTH if d in job.preset.datasets]
    return [(dataset, method) for dataset in datasets for method in job.modules]


def draw(results: Results, job: Job) -> list[Path]:
    """figures/fig2.png and .svg, of the datasets that have runs; nothing where none has."""
    shown = {}
    for dataset in BANDWIDTH:
        methods = ordered(results.methods(dataset))
        methods = [m for m in methods if results.samples(dataset, m)]
        shown[dataset] = sorted(methods, key=lambda m: m != "oracle")
    panels = [
        [(dataset, m) for m in methods[i : i + COLUMNS]]
        for dataset, methods in shown.items()
        for i in range(0, len(methods), COLUMNS)
    ]
    if not panels:
        return []
    size = style.PAGE_WIDTH / COLUMNS
    with plt.rc_context(style.RC):
        figure, axes = plt.subplots(
            len(panels),
            COLUMNS,
            figsize=(style.PAGE_WIDTH, len(panels) * (size + 0.18) + 0.3),
            squeeze=False,
            layout="constrained",
        )
        for row, panel_row in zip(axes, panels, strict=True):
            for axis in row[len(panel_row) :]:
                axis.set_axis_off()
            for axis, (dataset, method) in zip(row, panel_row, strict=False):
                panel(axis, dataset, results.samples(dataset, method)["counts"])
                missed = results.missed(dataset, method)
                note = f" ({missed} missed)" if missed else ""
                axis.set_title(style.name(method) + note, pad=2)
            if panel_row:
                row[0].set_ylabel(panel_row[0][0])
        figure.supxlabel(job.scale(), fontsize=6)
        paths = style.save(figure, results.figures / "fig2")
        plt.close(figure)
    return paths


def panel(axis, dataset: str, counts: np.ndarray) -> None:
    """One density, its darkest colour at the 99.8th percentile of the occupied bins."""
    bin_width = 2 * DENSITY_EXTENT / DENSITY_BINS
    smooth = gaussian_filter(counts.astype(float), BANDWIDTH[dataset] / bin_width)
    occupied = smooth[smooth > smooth.max() * 1e-3]
    top = np.percentile(occupied, 99.8) if occupied.size else 1.0
    extent = [-DENSITY_EXTENT, DENSITY_EXTENT] * 2
    axis.imshow(
        smooth.T,
        origin="lower",
        extent=extent,
        cmap=sns.color_palette("rocket_r", as_cmap=True),
        vmin=0,
        vmax=top,
        interpolation="bilinear",
    )
    view = VIEW[dataset]
    axis.set(xlim=(-view, view), ylim=(-view, view), xticks=[], yticks=[])
    for spine in axis.spines.values():
        spine.set(visible=True, linewidth=0.4, color="0.6")
