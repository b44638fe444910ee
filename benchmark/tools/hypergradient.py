"""LBT's hypergradient where it is used: ``python -m benchmark.tools.hypergradient``.

The theory check (``benchmark.artefacts.theory``) has small problems at the estimator's optimum.
Here LBT trains on the ring as released (a VAE, Adam with its second moment held, B = 512) and stops
at some updates. At phi after that update's M kept steps its gradient in theta is taken with K
unrolled steps, for several K, and with Eq. 4's (``hypergradient=implicit``), all on the same draws.

A gradient of one draw is mostly noise, so what is compared are expectations over draws: an inner
product of two is the mean over pairs of different draws, which noise does not bias. Errors are
jackknife standard errors. The draws are of what follows the M steps: phi is one at each update.
Writes theory_hypergradient.csv, .png and .svg beside ``theory``'s figure; ten minutes of one core.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from matplotlib import pyplot as plt
from torch import Tensor

from benchmark.artefacts.drawing import style
from benchmark.core.errors import DONE, UserError, exit_code
from benchmark.core.paths import RESULTS
from benchmark.core.run import pays
from benchmark.data.noise import Feed
from benchmark.experiments.job import Job
from benchmark.results.inert import write_csv
from benchmark.training.compile import Jit
from benchmark.training.prepare import prepare, set_up_torch
from methods import lbt
from methods.base import Batch, Spec, State

PRESET = "paper"  # whose LBT on the ring this is
SEED = 0
DRAWN = 10**9  # added to it for the draws, which training never sees
UPDATES = (0, 300, 1_000, 3_000)
STEPS = (1, 2, 3, 5, 10, 15, 30)
LONG = 60  # unrolled steps that the others are compared with
CROSS = 15  # batches of the implicit gradient's cross derivative
DRAWS = 32
COLOURS = ("#DDCC77", "#EE7733", "#CC6677", "#332288")  # from early to late
Kind = tuple[str, int]  # unrolled and K, or implicit and its Hessian-vector products
Numbers = dict[str, float]


class Teacher(NamedTuple):
    """student: of ``methods.lbt``. batches: of generated samples in one gradient."""

    student: lbt.Student
    batches: int

    def gradient(self, theta: Tensor, part: State, batch: Batch) -> Tensor:
        """In theta (P,), by the first of a batch's draws."""
        first = {name: batch[name][: self.batches] for name in ("z_unroll", "eps_unroll")}
        return self.student.teach(theta, part, batch | first)[0]


def teachers(spec: Spec, cfg: lbt.LBTConfig) -> dict[Kind, Teacher]:
    """Every gradient that is compared; last the two that it is compared with."""
    found = {}
    for k in (*STEPS, LONG):
        found["unrolled", k] = Teacher(lbt.student(spec, cfg.model_copy(update={"K": k})), k)
    other = cfg.model_copy(update={"K": CROSS, "hypergradient": "implicit"})
    found["implicit", cfg.cg_steps] = Teacher(lbt.student(spec, other), CROSS)
    return found


def numbers(gram: Tensor, a: int, references: dict[str, int]) -> Numbers:
    """What one of n gradients is, by R draws of each. gram: (n, n, R, R), their inner products.

    norm: of its expectation. signal: the expectation's share of a draw's mean squared norm. Of
    each reference: cosine, and ratio of the norms. NaN where noise hides an expectation.
    """
    draws = gram.shape[-1]
    own = gram.diagonal(dim1=2, dim2=3).sum(-1)
    expected = (gram.sum((2, 3)) - own) / (draws * (draws - 1))
    norm = [math.sqrt(square) if square > 0 else math.nan for square in expected.diag().tolist()]
    found = {"norm": norm[a], "signal": float(draws * expected[a, a] / own[a, a])}
    for name, b in references.items():
        found[f"cosine_{name}"] = float(expected[a, b]) / (norm[a] * norm[b])
        found[f"ratio_{name}"] = norm[a] / norm[b]
    return found


def with_errors(gram: Tensor, a: int, references: dict[str, int]) -> Numbers:
    """The same, each with its jackknife standard error over draws."""
    draws = gram.shape[-1]
    found = numbers(gram, a, references)
    rest = [[i for i in range(draws) if i != left] for left in range(draws)]
    without = pd.DataFrame([numbers(gram[:, :, r][..., r], a, references) for r in rest])
    errors = without.std(ddof=0) * math.sqrt(draws - 1)
    return {
        k: v for name in found for k, v in ((name, found[name]), (f"{name}_error", errors[name]))
    }


