"""Densities of generators in the plane, a panel per method.

From the final samples of the lowest seed: a histogram smoothed with a Gaussian, its bandwidth
well below the width of a mode. Each panel has its own colour scale, as in the paper's Figure 2.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import seaborn as sns
from matplotlib import pyplot as plt
from scipy.ndimage import gaussian_filter

from benchmark.artefacts.drawing import style
from benchmark.data.mixtures import DENSITY_BINS, DENSITY_EXTENT
from benchmark.results.summary import ordered
from benchmark.results.view import Results

BANDWIDTH = {"ring": 0.02, "grid": 0.005}  # data units: a fifth and half of a mode's std
VIEW = {"ring": 1.5, "grid": 1.15}  # half-width of the panel, data units
COLUMNS = 5


def draw(results: Results, datasets: dict[str, str], stem: Path, note: str) -> list[Path]:
    """Write stem.png and .svg, of the methods with samples; nothing where none has.

    ``datasets``: those of the results, with the mixture each draws from, "ring" or "grid".
    """
    rows = []
    for dataset in datasets:
        labels = [m for m in ordered(results.methods(dataset)) if results.samples(dataset, m)]
        labels.sort(key=lambda m: m != "oracle")
        rows += [(dataset, labels[i : i + COLUMNS]) for i in range(0, len(labels), COLUMNS)]
    if not rows:
        return []
    size = style.PAGE_WIDTH / COLUMNS
    with plt.rc_context(style.RC):
        figure, axes = plt.subplots(
            len(rows),
            COLUMNS,
            figsize=(style.PAGE_WIDTH, len(rows) * (size + 0.18) + 0.3),
            squeeze=False,
            layout="constrained",
        )
        for line, (dataset, labels) in zip(axes, rows, strict=True):
            for axis in line[len(labels) :]:
                axis.set_axis_off()
            for axis, label in zip(line, labels, strict=False):
                panel(axis, datasets[dataset], results.samples(dataset, label)["counts"])
                missed = results.missed(dataset, label)
                title = style.name(label) + (f" ({missed} missed)" if missed else "")
                axis.set_title(style.plain(title), pad=2, fontsize=min(8, 160 / len(title)))
            line[0].set_ylabel(datasets[dataset])
        figure.supxlabel(style.lines(note), fontsize=6)
        paths = style.save(figure, stem)
        plt.close(figure)
    return paths


def panel(axis, mixture: str, counts: np.ndarray) -> None:
    """One density, its darkest colour at the 99.8th percentile of the occupied bins."""
    bin_width = 2 * DENSITY_EXTENT / DENSITY_BINS
    smooth = gaussian_filter(counts.astype(float), BANDWIDTH[mixture] / bin_width)
    occupied = smooth[smooth > smooth.max() * 1e-3]
    top = np.percentile(occupied, 99.8) if occupied.size else 1.0
    axis.imshow(
        smooth.T,
        origin="lower",
        extent=[-DENSITY_EXTENT, DENSITY_EXTENT] * 2,
        cmap=sns.color_palette("rocket_r", as_cmap=True),
        vmin=0,
        vmax=top,
        interpolation="bilinear",
    )
    view = VIEW[mixture]
    axis.set(xlim=(-view, view), ylim=(-view, view), xticks=[], yticks=[])
    for spine in axis.spines.values():
        spine.set(visible=True, linewidth=0.4, color="0.6")
