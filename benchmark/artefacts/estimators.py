"""Estimators: LBT with other explicit densities than the VAE, teacher and student apart.

Not a figure of the paper, but of its outlook: "more powerful estimators" (section 6). Colour: the
estimator, and what was changed of it or of its training. Solid: LBT with it; dashed: LBT-GAN with
it; dotted: the estimator alone, trained on the data; grey: the competitors, their seeds thin. Above
against generator updates, below against seconds of training; line: mean over seeds, band: their
range. Densities of the generators stand in a figure of their own. estimators.csv has the final
values.

Runs: the methods listed under ``updates`` of the experiments that feed it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import cycle
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import EngFormatter, NullFormatter

from benchmark.artefacts import Artefact
from benchmark.artefacts.drawing import densities, style
from benchmark.data import DATASETS
from benchmark.experiments.job import Job
from benchmark.results.inert import write_csv
from benchmark.results.names import key
from benchmark.results.scale import scale_of
from benchmark.results.summary import ordered
from benchmark.results.view import Results
from metrics import METRICS
from metrics.stacked_mnist import uniform_modes

SHOWN = ("modes_covered", "high_quality_pct", "intra_mode_kl", "smnist_modes", "smnist_kl")
FALLING = ("intra_mode_kl", "smnist_kl")  # on a log axis
TEACHERS = {"lbt": "-", "lbt_gan": (0, (4, 1.5)), "vae": (0, (1, 1))}
WORDS = {"tuned": "searched", "learned": "learned variance", "weighted": "tighter bound"}
COLOURS = {  # of what the legend says, in its order
    "vae": "#CC6677",
    "vae, searched": "#882255",
    "vae, learned variance": "#DDAA33",
    "vae, tighter bound": "#EE7733",
    "conv_vae": "#88CCEE",
    "pixelcnn": "#999933",
    "flow": "#117733",
    "mog": "#332288",
}
OTHERS = ("#0099DD", "#CC33AA", "#44AA99", "#BBCC33", "#885522", "#000000")  # what else there is
RIVAL = "0.6"
WIDE, HIGH = 0.25, 0.055  # what the name of a line takes, shares of an axis


def needs(job: Job) -> list[tuple[str, str]]:
    """What the preset lists; nothing of Stacked MNIST where MNIST cannot be had."""
    names = [d for d in entries(job) if not DATASETS[job.budget(d).data].instead or job.mnist()]
    return [(d, method) for d in names for method in job.budget(d).updates]


def entries(job: Job) -> list[str]:
    """The preset's datasets of this artefact."""
    return job.feeding("estimators")


def draw(results: Results, job: Job) -> list[Path]:
    """figures/estimators_<dataset>.png and .svg each, the same with _density in the plane, and
    estimators.csv over all.
    """
    paths = []
    for dataset in entries(job):
        if results.methods(dataset):
            stem = results.figures / dataset
            paths += _figure(results, job, dataset, stem)
            data = job.budget(dataset).data
            if job.data[data].family == "plane":
                stem = stem.with_name(stem.name + "_density")
                note = scale_of(results, job, dataset)
                paths += densities.draw(results, {dataset: data}, stem, note)
    if paths:
        table = results.figures / "estimators.csv"
        write_csv(table, summary(results, entries(job)))
        paths.append(table)
    return paths


def estimator(results: Results, dataset: str, label: str) -> str | None:
    """The estimator of a method's runs; None of a competitor."""
    if key(label) not in TEACHERS:
        return None
    return results.settings(dataset, label).get("estimator")


def variant(label: str) -> str:
    """The name of a label's variant, as in ``variants.yaml``; empty without one."""
    first = _brackets(label)[0]
    return "" if "=" in first else first


def words(results: Results, dataset: str, label: str) -> str | None:
    """What the legend says of a method's estimator: ``vae, searched``; None of a competitor."""
    chosen = estimator(results, dataset, label)
    if chosen is None:
        return None
    first, *changed = _brackets(label)
    own = [] if chosen.startswith(first) else [WORDS.get(first, first)]  # mog is all that mog says
    return ", ".join([chosen, *own, *changed])


def _brackets(label: str) -> list[str]:
    return label.partition("[")[2].removesuffix("]").split(",")


def summary(results: Results, datasets: list[str]) -> pd.DataFrame:
    """Final values over seeds. Columns: dataset; estimator, NaN for a competitor; variant, NaN for
    none; method, metric, mean, low, high (95 % Student t), n, missed, steps, seconds.
    """
    table = results.summary
    table = table[table["dataset"].isin(datasets) & table["metric"].isin(SHOWN)].copy()
    pairs = list(zip(table["dataset"], table["method"], strict=True))
    found = {pair: estimator(results, *pair) for pair in set(pairs)}
    table.insert(1, "estimator", [found[pair] or math.nan for pair in pairs])
    table.insert(2, "variant", [variant(label) or math.nan for _, label in pairs])
    return table


