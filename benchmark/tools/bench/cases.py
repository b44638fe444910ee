"""What is timed: a method on a dataset at one batch size, from one state, on one batch.

Peers differ in what Adam they offer, so LBT is timed with the one all of them have: bias-corrected,
its second moment differentiated, no constant under the root that matters (1e-24).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmark.data import DATASETS
from benchmark.data.noise import Feed
from benchmark.experiments.job import Job
from benchmark.training.prepare import prepare
from methods.base import Batch, Method, State

CHECKED_STEPS = 3  # iterations after which peers must agree


class Case(NamedTuple):
    """name: in tables. method, dataset: registry keys. batch: B. seeds: S, stacked."""

    name: str
    method: str
    dataset: str
    batch: int
    seeds: int = 1


LBT_CASES = {
    "ring512": Case("ring512", "lbt", "ring", 512),
    "ring128": Case("ring128", "lbt", "ring", 128),
    "grid2048": Case("grid2048", "lbt", "grid", 2048),
}
STACKED_CASES = {f"ring512x{s}": Case(f"ring512x{s}", "lbt", "ring", 512, s) for s in (4, 16, 64)}
# The authors' networks and VAE; on the stand-in, which needs no files and costs the same.
IMAGE_CASES = {"stacked64": Case("stacked64", "lbt_gan", "stacked_digits", 64)}
OTHERS = ("lbt_gan", "gan", "lsgan", "unrolled_gan", "veegan", "pacgan", "ali", "vae")
CLOSED_FORM = {
    name: Case(name, f"lbt[estimator={name},M=0,K=1]", "ring", 512) for name in ("em", "kde")
}
CASES = (
    LBT_CASES
    | STACKED_CASES
    | IMAGE_CASES
    | {m: Case(m, m, "ring", 512) for m in OTHERS}
    | CLOSED_FORM
)


def build(
    case: Case, jit=lambda fn: fn, device: str = "cpu", native: bool = False
) -> tuple[Method, list[Feed]]:
    """The case's method as the training loop builds it, with each seed's noise."""
    exact = ("lbt.detach_v=false", "lbt.eps_root=1e-24") if case.method == "lbt" else ()
    entry = DATASETS[case.dataset].like or case.dataset
    job = Job("paper", (f"{entry}.batch={case.batch}", *exact), seeds=(0,))
    (run,) = job.runs(case.dataset, case.method)
    method, spec, dataset = prepare(run, jit, native=native)
    feeds = [Feed(method, spec, case.dataset, dataset, s, device) for s in range(case.seeds)]
    return method, feeds


def start(case: Case) -> tuple[list[State], list[list[Batch]]]:
    """Each seed's state, and for each checked step each seed's batch: what every peer gets."""
    method, feeds = build(case)
    states = [method.init(seed) for seed in range(case.seeds)]
    return states, [[feed(step) for feed in feeds] for step in range(CHECKED_STEPS)]


def gflop(case: Case) -> float:
    """Floating-point operations of the matrix products of one iteration of all seeds, in 10^9,
    counted by running one; elementwise work is not counted.
    """
    method, feeds = build(case)
    state, batch = method.init(0), feeds[0](0)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        method.step(state, batch)
    return case.seeds * counter.get_total_flops() / 1e9
