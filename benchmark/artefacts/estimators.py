"""Estimators: LBT with other explicit densities than the VAE, teacher and student apart.

Not a figure of the paper, but of its outlook: "more powerful estimators" (section 6). Colour: the
estimator. Solid: LBT with it; dashed: LBT-GAN with it; dotted: the estimator alone, trained on the
data; grey: the competitors. Above against generator updates, below against seconds of training;
line: mean over seeds, band: their range. Densities of the generators stand in a figure of their
own. estimators.csv has the final values.

Runs: the methods that a preset lists under ``updates`` of its datasets named ``students_...``.
"""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, NullFormatter

from benchmark.artefacts import densities, style
from benchmark.config import STAND_INS, STUDENTS
from benchmark.job import Job
from benchmark.results import Results
from benchmark.tables import ordered, write_csv
from metrics import METRICS

SHOWN = ("modes_covered", "high_quality_pct", "intra_mode_kl", "smnist_modes", "smnist_kl")
FALLING = ("intra_mode_kl", "smnist_kl")  # on a log axis
TEACHERS = {"lbt": "-", "lbt_gan": (0, (4, 1.5)), "vae": (0, (1, 1))}
PAPER = "vae"  # the estimator of a method without a variant
COLOURS = {
    "vae": "#CC6677",
    "tuned": "#CC6677",  # the same estimator
    "learned": "#AA4499",
    "weighted": "#EE7733",
    "mog": "#332288",
    "flow": "#117733",
    "conv": "#88CCEE",
    "pixelcnn": "#999933",
}
RIVAL = "0.6"


def needs(job: Job) -> list[tuple[str, str]]:
    """What the preset lists; nothing of Stacked MNIST where MNIST cannot be had."""
    names = [d for d in entries(job) if job.budget(d).data not in STAND_INS or job.mnist()]
    return [(d, method) for d in names for method in job.budget(d).updates]


def entries(job: Job) -> list[str]:
    """The preset's datasets of this artefact."""
    return [name for name in job.preset.datasets if name.startswith(STUDENTS)]


def draw(results: Results, job: Job) -> list[Path]:
    """figures/estimators_<dataset>.png and .svg each, the same with _density in the plane, and
    estimators.csv over all.
    """
    paths = []
    for dataset in entries(job):
        if results.methods(dataset):
            stem = results.figures / f"estimators_{dataset.removeprefix(STUDENTS)}"
            paths += _figure(results, job, dataset, stem)
            mixture = job.budget(dataset).data
            if mixture in densities.VIEW:
                stem = stem.with_name(stem.name + "_density")
                paths += densities.draw(results, {dataset: mixture}, stem, job.scale(dataset))
    if paths:
        table = results.figures / "estimators.csv"
        write_csv(table, summary(results, entries(job)))
        paths.append(table)
    return paths


def estimator(label: str) -> str | None:
    """The estimator of a method's label, as its variant names it; None for one without."""
    if style.key(label) not in TEACHERS:
        return None
    return label.partition("[")[2].removesuffix("]").partition(",")[0] or PAPER


def summary(results: Results, datasets: list[str]) -> pd.DataFrame:
    """Final values over seeds. Columns: dataset, estimator, method, metric, mean, low, high (95 %
    Student t), n, missed, steps, seconds; estimator NaN for a competitor.
    """
    table = results.summary
    table = table[table["dataset"].isin(datasets) & table["metric"].isin(SHOWN)].copy()
    table.insert(1, "estimator", [estimator(label) or math.nan for label in table["method"]])
    return table


def _figure(results: Results, job: Job, dataset: str, stem: Path) -> list[Path]:
    labels = ordered(results.methods(dataset))
    found = results.table[results.table["dataset"] == dataset]["metric"].unique()
    metrics = [m for m in SHOWN if m in found]
    kinds = [e for e in dict.fromkeys(map(estimator, labels)) if e]
    spare = iter(style.SPARE * len(kinds))
    colours = {kind: COLOURS.get(kind) or next(spare) for kind in kinds}
    with plt.rc_context(style.RC):
        figure, axes = plt.subplots(
            2, len(metrics), figsize=(style.PAGE_WIDTH, 4.6), squeeze=False, layout="constrained"
        )
        for row, x in zip(axes, ("step", "seconds"), strict=True):
            for axis, metric in zip(row, metrics, strict=True):
                for label in reversed(labels):
                    _line(axis, results.curves(dataset, label, metric), x, label, colours)
                _dress(axis, metric, x)
        figure.legend(
            handles=_legend(colours, labels), loc="outside lower center", ncols=6, frameon=False
        )
        data = job.budget(dataset).data
        figure.suptitle(f"{data}; {job.scale(dataset)}", fontsize=6)
        paths = style.save(figure, stem)
        plt.close(figure)
    return paths


def _line(axis, curves: pd.DataFrame, x: str, label: str, colours: dict[str, str]) -> None:
    if x == "seconds":  # no place for 0 on a log axis
        curves = curves[curves["seconds"] > 0]
    if curves.empty:
        return
    kind = estimator(label)
    colour = colours.get(kind, RIVAL)
    dash = TEACHERS.get(style.key(label), "-")
    by_step = curves.groupby("step")
    place = by_step["seconds"].mean() if x == "seconds" else by_step["step"].first()
    value = by_step["value"]
    axis.plot(place, value.mean(), color=colour, ls=dash, lw=1.3 if kind else 0.8)
    if kind:
        axis.fill_between(place, value.min(), value.max(), color=colour, alpha=0.12, lw=0)
    else:
        place, height = place.iloc[-1], value.mean().iloc[-1]
        axis.annotate(
            style.name(style.key(label)), (place, height), fontsize=4.5, color="0.4",
            xytext=(2, 0), textcoords="offset points", va="center", in_layout=False,
        )  # fmt: skip


def _dress(axis, metric: str, x: str) -> None:
    axis.set_title(METRICS[metric].label)
    axis.margins(x=0.2)  # room for the names at the ends of lines
    axis.set_xlabel("updates" if x == "step" else "seconds of training")
    if x == "step":
        axis.set_xlim(left=0)
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    elif axis.lines:
        axis.set_xscale("log")
        axis.xaxis.set_minor_formatter(NullFormatter())
    if metric in FALLING:
        axis.set_yscale("log")
    else:
        axis.set_ylim(bottom=0)
    axis.grid(alpha=0.25, lw=0.4)


def _legend(colours: dict[str, str], labels: list[str]) -> list[Line2D]:
    names = {"lbt": "LBT", "lbt_gan": "LBT-GAN", "vae": "the estimator on data"}
    lines = [Line2D([], [], color=colour, label=kind) for kind, colour in colours.items()]
    keys = {style.key(label) for label in labels}
    lines += [
        Line2D([], [], color="k", ls=dash, label=names[key])
        for key, dash in TEACHERS.items()
        if key in keys
    ]
    if keys - TEACHERS.keys():
        lines.append(Line2D([], [], color=RIVAL, label="competitors"))
    return lines
