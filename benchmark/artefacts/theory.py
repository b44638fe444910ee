"""Theory check: the unrolled gradient of Eq. 5 against the influence function's of Eq. 4.

On random small problems with the estimator at its optimum (``bilevel``): the inner
products at K = 1 that the paper reasons with below Eq. 6, the error of both gradients against
finite differences of the bilevel objective as steps are added, and, where there are runs, LBT with
either on the ring at equal time. theory.csv has the numbers over K, theory_signs.csv and theory.md
the signs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from torch import Tensor
from torch.nn.functional import cosine_similarity

from benchmark.artefacts import Artefact, bilevel, fig6
from benchmark.artefacts.drawing import style
from benchmark.core.files import write_text
from benchmark.experiments.job import Job
from benchmark.results.inert import write_csv
from benchmark.results.view import Results

HYPERGRADIENTS = {"unrolled": "lbt", "implicit": "lbt[hypergradient=implicit]"}
COLOURS = {
    "Gaussian": "#117733",
    "mixture": "#AA4499",
    "unrolled": "#CC6677",
    "implicit": "#332288",
}
INSTANCES = {"smoke": 20}  # preset -> of each family; bilevel.INSTANCES elsewhere
SIGNS = {
    r"Jacobians $\partial\phi/\partial x$": "jacobian_x",
    "gradients in $x$": "gradient_x",
    r"gradients in $\theta$": "gradient_theta",
}


def needs(job: Job) -> list[tuple[str, str]]:
    """Both hypergradients on the ring of Figure 6, where the preset has a budget for it."""
    if not job.has(fig6.DATASET):
        return []
    return [(fig6.DATASET, method) for method in HYPERGRADIENTS.values()]


def draw(results: Results, job: Job) -> list[Path]:
    """figures/theory.png, .svg, .csv and .md, and theory_signs.csv."""
    n = INSTANCES.get(job.name, bilevel.INSTANCES)
    found = {name: bilevel.gradients(name, n) for name in bilevel.FAMILIES}
    names = ("theory.csv", "theory_signs.csv", "theory.md")
    table, sign_table, text = (results.figures / name for name in names)
    write_csv(table, convergence(found))
    write_csv(sign_table, inner_products(found))
    write_text(text, markdown(found))
    with plt.rc_context(style.RC):
        figure, axes = plt.subplots(2, 3, figsize=(style.PAGE_WIDTH, 4.6), layout="constrained")
        for axis, (title, key) in zip(axes.flat, SIGNS.items(), strict=False):
            signs(axis, found, title, key)
        axes[0, 0].set_ylabel("cosine of $K=1$ and Eq. 4")
        errors(axes[1, 0], found)
        cosines(axes[1, 1], found)
        ring(axes[1, 2], results, job)
        note = f"exact: {n} random problems of each kind, no training"
        if job.has(fig6.DATASET):
            note += f"\nring: {fig6.scale(results, job)}"
        figure.suptitle(style.lines(note), fontsize=6)
        paths = style.save(figure, results.figures / "theory")
        plt.close(figure)
    return [*paths, table, sign_table, text]


def relative_error(found: Tensor, true: Tensor) -> Tensor:
    """|found - true| / |true| of each problem: (n, P), (n, P) -> (n,)."""
    return (found - true).norm(dim=1) / true.norm(dim=1)


def convergence(found: dict[str, bilevel.Gradients]) -> pd.DataFrame:
    """Every gradient in theta against finite differences, a row per number of steps.

    Columns: estimator; gradient (unrolled, cg, or Eq. 4's with the exact Hessian); steps (K, or
    Hessian-vector products; 0 for the exact one); median, 10 and 90 % quantiles of the cosine and
    of the relative error; negative, the share of problems with a negative inner product.
    """
    rows = []
    for name, g in found.items():
        every = [("exact", 0, g.exact)]
        every += [("unrolled", k, value) for k, value in g.unrolled.items()]
        every += [("cg", k, value) for k, value in g.cg.items()]
        for kind, steps, value in every:
            row = {"estimator": name, "gradient": kind, "steps": steps}
            measures = {
                "cosine": cosine_similarity(value, g.fd),
                "error": relative_error(value, g.fd),
            }
            for key, numbers in measures.items():
                low, middle, high = np.quantile(numbers, [0.1, 0.5, 0.9])
                row |= {key: middle, f"{key}_low": low, f"{key}_high": high}
            rows.append(row | {"negative": float((measures["cosine"] < 0).double().mean())})
    return pd.DataFrame(rows)


def inner_products(found: dict[str, bilevel.Gradients]) -> pd.DataFrame:
    """The inner products at K = 1, a row per estimator and product.

    Columns: estimator, product (of ``bilevel.Gradients``), problems; median and lowest cosine;
    negative, the share of problems below 0.
    """
    return pd.DataFrame(
        {
            "estimator": name,
            "product": key,
            "problems": len(value := getattr(g, key).numpy()),
            "median": np.median(value),
            "lowest": value.min(),
            "negative": np.mean(value < 0),
        }
        for name, g in found.items()
        for key in SIGNS.values()
    )


def markdown(found: dict[str, bilevel.Gradients]) -> str:
    """Signs of the inner products at K = 1, in all and by thirds of H's condition number."""
    head = ["estimator", "problems", "inner product", "median cosine", "lowest", "negative"]
    head.append("negative by thirds of the condition number")
    lines = ["K = 1 against Eq. 4, at the estimator's optimum.", ""]
    lines += [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head))]
    for name, g in found.items():
        bounds = np.quantile(g.condition, [0, 1 / 3, 2 / 3, 1])
        third = np.searchsorted(bounds[1:3], g.condition)
        for title, key in SIGNS.items():
            value = getattr(g, key).numpy()
            shares = ", ".join(
                f"{100 * np.mean(value[third == i] < 0):.0f} % "
                f"({bounds[i]:.2g} to {bounds[i + 1]:.2g})"
                for i in range(3)
            )
            cells = [name, str(len(value)), title, f"{np.median(value):.2f}", f"{value.min():.2f}"]
            cells += [f"{(value < 0).sum()} ({100 * np.mean(value < 0):.1f} %)", shares]
            lines.append(f"| {' | '.join(cells)} |")
    rejected = ", ".join(f"{name} {g.rejected}" for name, g in found.items())
    lines += ["", f"Left out, since phi* was no proper optimum: {rejected}."]
    return "\n".join(lines) + "\n"