def _figure(results: Results, job: Job, dataset: str, stem: Path) -> list[Path]:
    labels = ordered(results.methods(dataset))
    found = results.table[results.table["dataset"] == dataset]["metric"].unique()
    metrics = [m for m in SHOWN if m in found]
    kinds = {label: words(results, dataset, label) for label in labels}
    colours = palette(kind for kind in kinds.values() if kind)
    with plt.rc_context(style.RC):
        figure, axes = plt.subplots(
            2, len(metrics), figsize=(style.PAGE_WIDTH, 4.6), squeeze=False, layout="constrained"
        )
        for row, x in zip(axes, ("step", "seconds"), strict=True):
            for axis, metric in zip(row, metrics, strict=True):
                ends = []
                for label in reversed(labels):
                    curves = results.curves(dataset, label, metric)
                    dash = TEACHERS.get(key(label), "-")
                    end = _line(axis, curves, x, colours.get(kinds[label]), dash)
                    if end and not kinds[label]:
                        star = "*" if _brackets(label)[1:] else ""
                        ends.append((style.name(key(label)) + star, end))
                if metric == "smnist_modes":
                    _ceiling(axis, results.recorded_budget(dataset, labels[0]))
                _dress(axis, metric, x)
                _names(axis, ends)
        figure.legend(
            handles=_legend(colours, labels), loc="outside lower center", ncols=4, frameon=False
        )
        data = job.budget(dataset).data
        note = f"{data}; {scale_of(results, job, dataset)}"
        figure.suptitle(style.lines(note), fontsize=6)
        paths = style.save(figure, stem)
        plt.close(figure)
    return paths


def _ceiling(axis, budget: dict[str, Any]) -> None:
    """What a perfect generator has in so few samples, where curves come near it."""
    most = uniform_modes(budget.get("eval_samples", 0))
    if most < 2 * axis.get_ylim()[1]:
        axis.axhline(most, color="0.6", lw=0.8, zorder=1)


def palette(kinds: Iterable[str]) -> dict[str, str]:
    """A colour for everything that the legend says of estimators, in its order."""
    kinds = sorted(set(kinds))
    known = {kind: colour for kind, colour in COLOURS.items() if kind in kinds}
    others = [kind for kind in kinds if kind not in known]
    return known | dict(zip(others, cycle(OTHERS), strict=False))


def _line(
    axis, curves: pd.DataFrame, x: str, colour: str | None, dash: Any
) -> tuple[float, float] | None:
    """A method's curve, the mean over seeds, with the band of their range; of a competitor, which
    has no colour, with its seeds as thin lines. Returns its end.
    """
    if x == "seconds":  # no place for 0 on a log axis
        curves = curves[curves["seconds"] > 0]
    if curves.empty:
        return None
    by_step = curves.groupby("step")
    place = by_step["seconds"].mean() if x == "seconds" else by_step["step"].first()
    value = by_step["value"]
    mean = value.mean()
    axis.plot(place, mean, color=colour or RIVAL, ls=dash, lw=1.3 if colour else 0.8)
    if colour:
        axis.fill_between(place, value.min(), value.max(), color=colour, alpha=0.12, lw=0)
    else:
        for _, run in curves.groupby("seed"):
            axis.plot(run[x], run["value"], color=RIVAL, lw=0.4, alpha=0.5, zorder=1)
    return place.iloc[-1], mean.iloc[-1]


def _names(axis, ends: list[tuple[str, tuple[float, float]]]) -> None:
    """Names behind the finite ends of lines, moved down where one would stand in another."""
    to_axis = (axis.transData + axis.transAxes.inverted()).transform
    found = [(*to_axis(end), name) for name, end in ends]
    placed: list[tuple[float, float]] = []
    for x, y, name in sorted((f for f in found if math.isfinite(f[1])), key=lambda f: -f[1]):
        for other_x, other_y in placed:
            if abs(x - other_x) < WIDE and y > other_y - HIGH:
                y = other_y - HIGH
        placed.append((x, y))
        axis.annotate(
            name, (x, y), xycoords="axes fraction", fontsize=4.5, color="0.4",
            xytext=(2, 0), textcoords="offset points", va="center", in_layout=False,
            path_effects=[withStroke(linewidth=1.2, foreground="w")],
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
    keys = {key(label) for label in labels}
    lines += [
        Line2D([], [], color="k", ls=dash, label=names[key])
        for key, dash in TEACHERS.items()
        if key in keys
    ]
    rivals = [label for label in labels if key(label) not in TEACHERS]
    if rivals:
        further = {change for label in rivals for change in _brackets(label)[1:]}
        note = f"*: {', '.join(sorted(further))}" if further else "thin: each seed"
        text = f"competitors ({note})"
        lines.append(Line2D([], [], color=RIVAL, label=text))
    return lines


ARTEFACT = Artefact(needs, draw)
