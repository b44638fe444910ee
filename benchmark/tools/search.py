"""Search for settings: ``python -m benchmark.tools.search``, the same number of trials and the same
seconds of training for every method, recorded as data.

Reads ``searches.yaml``: subjects, each a method or variant with choices for its settings. Trial 0
is the method as its own authors have it, the variant ``[authors]``, where there is one; else as it
is by default, which for LBT, GAN, LSGAN and Unrolled GAN is the paper's; or the variant without
what was found for a dataset. The others draw every setting at random, a subject's on every dataset
alike. A trial trains one seed on one thread for a fixed processor time (compilation and evaluation
excluded; what else the machine does hardly matters) and is measured then. Written to
``<out>/<dataset>.csv`` after every trial; the same command continues where the file ends. Ranked by
modes covered, then by both other metrics; behind them the blobs, whose modes are chance, by those
metrics alone. A subject none of whose trials has learned, as the claims have it (half of the
samples of high quality), has no usable trial, and nothing to ship as tuned.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.core import mkl, strict_yaml
from benchmark.core.errors import DONE, UserError, exit_code, unknown
from benchmark.core.paths import RESULTS
from benchmark.core.run import Run
from benchmark.core.schema import read
from benchmark.experiments.job import Job
from benchmark.experiments.labels import parse_label
from benchmark.experiments.variants import named_variants

SPACES = Path(__file__).parent / "searches.yaml"
PRESET = "estimators"  # whose data budgets are searched
SEED = 100  # of the trials' data and start: none that a preset reports
MEASURED = ("modes_covered", "high_quality_pct", "intra_mode_kl")
# % of high quality below which a trial is a blob over the modes: 1.4 times that of one, 29 and 7
BLOB = {"estimators_ring": 40.0, "estimators_grid": 10.0}
COLUMNS = ["subject", "trial", "settings", "updates", "seconds", *MEASURED, "status", "commit"]


def trials(subject: str, space: dict[str, list], count: int) -> list[dict[str, Any]]:
    """Settings of every trial: its authors', then ``count - 1`` draws, the same at every call."""
    draw = random.Random(f"{SEED}/{subject}")
    drawn = [{k: draw.choice(v) for k, v in space.items()} for _ in range(count - 1)]
    return [dict(named_variants().get(subject, {}).get("authors", {}).get("settings", {})), *drawn]


def resolve(dataset: str, subject: str, settings: dict[str, Any]) -> Run:
    """The run of a trial: its settings over those that a named variant has on all data."""
    key, variant, _ = parse_label(subject)
    own = named_variants()[key][variant].get("settings", {}) if variant else {}
    changed = tuple(f"{key}.{k}={v}" for k, v in (own | settings).items())
    return Job(PRESET, changed, seeds=(SEED,)).runs(dataset, key)[0]


def attempt(run: Run, seconds: float) -> dict[str, Any]:
    """Train for that many seconds; updates, time and metrics, NaN where it diverged."""
    import torch

    from benchmark.data.noise import Feed, draw
    from benchmark.training.compile import Jit
    from benchmark.training.engine import Engine
    from benchmark.training.loop import CHECK_EVERY
    from benchmark.training.prepare import prepare, set_up_torch

    set_up_torch()
    with torch.no_grad():
        method, spec, dataset = prepare(run, Jit())
        engine = Engine(method, [method.init(run.seed)], "cpu")
        feed = Feed(method, spec, run.data, dataset, run.seed, "cpu")
        engine.advance([feed(0)])  # compiles
        step, start, spent = 1, time.process_time(), 0.0
        while spent < seconds:
            logs = engine.advance([feed(step)])
            step += 1
            spent = time.process_time() - start
            if step % CHECK_EVERY == 0 and not finite(logs):
                break
        status = "complete" if finite(logs) else "diverged"
        z = draw(run.seed, run.data, "evaluation", 0, (run.budget.eval_samples, spec.z_dim))
        found = dataset.evaluate(method.sample(engine.state(0), z))
    values = {name: found[name] if status == "complete" else math.nan for name in MEASURED}
    return {"updates": step, "seconds": round(spent, 1), "status": status} | values


def finite(logs: dict[str, Any]) -> bool:
    """Whether every logged number is."""
    return all(bool(v.isfinite().all()) for v in logs.values())


