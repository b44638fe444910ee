"""What a job would cost, before it starts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from benchmark import data
from benchmark.core.errors import UserError
from benchmark.core.run import Run
from benchmark.store import sealed

# Milliseconds per iteration on the ring at B = 128, one thread of an idle AMD EPYC (87 GFLOP/s), a
# quarter of what B = 512 takes with the engine that auto chooses; scaled linearly in B.
MS_PER_STEP = {
    "gan": 1.5,
    "lsgan": 1.5,
    "unrolled_gan": 7.2,
    "veegan": 3.5,
    "pacgan": 2.4,
    "ali": 2.4,  # from here on on other machines or beside other programs
    "wgan_gp": 8.5,
    "sngan": 5.5,
    "r3gan": 2.5,
    "mmd": 3.1,  # grows as the square of B
    "flow_matching": 0.85,
    "vae": 0.47,
    "oracle": 0.0,
}
# LBT, per kept and per unrolled estimator update, the latter with its adjoint and a share of the
# rest: they add up to 91 ms at B = 512, M = 15, K = 5.
MS_PER_INNER, MS_PER_UNROLLED = 0.7, 2.4
# In the VAE's; ring at B = 256 and grid at 1,024, of em and kde ring at 512 and grid at 1,024.
COST_OF_ESTIMATOR = {"mog": 0.25, "em": 0.5, "kde": 2.0}
MS_TOY = {"gan": 0.32, "lbt_gan": 1.05}  # the 1D example: two parameters a player but D, B = 128
MS_UNKNOWN = 5.0  # a plugin nobody has timed
MS_PER_SAMPLE = 0.0031  # drawing, generating and measuring one sample, one thread
MS_PER_TOY_SAMPLE = 0.0002  # of the 1D example
MS_PER_IMAGE = 0.5  # generated and classified
BYTES_PER_RUN = 150_000  # mean over the runs of results/committed/mixtures-batch-128


def seconds(run: Run, out: Path, speed: float = 1.0) -> float:
    """Estimated wall time of a run on one thread, from its last timing here or the table above, on
    a machine of that speed (``execution.speed``).
    """
    base = out / run.folder / "runs" / run.dataset / run.label
    budget = run.budget
    for path in sorted(base.glob("seed*/provenance.json")):
        try:
            record = sealed.provenance(path.parent)
            settings = sealed.settings(path.parent, record)
        except UserError:  # told where its numbers would be used
            continue
        if record.get("train_seconds") and settings.get("budget", {}).get("batch") == budget.batch:
            ms = 1e3 * record["train_seconds"] / max(record.get("steps", 1), 1)
            break
    else:
        ms = _ms_per_step(run) * data.entry(run.data).work / speed
    sampled = budget.evaluations * budget.eval_samples + budget.final_samples
    return (ms * budget.iterations + _ms_per_sample(run) / speed * sampled) / 1e3


def _ms_per_sample(run: Run) -> float:
    if not data.entry(run.data).flat:
        return MS_PER_IMAGE
    return MS_PER_TOY_SAMPLE if run.settings.get("nets") == "toy" else MS_PER_SAMPLE


def _ms_per_step(run: Run) -> float:
    """Of an iteration on the ring at the run's batch."""
    rows = run.budget.batch / 128
    if run.settings.get("nets") == "toy":
        return MS_TOY.get(run.method, MS_UNKNOWN) * rows
    if run.method in ("lbt", "lbt_gan"):
        work = MS_PER_INNER * run.settings["M"] + MS_PER_UNROLLED * run.settings["K"]
        work *= COST_OF_ESTIMATOR.get(run.settings["estimator"], 1.0)
        return (work + (MS_PER_STEP["gan"] if run.method == "lbt_gan" else 0)) * rows
    return MS_PER_STEP.get(run.method, MS_UNKNOWN) * rows


def describe(
    runs: Iterable[Run], reused: int, out: Path, jobs: int, speed: float | None = None
) -> str:
    """The plan as text: runs, time on ``jobs`` workers, disk. speed: of this machine, where it was
    measured.
    """
    runs = list(runs)
    cost = {}
    for run in runs:
        key = (run.dataset, run.label)
        n, total, _ = cost.get(key, (0, 0.0, 0))
        cost[key] = (n + 1, total + seconds(run, out, speed or 1.0), run.budget.iterations)
    lines = [
        f"{dataset:14} {label:24} {n:2} x {steps:>9,} updates  {clock(total / n)} each"
        for (dataset, label), (n, total, steps) in cost.items()
    ]
    total = sum(total for _, total, _ in cost.values())
    longest = max((seconds(run, out, speed or 1.0) for run in runs), default=0.0)
    disk = len(runs) * BYTES_PER_RUN / 1e6
    lines.append(
        f"{len(runs)} runs to do, {reused} finished; about {clock(max(total / jobs, longest))} "
        f"on {jobs} workers, {disk:.0f} MB"
        + (f" (this machine: {speed:.2f} of the reference's speed)" if speed else "")
    )
    return "\n".join(lines)


def clock(seconds: float) -> str:
    """A duration for people: 45 s, 12 min, 3.4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
