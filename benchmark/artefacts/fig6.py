"""Figure 6: the objective of Eq. 1 while LBT trains on the ring, for several K and M.

E_p[log p_E(x; phi)] under E as trained, that is with phi after the M kept updates of the last
iteration, on data of a stream of its own. Lines: importance-weighted bound; dots: ELBO of the same
draws (``methods.estimators.probe``). Mean over seeds; the band is the range of the former. Above
against generator updates, as in the paper; below against seconds of training, the trade-off it
leaves out. No E can exceed the data's own mean log-density, the grey line. fig6.csv has the last
values and each variant's difference to K = 5, M = 15 over paired seeds.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.ticker import EngFormatter

from benchmark.artefacts import Artefact
from benchmark.artefacts.drawing import style
from benchmark.data import load
from benchmark.data.noise import draw as normals
from benchmark.experiments.job import Job
from benchmark.results.inert import write_csv
from benchmark.results.scale import other_budgets, unlike_clocks
from benchmark.results.summary import final
from benchmark.results.view import Results
from metrics import METRICS
from metrics.intervals import t_interval

DATASET = "ring_unrolling"  # the ring, with a budget of its own
VARIANTS = {  # panel -> value -> method; appendix A, where the defaults are K = 5 and M = 15
    "K": {1: "lbt[K=1]", 3: "lbt[K=3]", 5: "lbt", 15: "lbt[K=15]"},
    "M": {5: "lbt[M=5]", 10: "lbt[M=10]", 15: "lbt", 50: "lbt[M=50]"},
}
FIXED = {"K": "M = 15", "M": "K = 5"}
DEFAULT = "lbt"
BOUNDS = {"data_iwae": "-", "data_elbo": ":"}
COLOURS = ("#DDCC77", "#EE7733", "#CC6677", "#332288")  # from few steps to many
RANGE = 6.0  # nats shown below the data's own mean log-density


def needs(job: Job) -> list[tuple[str, str]]:
    """Every K at M = 15 and every M at K = 5, where the preset has a budget for them."""
    if not job.has(DATASET):
        return []
    methods = (method for panel in VARIANTS.values() for method in panel.values())
    return [(DATASET, method) for method in dict.fromkeys(methods)]


def draw(results: Results, job: Job) -> list[Path]:
    """figures/fig6.png, .svg and .csv; nothing without runs, or a preset's budget for them."""
    if not job.has(DATASET) or not results.among([DATASET]):
        return []
    table = results.figures / "fig6.csv"
    write_csv(table, summary(results, job))
    best = data_log_density()
    with plt.rc_context(style.RC):
        figure, axes = plt.subplots(
            2, 2, figsize=(style.PAGE_WIDTH, 5.0), sharey=True, layout="constrained"
        )
        for row, x in zip(axes, ("step", "seconds"), strict=True):
            for axis, (name, methods) in zip(row, VARIANTS.items(), strict=True):
                axis.axhline(best, color="0.6", lw=0.8, label="data" if x == "step" else None)
                for colour, (value, method) in zip(COLOURS, methods.items(), strict=True):
                    line(axis, results, job.label(method), x, colour, f"{name} = {value}")
                dress(axis, x, best)
            row[0].set_ylabel("log p_E of the data (nats)")
        for axis, name in zip(axes[0], VARIANTS, strict=True):
            axis.set_title(f"ring: {name} at {FIXED[name]}")
            axis.legend(frameon=False, ncols=2, loc="lower right")
        figure.suptitle(style.lines(scale(results, job)), fontsize=6)
        paths = style.save(figure, results.figures / "fig6")
        plt.close(figure)
    return [*paths, table]


def scale(results: Results, job: Job) -> str:
    """The budget of this figure, which is not that of the preset's ring."""
    budget = job.budget(DATASET)
    seeds = results.table.loc[results.table["dataset"] == DATASET, "seed"].nunique()
    share = 100 * budget.iterations / 1_000_000  # authors' code
    return (
        f"{budget.iterations:,} generator updates ({share:.2g} % of the released "
        f"number), batch {budget.batch}, {seeds} seeds; solid: importance-weighted bound, "
        f"dotted: ELBO{other_budgets(results, job, [DATASET])}{unlike_clocks(results, [DATASET])}"
    )


