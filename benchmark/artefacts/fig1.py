"""Figure 1: JS(p, p_G) and KL(p || p_G) over the means of the 1D example, and their minima.

Both by quadrature (``metrics.toy``), the minima by BFGS from a grid of starts. JS has collapsed
local minima with both means at one mode; KL has none. fig1.csv lists every minimum with the
eigenvalues of its Hessian.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from scipy.optimize import minimize

from benchmark.artefacts import Artefact
from benchmark.artefacts.drawing import style
from benchmark.experiments.job import Job
from benchmark.results.inert import write_csv
from benchmark.results.view import Results
from metrics import toy

DIVERGENCES = {
    "JS": ("JS$(p, p_G)$", toy.js, toy.js_variation),
    "KL": (r"KL$(p\,\|\,p_G)$", toy.kl, toy.kl_variation),
}
EXTENT = 5.5  # half-width of the panels
GRID = 111  # points an axis
STARTS = np.linspace(-5, 5, 6)  # an axis; even, so that none lies on a line of symmetry but a = b
SAME = 1e-5  # minima closer than this are one


def needs(job: Job) -> list[tuple[str, str]]:
    """No runs: the figure is a computation."""
    return []


def draw(results: Results, job: Job) -> list[Path]:
    """figures/fig1.png, .svg and .csv."""
    found = pd.concat([minima(name) for name in DIVERGENCES])
    table = results.figures / "fig1.csv"
    write_csv(table, found)
    with plt.rc_context(style.RC):
        figure, axes = plt.subplots(
            1, 2, figsize=(style.PAGE_WIDTH, 3.6), sharey=True, layout="constrained"
        )
        for axis, (name, (title, value, _)) in zip(axes, DIVERGENCES.items(), strict=True):
            contours(figure, axis, value)
            mark(axis, found[found["divergence"] == name])
            axis.set(title=f"{title}, nats", xlabel="mean $a$", aspect="equal")
        axes[0].set_ylabel("mean $b$")
        figure.legend(
            *axes[0].get_legend_handles_labels(),
            loc="outside lower center",
            ncols=2,
            frameon=False,
        )
        figure.suptitle("exact: quadrature, no training", fontsize=6)
        paths = style.save(figure, results.figures / "fig1")
        plt.close(figure)
    return [*paths, table]


def minima(name: str) -> pd.DataFrame:
    """Every minimum found, the lowest first.

    Columns: divergence, a, b, nats, collapsed (both means at one mode), eigenvalue_low and
    eigenvalue_high (of the Hessian).
    """
    _, value, variation = DIVERGENCES[name]
    rows: list[dict] = []
    for start in product(STARTS, STARTS):
        solution = minimize(
            lambda means: value(*means),
            start,
            jac=lambda means: toy.slope(variation, *means),
            method="BFGS",
            options={"gtol": 1e-10},
        ).x
        low, high = np.linalg.eigvalsh(hessian(variation, solution))
        known = any(np.hypot(row["a"] - solution[0], row["b"] - solution[1]) < SAME for row in rows)
        if low > 0 and not known:  # starts on the diagonal end at saddles
            rows.append(
                {
                    "divergence": name,
                    "a": solution[0],
                    "b": solution[1],
                    "nats": float(value(*solution)),
                    "collapsed": bool(solution[0] * solution[1] > 0),
                    "eigenvalue_low": low,
                    "eigenvalue_high": high,
                }
            )
    return pd.DataFrame(rows).sort_values(["collapsed", "a"], ignore_index=True)


def hessian(variation: Callable, means: np.ndarray, h: float = 1e-4) -> np.ndarray:
    """Second derivatives (2, 2) by central differences of the gradient; error of order h^2."""
    steps = h * np.eye(2)
    rows = [toy.slope(variation, *(means + s)) - toy.slope(variation, *(means - s)) for s in steps]
    matrix = np.array(rows) / (2 * h)
    return (matrix + matrix.T) / 2


def contours(figure, axis, value: Callable) -> None:
    """Filled contours of a divergence over the means, on its own scale."""
    means = np.linspace(-EXTENT, EXTENT, GRID)
    values = np.array([value(np.full(GRID, a), means) for a in means]).T
    # Closer levels below show the shallow basins as well as the walls.
    levels = values.max() * np.linspace(0, 1, 25) ** 1.5
    filled = axis.contourf(means, means, values, levels=levels, cmap="viridis_r")
    axis.contour(means, means, values, levels=levels, colors="white", linewidths=0.3, alpha=0.6)
    figure.colorbar(filled, ax=axis, shrink=0.85, ticks=levels[::3], format="%.2g")


def mark(axis, found: pd.DataFrame) -> None:
    """Global minima as stars, collapsed ones as circles with their place and value."""
    for collapsed, marker, size, label in (
        (False, "*", 110, "global minimum"),
        (True, "o", 22, "collapsed local minimum"),
    ):
        rows = found[found["collapsed"] == collapsed]
        axis.scatter(
            rows["a"], rows["b"], marker=marker, s=size, color="#EE7733", edgecolor="black",
            linewidth=0.5, label=label, zorder=3,
        )  # fmt: skip
    for row in found[found["collapsed"] & (found["a"] < found["b"])].itertuples():
        axis.annotate(
            f"({row.a:.2f}, {row.b:.2f})\n{row.nats:.4f} nats",
            (row.a, row.b),
            xytext=(0, 14),
            textcoords="offset points",
            ha="center",
            fontsize=6.5,
        )


ARTEFACT = Artefact(needs, draw)
