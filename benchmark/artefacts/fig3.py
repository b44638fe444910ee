"""Figure 3: the three metrics during training, ring above, grid below.

Against generator updates (fig3) and against seconds of training (fig3_seconds). Line: mean over
seeds; band: their range. Every point uses the same number of samples; the final measurement, with
more, is in the tables. A curve ends where the first of its runs diverged.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.ticker import EngFormatter

from benchmark.artefacts import Artefact
from benchmark.artefacts.drawing import style
from benchmark.experiments.job import Job
from benchmark.results.names import role
from benchmark.results.scale import scale_of
from benchmark.results.summary import ordered
from benchmark.results.view import Results
from metrics import HEADLINES, METRICS

SHOWN = ("modes_covered", "intra_mode_kl", "high_quality_pct")  # the paper's order


def needs(job: Job) -> list[tuple[str, str]]:
    """Every method on each of the preset's mixtures."""
    return [(dataset, method) for dataset in job.feeding("fig3") for method in job.usual]


def draw(results: Results, job: Job) -> list[Path]:
    """figures/fig3 and figures/fig3_seconds, .png and .svg, of the datasets that have runs."""
    return _draw(results, job, "step", "fig3") + _draw(results, job, "seconds", "fig3_seconds")


def _draw(results: Results, job: Job, x: str, stem: str) -> list[Path]:
    found = job.feeding("fig3") + results.strangers(job)
    rows = {d: m for d in found if (m := shown(results, d))}
    datasets = list(rows)
    if not datasets:
        return []
    looks = style.looks(m for d in datasets for m in results.methods(d))
    with plt.rc_context(style.RC):
        figure, axes = plt.subplots(
            len(datasets),
            len(SHOWN),
            figsize=(style.PAGE_WIDTH, 1.9 * len(datasets) + 0.7),
            squeeze=False,
            layout="constrained",
        )
        handles = {}
        for row, dataset in zip(axes, datasets, strict=True):
            for axis in row[len(rows[dataset]) :]:
                axis.set_axis_off()
            for axis, metric in zip(row, rows[dataset], strict=False):
                for method in reversed(ordered(results.methods(dataset))):
                    curves = results.curves(dataset, method, metric)
                    if x == "seconds" and method != "oracle":  # no place for 0 on a log axis
                        curves = curves[curves["seconds"] > 0]
                    if not curves.empty:
                        handles[method] = _line(axis, method, curves, x, looks[method])
                _dress(axis, dataset, metric, x)
        order = ordered(handles)
        figure.legend(
            [handles[m] for m in order], [style.plain(style.name(m)) for m in order],
            loc="outside lower center", ncols=5, frameon=False,
        )  # fmt: skip
        figure.suptitle(style.lines(scale_of(results, job, *datasets)), fontsize=6)
        paths = style.save(figure, results.figures / stem)
        plt.close(figure)
    return paths


def shown(results: Results, dataset: str) -> list[str]:
    """The three metrics, or, of data without modes, as many that it has."""
    found = set(results.table.loc[results.table["dataset"] == dataset, "metric"])
    return [m for m in SHOWN if m in found] or [m for m in HEADLINES if m in found][: len(SHOWN)]


def _line(axis, method: str, curves: pd.DataFrame, x: str, look: dict):
    by_step = curves.groupby("step")
    # Seeds differ a little in speed; their mean time at a step is where the point belongs.
    position = by_step["seconds"].mean() if x == "seconds" else by_step["step"].first()
    value = by_step["value"]
    if method == "oracle":
        return axis.axhline(
            value.mean().iloc[-1], color=look["color"], lw=0.8, ls=(0, (4, 2)), zorder=1
        )
    ours = role(method) == "ours"
    axis.fill_between(position, value.min(), value.max(), color=look["color"], alpha=0.15, lw=0)
    (line,) = axis.plot(
        position, value.mean(), **look, lw=1.6 if ours else 1.0, zorder=3 if ours else 2
    )
    return line


def _dress(axis, dataset: str, metric: str, x: str) -> None:
    axis.set_title(f"{dataset}: {METRICS[metric].label}")
    axis.set_xlabel("generator updates" if x == "step" else "seconds of training")
    if x == "step":
        axis.set_xlim(left=0)
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    elif axis.collections:  # methods differ in cost by a factor of 20
        axis.set_xscale("log")
    if METRICS[metric].log:
        drawn = axis.dataLim.intervaly[1] > 0  # not where every value is NaN
        axis.set_yscale("log" if drawn else "linear")
    else:
        axis.set_ylim(bottom=0)
    axis.grid(alpha=0.25, lw=0.4)


ARTEFACT = Artefact(needs, draw)