def data_log_density(n: int = 200_000) -> float:
    """E_p[log p(x)] of the ring, nats: what no estimator exceeds. Standard error 1 / sqrt(n)."""
    data = load("ring")
    modes = data.modes
    x = data.push(normals(0, "ring", "log-density", 0, (n, 3))).double().numpy()
    centers = modes.centers.double().numpy()
    squares = ((x[:, None] - centers) ** 2).sum(-1) / modes.std**2
    log_norm = math.log(2 * math.pi * modes.std**2 * len(centers))
    return float(np.logaddexp.reduce(-squares / 2, axis=1).mean() - log_norm)


def line(axis, results: Results, label: str, x: str, colour: str, name: str) -> None:
    """Both bounds of one variant, where it has runs."""
    for bound, dash in BOUNDS.items():
        curves = results.curves(DATASET, label, bound)
        if x == "seconds":  # no place for 0 on a log axis
            curves = curves[curves["seconds"] > 0]
        by_step = curves.groupby("step")
        if not len(by_step):
            return
        place = by_step["seconds"].mean() if x == "seconds" else by_step["step"].first()
        value = by_step["value"]
        first = bound == "data_iwae"
        axis.plot(
            place, value.mean(), color=colour, ls=dash, lw=1.3 if first else 0.9,
            label=name if first else None,
        )  # fmt: skip
        if first:
            axis.fill_between(place, value.min(), value.max(), color=colour, alpha=0.15, lw=0)


def dress(axis, x: str, best: float) -> None:
    """Axes: the untrained E, hundreds of nats below, is out of sight."""
    axis.set(ylim=(best - RANGE, best + 0.3))
    if x == "step":
        axis.set(xlim=(0, None), xlabel="generator updates")
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    else:
        axis.set(xlabel="seconds of training")
        if len(axis.lines) > 1:  # variants differ in cost by a factor of ten
            axis.set_xscale("log")
    axis.grid(alpha=0.25, lw=0.4)


def summary(results: Results, job: Job) -> pd.DataFrame:
    """Last values of every variant, over seeds.

    Columns: variant, bound, mean, low, high (95 % Student t); difference, difference_low,
    difference_high (to DEFAULT, over seeds that both have: equal seeds see equal data and start
    alike); seeds, missed (diverged or failed runs), seconds_per_1000_updates.
    """
    table = results.table
    table = table[table["dataset"] == DATASET]
    rows = []
    for method in dict.fromkeys(m for panel in VARIANTS.values() for m in panel.values()):
        runs = table[table["method"] == job.label(method)]
        if runs.empty:
            continue
        for bound in BOUNDS:
            ours, base = (last(table, job.label(m), bound) for m in (method, DEFAULT))
            mean, low, high = t_interval(ours)
            both = (ours - base).dropna()
            gap = t_interval(both) if len(both) else (math.nan,) * 3
            rows.append(
                {
                    "variant": job.label(method),
                    "bound": bound,
                    "mean": mean,
                    "low": low,
                    "high": high,
                    "difference": gap[0],
                    "difference_low": gap[1],
                    "difference_high": gap[2],
                    "seeds": len(ours),
                    "missed": results.missed(DATASET, job.label(method)),
                    "seconds_per_1000_updates": 1e3
                    * (runs["train_seconds"].mean() / runs["step"].max()),
                }
            )
    return pd.DataFrame(rows)


def last(table: pd.DataFrame, label: str, metric: str) -> pd.Series:
    """A metric's last value by seed; the worst of a run that did not complete."""
    runs = table[table["method"] == label].groupby("seed")
    values = {seed: final(run, metric, METRICS[metric].miss) for seed, run in runs}
    return pd.Series(values, dtype=float).dropna()


ARTEFACT = Artefact(needs, draw)
