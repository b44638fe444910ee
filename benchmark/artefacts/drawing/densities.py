"""Densities of generators in the plane, a panel per method.

From the final samples of the lowest seed: a histogram smoothed with a Gaussian, its bandwidth
well below the width of a mode. Each panel has its own colour scale, as in the paper's Figure 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import seaborn as sns
from matplotlib import pyplot as plt
from scipy.ndimage import gaussian_filter

from benchmark.artefacts.drawing import style
from benchmark.data import Entry, load
from benchmark.data.noise import draw as normals
from benchmark.results.summary import ordered
from benchmark.results.view import Results

# Half-width of the histogram and of what is shown of it, and bandwidth, data units, of samples that
# do not say: they are older than these were kept with them.
OLDER = {"ring": (1.5, 1.5, 0.02), "grid": (1.5, 1.15, 0.005)}
COLUMNS = 5
POINTS = 100_000  # of the data, where no run drew them


class Panel(NamedTuple):
    """A density. kept: as ``samples.npz`` has it."""

    title: str
    kept: dict[str, np.ndarray]


def draw(
    results: Results,
    datasets: dict[str, str],
    stem: Path,
    note: str,
    sources: Mapping[str, Entry] = MappingProxyType({}),
) -> list[Path]:
    """Write stem.png and .svg, of the methods with samples; nothing where none has.

    ``datasets``: those of the results, with the data each draws from. ``sources``: of data that are
    drawn themselves, where no run is of them.
    """
    rows = []
    for dataset, data in datasets.items():
        found = _panels(results, dataset, sources.get(data))
        rows += [(data, found[i : i + COLUMNS]) for i in range(0, len(found), COLUMNS)]
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
        for line, (data, found) in zip(axes, rows, strict=True):
            for axis in line[len(found) :]:
                axis.set_axis_off()
            for axis, (title, kept) in zip(line, found, strict=False):
                panel(axis, data, kept)
                axis.set_title(style.plain(title), pad=2, fontsize=min(8, 160 / len(title)))
            line[0].set_ylabel(data)
        figure.supxlabel(style.lines(note), fontsize=6)
        paths = style.save(figure, stem)
        plt.close(figure)
    return paths


def _panels(results: Results, dataset: str, source: Entry | None) -> list[Panel]:
    """The data first, then every method with samples; none without such a method."""
    labels = [m for m in ordered(results.methods(dataset)) if drawable(results, dataset, m)]
    labels.sort(key=lambda m: m != "oracle")
    found = []
    for label in labels:
        missed = results.missed(dataset, label)
        title = style.name(label) + (f" ({missed} missed)" if missed else "")
        found.append(Panel(title, results.samples(dataset, label)))
    if found and source and "oracle" not in labels:
        found.insert(0, Panel(style.name("oracle"), real(results.data(dataset), source)))
    return found


def real(data: str, source: Entry) -> dict[str, np.ndarray]:
    """Points of the data, kept as a method's samples are."""
    dataset = load(data, plugin=source.module)
    return dataset.keep(dataset.push(normals(0, data, "evaluation", 0, (POINTS, dataset.push_dim))))


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