def ranked(table: pd.DataFrame, dataset: str) -> pd.DataFrame:
    """Trials, the best of each subject first: by modes covered (of a blob: none, since a broad G
    covers all), then, among equals, by the sum of the ranks in high-quality share and intra-mode
    KL. A diverged trial comes last.
    """
    table = table.reset_index(drop=True)
    blob = table["high_quality_pct"] < BLOB.get(dataset, 0.0)
    modes = table["modes_covered"].mask(blob, 0)
    level = table.assign(modes=modes).groupby(["subject", "modes"])
    both = level["high_quality_pct"].rank(ascending=False) + level["intra_mode_kl"].rank()
    order = table.assign(modes=modes, both=both).sort_values(
        ["subject", "modes", "both", "intra_mode_kl"],
        ascending=[True, False, True, True],
        na_position="last",
    )
    return order.drop(columns=["modes", "both"])


def usable(table: pd.DataFrame, dataset: str) -> pd.DataFrame:
    """The trials that learned, by the guard that the claims have for these data."""
    from benchmark.report.claims.frozen import FROZEN  # brings torch

    kept = table
    for metric, least in FROZEN.learned[Job(PRESET).budget(dataset).data].items():
        kept = kept[kept[metric] >= least]
    return kept


def findings(table: pd.DataFrame, dataset: str) -> list[str]:
    """A line a subject: its best usable trial, with its settings, or that there is none."""
    best = ranked(usable(table, dataset), dataset).groupby("subject").first()
    return [
        f"{subject}: trial {best.loc[subject, 'trial']}, {best.loc[subject, 'settings']}"
        if subject in best.index
        else f"{subject}: no usable trial"
        for subject in table["subject"].unique()
    ]


def load(dataset: str) -> dict[str, dict[str, list]]:
    """Subjects and their choices on a dataset. Raises UserError."""
    known = strict_yaml.load(read(SPACES), SPACES.name)
    if dataset not in known:
        raise unknown("dataset", dataset, known)
    return known[dataset]


def main(arguments: list[str] | None = None) -> int:
    """Run the missing trials. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmark.tools.search", description="Search.")
    parser.add_argument("--dataset", default="estimators_ring")
    parser.add_argument("--subjects", default="", metavar="A;B", help="default: all")
    parser.add_argument("--trials", type=int, default=6, help="a subject (default: 6)")
    parser.add_argument("--seconds", type=float, default=25.0, help="a trial (default: 25)")
    parser.add_argument("--out", type=Path, default=RESULTS / "search")
    chosen = parser.parse_args(arguments)
    return exit_code(lambda: search(chosen))


def search(chosen: argparse.Namespace) -> int:
    """Every missing trial, best settings at the end."""
    from benchmark.results.inert import write_csv
    from benchmark.store import provenance

    if not (chosen.seconds > 0 and chosen.trials > 0):
        raise UserError("--seconds and --trials must be above 0")
    spaces = load(chosen.dataset)
    subjects = [s for s in chosen.subjects.split(";") if s] or list(spaces)
    for subject in subjects:
        if subject not in spaces:
            raise unknown(f"subject on {chosen.dataset}", subject, spaces)
    path = chosen.out / f"{chosen.dataset}.csv"
    table = pd.read_csv(path) if path.is_file() else pd.DataFrame(columns=COLUMNS)
    usual = table["seconds"].median()  # a trial ends with the update that passes its time
    if len(table) and abs(usual - chosen.seconds) > 0.1 * chosen.seconds + 0.2:
        raise UserError(
            f"{path}: its trials took {usual:g} s; --seconds says {chosen.seconds:g}: repeat that, "
            "or begin a new file elsewhere with --out"
        )
    done = set(zip(table["subject"], table["trial"], strict=True))
    for subject in subjects:
        for trial, settings in enumerate(trials(subject, spaces[subject], chosen.trials)):
            if (subject, trial) in done:
                continue
            found = attempt(resolve(chosen.dataset, subject, settings), chosen.seconds)
            row = found | {
                "subject": subject,
                "trial": trial,
                "settings": json.dumps(settings),
                "commit": provenance.commit(),
            }
            table = pd.concat([table, pd.DataFrame([row])[COLUMNS]], ignore_index=True)
            write_csv(path, table)
            print(*(f"{row[c]}" for c in COLUMNS[:-1]), flush=True)
    print(*findings(table, chosen.dataset), sep="\n")
    return DONE


if __name__ == "__main__":
    mkl.use_full_width()  # before torch
    sys.exit(main())
