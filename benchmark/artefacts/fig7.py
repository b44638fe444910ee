"""Figure 7: GAN and LBT-GAN on the 1D example, from the same start near -3.

The estimator is a single Gaussian N(c, 1) that cannot represent the data (appendix B). Above, with
exact expectations: gradient flow on (a, b) with the optimal discriminator D = p / (p + p_G) and
the optimal estimator c = (a + b) / 2, by quadrature. Below, by sampling: the methods ``gan`` and
``lbt_gan`` in the ordinary training loop. Either with both generator losses, which end at different
points: only the saturating one descends the JS divergence of Figure 1. fig7.csv has the end points.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from scipy.integrate import solve_ivp

from benchmark.artefacts import Artefact
from benchmark.artefacts.drawing import style
from benchmark.experiments.job import Job
from benchmark.results.inert import write_csv
from benchmark.results.names import LOOKS
from benchmark.results.scale import other_budgets
from benchmark.results.view import Results
from methods.nets import TOY_START
from metrics import toy

DATASET = "toy1d"
METHODS = ("gan", "lbt_gan")
LOSSES = {
    "saturating": ("[saturating=True]", toy.saturating_variation),
    "non-saturating": ("", toy.non_saturating_variation),
}
DASHES = {"saturating": "-", "non-saturating": (0, (3, 1.5))}
LAMBDA_G = 0.1  # paper section 5, synthetic data
FLOW_TIME = 3000.0  # step sizes times steps; the slowest rate at an end point is about 0.02
VIEW = 5.0  # half-width of the plane of means


class Trajectory(NamedTuple):
    """How the means moved. x: (T,), flow time or generator updates. means: (T, 2)."""

    x: np.ndarray
    means: np.ndarray


def needs(job: Job) -> list[tuple[str, str]]:
    """Both methods with both generator losses, where the preset has the 1D data."""
    if not job.has(DATASET):
        return []
    return [(DATASET, method + suffix) for method in METHODS for suffix, _ in LOSSES.values()]


def draw(results: Results, job: Job) -> list[Path]:
    """figures/fig7.png, .svg and .csv; without runs, the exact part alone."""
    exact = {(m, loss): [flow(m, loss)] for m in METHODS for loss in LOSSES}
    sampled = {
        (m, loss): paths
        for m in METHODS
        for loss, (suffix, _) in LOSSES.items()
        if (paths := runs(results, job.label(m + suffix)))
    }
    rows = {"exact": exact} | ({"sampled": sampled} if sampled else {})
    table = results.figures / "fig7.csv"
    write_csv(table, end_points(rows))
    with plt.rc_context(style.RC):
        figure, axes = plt.subplots(
            len(rows), 3, figsize=(style.PAGE_WIDTH, 2.2 * len(rows) + 0.6),
            squeeze=False, layout="constrained", width_ratios=[1.15, 1, 1.15],
        )  # fmt: skip
        for (name, paths), (left, middle, right) in zip(rows.items(), axes, strict=True):
            training(left, name, paths)
            plane(middle, name, paths)
            learned(right, name, paths)
        handles = [plt.Line2D([], [], color=LOOKS[m].colour) for m in METHODS]
        handles += [plt.Line2D([], [], color="0.4", ls=DASHES[loss]) for loss in LOSSES]
        names = [style.name(m) for m in METHODS] + [f"{loss} generator loss" for loss in LOSSES]
        figure.legend(handles, names, loc="outside lower center", ncols=4, frameon=False)
        scale = "exact: quadrature, no training"
        if sampled:
            budget = job.budget(DATASET)
            scale += f"; sampled: {budget.iterations:,} generator updates, batch {budget.batch}"
            scale += other_budgets(results, job, [DATASET])
        figure.suptitle(style.lines(scale), fontsize=6)
        paths = style.save(figure, results.figures / "fig7")
        plt.close(figure)
    return [*paths, table]


def flow(method: str, loss: str, start: tuple[float, float] = TOY_START) -> Trajectory:
    """Gradient flow of the means with D and E at their optima, to FLOW_TIME."""

    def velocity(_, means: np.ndarray) -> np.ndarray:
        adversarial = toy.slope(LOSSES[loss][1], *means)
        if method == "gan":
            return -adversarial
        c = means.mean()  # E_p (x - c)^2 / 2 has slope c in c, and c has slope 1/2 in either mean
        return -(c / 2 + LAMBDA_G * adversarial)

    times = np.concatenate([[0], np.geomspace(1e-2, FLOW_TIME, 400)])
    solved = solve_ivp(
        velocity, (0, FLOW_TIME), start, "LSODA", t_eval=times, rtol=1e-8, atol=1e-10
    )
    return Trajectory(solved.t, solved.y.T)


def runs(results: Results, label: str) -> list[Trajectory]:
    """The fitted means of every seed's generator during training, its last look included; of a run
    that did not complete they end in NaN. A run that was never measured has no path.
    """
    table = results.table
    rows = table[(table["dataset"] == DATASET) & (table["method"] == label)]
    found = []
    for _, run in rows.groupby("seed"):
        means = run.pivot_table(index="step", columns="metric", values="value")
        means = means.reindex(columns=["mean_low", "mean_high"]).dropna()
        if run["status"].iloc[0] != "complete":
            means.loc[run["step"].max()] = math.nan
        if len(means.dropna()):
            found.append(Trajectory(means.index.to_numpy(), means.to_numpy()))
    return found


@np.errstate(invalid="ignore")  # of a run that did not complete
def end_points(rows: dict[str, dict[tuple[str, str], list[Trajectory]]]) -> pd.DataFrame:
    """Columns: version, method, loss, run, a, b, js and kl in nats."""
    return pd.DataFrame(
        {
            "version": version,
            "method": method,
            "loss": loss,
            "run": run,
            "a": (end := path.means[-1])[0],
            "b": end[1],
            "js": float(toy.js(*end)),
            "kl": float(toy.kl(*end)),
        }
        for version, paths in rows.items()
        for (method, loss), found in paths.items()
        for run, path in enumerate(found)
    )


def training(axis, name: str, paths: dict[tuple[str, str], list[Trajectory]]) -> None:
    """Both means against time."""
    for level in toy.DATA_MEANS:
        axis.axhline(level, color="0.75", lw=0.8, zorder=0)
    for (method, loss), found in paths.items():
        for path in found:
            axis.plot(
                path.x, path.means, color=LOOKS[method].colour, ls=DASHES[loss], lw=1,
                alpha=1 / len(found) ** 0.5,
            )  # fmt: skip
    axis.set(title=f"{name}: means of the generator", ylabel="means $a$, $b$", ylim=(-4.2, 4.2))
    if name == "exact":
        axis.set(xscale="log", xlim=(1e-1, FLOW_TIME), xlabel="time of the gradient flow")
    else:
        axis.set(xlim=(0, None), xlabel="generator updates")


def plane(axis, name: str, paths: dict[tuple[str, str], list[Trajectory]]) -> None:
    """Paths of (a, b) over the contours of JS."""
    grid = np.linspace(-VIEW, VIEW, 81)
    values = np.array([toy.js(np.full(len(grid), a), grid) for a in grid]).T
    axis.contour(grid, grid, values, levels=18, colors="0.8", linewidths=0.5, zorder=0)
    for (method, loss), found in paths.items():
        for path in found:
            a, b = path.means.T
            axis.plot(a, b, color=LOOKS[method].colour, ls=DASHES[loss], lw=1)
            axis.plot(a[-1], b[-1], "o", ms=3.5, color=LOOKS[method].colour, mec="white", mew=0.4)
    axis.plot(*TOY_START, "k+", ms=5, zorder=3)
    axis.set(title=f"{name}: paths over JS", xlabel="$a$", ylabel="$b$", aspect="equal")


@np.errstate(invalid="ignore")
def learned(axis, name: str, paths: dict[tuple[str, str], list[Trajectory]]) -> None:
    """Densities at the end, of the first run, over the data's."""
    axis.fill_between(toy.X, np.exp(toy.LOG_P), color="0.88", label="data", lw=0)
    for (method, loss), found in paths.items():
        density = np.exp(toy.log_pair(*found[0].means[-1]))
        axis.plot(toy.X, density, color=LOOKS[method].colour, ls=DASHES[loss], lw=1)
    axis.legend(frameon=False, loc="upper right", handlelength=1)
    axis.set(title=f"{name}: learned density", xlabel="$x$", xlim=(-7, 7), ylim=(0, None))
    axis.set_xticks([-6, -3, 0, 3, 6])


ARTEFACT = Artefact(needs, draw)