def measured(
    updates: tuple[int, ...], draws: int, batch: int | None = None
) -> Iterator[list[dict[str, Any]]]:
    """Of every update a row per gradient: update, gradient, steps, and the numbers of
    ``with_errors`` against the long unroll and the implicit gradient. batch: B; default, released.
    """
    set_up_torch()
    changed = (f"ring.batch={batch}",) if batch else ()
    (run,) = Job(PRESET, changed, seeds=(SEED,)).runs("ring", "lbt")
    method, spec, dataset = prepare(run, Jit(pays(max(updates))), native=True)
    cfg = lbt.LBTConfig(**run.settings)
    found = teachers(spec, cfg)
    long = lbt.build(spec, cfg.model_copy(update={"K": LONG, "M": 0}))  # for its draws
    drawn = Feed(long, spec, run.data, dataset, SEED + DRAWN, "cpu")
    feed = Feed(method, spec, run.data, dataset, SEED, "cpu")
    references = {"long": len(found) - 2, "implicit": len(found) - 1}
    state = method.init(SEED)
    for update in range(max(updates) + 1):
        if update in updates:
            theta = state["theta"]
            part = found["unrolled", LONG].student.learn(theta, lbt.pupil(state), feed(update))
            each = [
                torch.stack([t.gradient(theta, part, drawn(i)) for t in found.values()])
                for i in range(draws)
            ]
            flat = torch.stack(each, 1).double()  # (n, R, P)
            gram = torch.einsum("arp,bsp->abrs", flat, flat)
            yield [
                {"update": update, "gradient": kind, "steps": steps}
                | with_errors(gram, a, references)
                for a, (kind, steps) in enumerate(found)
            ]
        state, _ = method.step(state, feed(update))


TITLE = "LBT (K = 5) on the ring: expected gradients in theta, at one phi each, two errors wide"
PANELS = {  # title -> column
    f"cosine with $K={LONG}$": "cosine_long",
    "cosine with Eq. 4's": "cosine_implicit",
    f"norm, of that at $K={LONG}$": "ratio_long",
    "signal in one draw": "signal",
}


def draw(table: pd.DataFrame, stem: Path) -> list[Path]:
    """Every panel's number of the unrolled gradients over K, a line per update."""
    unrolled = table[table["gradient"] == "unrolled"]
    with plt.rc_context(style.RC):
        figure, axes = plt.subplots(
            1, len(PANELS), figsize=(style.PAGE_WIDTH, 2.5), layout="constrained"
        )
        for axis, (title, column) in zip(axes, PANELS.items(), strict=True):
            for colour, (update, rows) in zip(
                cycle(COLOURS), unrolled.groupby("update"), strict=False
            ):
                value, error = rows[column], 2 * rows[f"{column}_error"]
                axis.plot(rows["steps"], value, color=colour, label=f"{update:,} updates")
                axis.fill_between(
                    rows["steps"], value - error, value + error, color=colour, alpha=0.2, lw=0
                )
            axis.set(title=title, xlabel="K", xscale="log", xticks=[1, 5, 15, 60])
            axis.set_xticklabels(["1", "5", "15", "60"])
            axis.minorticks_off()
            axis.axhline(0, color="0.4", lw=0.6)
            axis.grid(alpha=0.25, lw=0.4)
            axis.set(ylim=(-1.05, 1.1) if column.startswith("cosine") else (0, None))
        figure.legend(
            *axes[0].get_legend_handles_labels(),
            loc="outside lower center",
            ncols=unrolled["update"].nunique(),
            frameon=False,
        )
        figure.suptitle(TITLE, fontsize=6)
        paths = style.save(figure, stem)
        plt.close(figure)
    return paths


def main(arguments: list[str] | None = None) -> int:
    """Measure, write and draw. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmark.tools.hypergradient", description="LBT's gradient in theta."
    )
    parser.add_argument("--updates", type=int, nargs="+", default=UPDATES, help="where to stop")
    parser.add_argument("--draws", type=int, default=DRAWS, help=f"default: {DRAWS}")
    parser.add_argument("--batch", type=int, help="default: the released one")
    parser.add_argument("--out", type=Path, default=RESULTS / "quick" / "figures")
    chosen = parser.parse_args(arguments)

    def command() -> int:
        if min(chosen.updates) < 0 or chosen.draws < 3:
            raise UserError("--updates must be 0 or more, --draws 3 or more")
        chosen.out.mkdir(parents=True, exist_ok=True)
        stem, rows = chosen.out / "theory_hypergradient", []
        with torch.no_grad():
            for found in measured(tuple(chosen.updates), chosen.draws, chosen.batch):
                rows += found
                write_csv(stem.with_suffix(".csv"), pd.DataFrame(rows))
                print(f"update {found[0]['update']:,} measured", flush=True)
        print(*draw(pd.DataFrame(rows), stem), sep="\n")
        return DONE

    return exit_code(command)


if __name__ == "__main__":
    sys.exit(main())
