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
from benchmark.results.summary import ordered
from benchmark.results.view import Results

# Half-width of the histogram and of what is shown of it, and bandwidth, data units, of samples that
# do not say: they are older than these were kept with them.
OLDER = {"ring": (1.5, 1.5, 0.02), "grid": (1.5, 1.15, 0.005)}
COLUMNS = 5


def draw(results: Results, datasets: dict[str, str], stem: Path, note: str) -> list[Path]:
    """Write stem.png and .svg, of the methods with samples; nothing where none has.

    ``datasets``: those of the results, with the data each draws from.
    """
    rows = []
    for dataset in datasets:
        labels = [m for m in ordered(results.methods(dataset)) if drawable(results, dataset, m)]
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
                panel(axis, datasets[dataset], results.samples(dataset, label))
                missed = results.missed(dataset, label)
                title = style.name(label) + (f" ({missed} missed)" if missed else "")
                axis.set_title(style.plain(title), pad=2, fontsize=min(8, 160 / len(title)))
            line[0].set_ylabel(datasets[dataset])
        figure.supxlabel(style.lines(note), fontsize=6)
        paths = style.save(figure, stem)
        plt.close(figure)
    return paths


def drawable(results: Results, dataset: str, label: str) -> bool:
    """Whether samples of a method are kept as a histogram in the plane."""
    kept = results.samples(dataset, label) or {}
    return "extent" in kept or ("counts" in kept and results.data(dataset) in OLDER)


def panel(axis, data: str, kept: dict[str, np.ndarray]) -> None:
    """One density, its darkest colour at the 99.8th percentile of the occupied bins."""
    counts = kept["counts"].astype(float)
    if "extent" in kept:
        extent, bandwidth = float(kept["extent"]), float(kept["bandwidth"])
        view = extent
    else:
        extent, view, bandwidth = OLDER[data]
    smooth = gaussian_filter(counts, bandwidth * len(counts) / (2 * extent))
    occupied = smooth[smooth > smooth.max() * 1e-3]
    top = np.percentile(occupied, 99.8) if occupied.size else 1.0
    axis.imshow(
        smooth.T,
        origin="lower",
        extent=[-extent, extent] * 2,
        cmap=sns.color_palette("rocket_r", as_cmap=True),
        vmin=0,
        vmax=top,
        interpolation="bilinear",
    )
    axis.set(xlim=(-view, view), ylim=(-view, view), xticks=[], yticks=[])
    for spine in axis.spines.values():
        spine.set(visible=True, linewidth=0.4, color="0.6")