def signs(axis, found: dict[str, bilevel.Gradients], title: str, key: str) -> None:
    """One inner product's cosine against the condition number, the share below 0 in the legend."""
    for name, g in found.items():
        value = getattr(g, key)
        share = 100 * float((value < 0).double().mean())
        axis.scatter(
            g.condition, value, s=4, color=COLOURS[name], alpha=0.5, lw=0,
            label=f"{name}: {share:.1f} % below 0",
        )  # fmt: skip
    axis.axhline(0, color="0.4", lw=0.6)
    axis.set(title=title, xscale="log", xlabel="condition number of $H$", ylim=(-1.4, 1.05))
    axis.legend(frameon=False, loc="lower left", handletextpad=0.1, borderpad=0)


def errors(axis, found: dict[str, bilevel.Gradients]) -> None:
    """Relative error against finite differences: median, and the 10 to 90 % range unrolled."""
    for name, g in found.items():
        band = {k: relative_error(v, g.fd) for k, v in g.unrolled.items()}
        low, middle, high = ([float(e.quantile(q)) for e in band.values()] for q in (0.1, 0.5, 0.9))
        axis.fill_between(list(band), low, high, color=COLOURS[name], alpha=0.12, lw=0)
        axis.plot(list(band), middle, color=COLOURS[name], label=f"{name}, unrolled")
        cg = {k: float(relative_error(v, g.fd).median()) for k, v in g.cg.items()}
        axis.plot(
            list(cg), list(cg.values()), ":", marker=".", color=COLOURS[name],
            label=f"{name}, CG",
        )  # fmt: skip
    axis.set(title="error against finite differences", xlabel="K, or CG steps")
    axis.set(xscale="log", yscale="log", ylabel="relative error", ylim=(1e-9, 3))
    axis.legend(frameon=False, loc="lower right", borderpad=0)


def cosines(axis, found: dict[str, bilevel.Gradients]) -> None:
    """Cosine of the unrolled gradient with Eq. 4's: median and 10 to 90 % range."""
    for name, g in found.items():
        band = {k: cosine_similarity(v, g.exact) for k, v in g.unrolled.items()}
        low, middle, high = ([float(c.quantile(q)) for c in band.values()] for q in (0.1, 0.5, 0.9))
        axis.fill_between(list(band), low, high, color=COLOURS[name], alpha=0.15, lw=0)
        axis.plot(list(band), middle, color=COLOURS[name], label=name)
    axis.set(title=r"unrolled against Eq. 4, in $\theta$", xlabel="K", ylabel="cosine")
    axis.set(xscale="log", ylim=(None, 1.02))


def ring(axis, results: Results, job: Job) -> None:
    """LBT with either hypergradient: the objective of Eq. 1 against seconds of training."""
    axis.set_title("LBT on the ring")
    shown = 0
    for name, method in HYPERGRADIENTS.items():
        curves = results.curves(fig6.DATASET, job.label(method), "data_iwae")
        if curves.empty:
            continue
        fig6.line(axis, results, job.label(method), "seconds", COLOURS[name], name)
        shown += 1
    if not shown:
        axis.text(0.5, 0.5, "no runs", ha="center", va="center", transform=axis.transAxes)
        axis.set(xticks=[], yticks=[])
        return
    best = fig6.data_log_density()
    axis.axhline(best, color="0.6", lw=0.8, label="data")
    fig6.dress(axis, "seconds", best)
    axis.set_ylabel("log p_E of the data (nats)")
    axis.legend(frameon=False, loc="lower right", borderpad=0)


ARTEFACT = Artefact(needs, draw)
