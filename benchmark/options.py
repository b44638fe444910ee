"""Options of the command line about where runs execute and within which limits."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Iterable
from pathlib import Path

from benchmark.core.errors import UserError
from benchmark.core.run import Run
from benchmark.data.fetch import OFFLINE


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Options of the limits on a run, and of the network."""
    group = parser.add_argument_group("limits")
    group.add_argument(
        "--timeout", type=float, metavar="SECONDS",
        help="a run that takes longer in one go fails; the same command continues it",
    )  # fmt: skip
    group.add_argument(
        "--max-rss", type=float, metavar="GB", help="a run whose process holds more memory fails"
    )
    group.add_argument(
        "--checkpoint-seconds", type=float, metavar="SECONDS",
        help="what a crash costs at most (default: the preset's, or more where saving is slow)",
    )  # fmt: skip
    group.add_argument(
        "--offline", action="store_true", help=f"download nothing (also: set {OFFLINE})"
    )


def add_scores(parser: argparse.ArgumentParser) -> None:
    """Options of what is measured besides."""
    group = parser.add_argument_group("FID and KID of CIFAR-10 and CelebA, at the end of a run")
    group.add_argument(
        "--fid-weights", type=Path, metavar="FILE", help="torch-fidelity's Inception weights"
    )
    group.add_argument(
        "--fid-samples", type=int, default=10_000, metavar="N",
        help="generated, and at most as many of the data (default: 10000)",
    )  # fmt: skip


def add_launcher(parser: argparse.ArgumentParser) -> None:
    """Options of the cluster."""
    group = parser.add_argument_group("where")
    group.add_argument("--launcher", choices=["local", "slurm"], default="local")
    group.add_argument("--slurm-partition", metavar="NAME", help="default: the cluster's")
    group.add_argument(
        "--slurm-time", type=float, default=24.0, metavar="HOURS", help="a task's (default: 24)"
    )
    group.add_argument("--slurm-gpus", type=int, default=0, metavar="N", help="a task's")
    group.add_argument(
        "--slurm-mem", type=float, default=4.0, metavar="GB", help="a task's (default: 4)"
    )


def limits(arguments: argparse.Namespace) -> dict[str, float]:
    """The fields of an Execution that were asked for; puts ``--offline`` into the environment, for
    the workers too. Raises UserError.
    """
    names = ("timeout", "max_rss", "checkpoint_seconds")
    for name in names:
        value = getattr(arguments, name)
        if value is not None and not 0 < value < math.inf:
            raise UserError(f"--{name.replace('_', '-')} {value:g}: must be positive and finite")
    if arguments.offline:
        os.environ[OFFLINE] = "1"
    chosen = {name: v for name in names if (v := getattr(arguments, name)) is not None}
    if "checkpoint_seconds" in chosen:  # asked for, and kept whatever it costs
        chosen["checkpoint_share"] = 1.0
    return chosen


def tf32(arguments: argparse.Namespace, runs: Iterable[Run]) -> bool:
    """Whether ``--tf32`` is asked for. Raises UserError where an estimator cannot bear it: the
    mixture's log-density is a small difference of large products.
    """
    for run in runs if arguments.tf32 else ():
        if run.settings.get("estimator") == "mog":
            raise UserError(
                f"--tf32: {run.label} on {run.dataset} needs exact products; leave it out"
            )
    return arguments.tf32


def fid(arguments: argparse.Namespace):
    """What ``--fid-weights`` asks for, or None. Raises UserError."""
    from benchmark.training.fid import Fid

    if arguments.fid_samples < 2:
        raise UserError(f"--fid-samples {arguments.fid_samples}: must be at least 2")
    weights = arguments.fid_weights
    return None if weights is None else Fid(weights.resolve(), arguments.fid_samples)


def cluster(arguments: argparse.Namespace):
    """What ``--launcher slurm`` asks for, or None. Raises UserError."""
    from benchmark.execution.how import Slurm

    if arguments.launcher == "local":
        return None
    for name in ("slurm_time", "slurm_mem"):
        value = getattr(arguments, name)
        if not 0 < value < math.inf:
            raise UserError(f"--{name.replace('_', '-')} {value:g}: must be positive and finite")
    if arguments.slurm_gpus < 0:
        raise UserError(f"--slurm-gpus {arguments.slurm_gpus}: must be at least 0")
    return Slurm(
        arguments.slurm_partition, arguments.slurm_time, arguments.slurm_gpus, arguments.slurm_mem
    )


def writable(out: Path) -> Path:
    """The results folder. Raises UserError where a file lies in its place."""
    for path in (out, *out.parents):
        if path.exists() and not path.is_dir():
            raise UserError(f"--out {out}: {path} is not a folder")
    return out
