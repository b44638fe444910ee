"""All options of the command line, and what they mean as values."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli.arguments import jobs, pick_device
from benchmark.core.errors import UserError, nearest
from benchmark.core.paths import RESULTS
from benchmark.core.run import Run
from benchmark.data.fetch import OFFLINE

if TYPE_CHECKING:
    from benchmark.execution.how import Execution, Slurm
    from benchmark.experiments.job import Job
    from benchmark.training.fid import Fid

PRESET = "quick"
FID_SAMPLES = 10_000
EXAMPLES = """examples:
  python -m benchmark --methods lbt,veegan --dataset ring
  python -m benchmark --reproduce fig2,fig3 --preset smoke
  python -m benchmark --methods lbt --set lbt.K=3 --seeds 0-4 --plan
"""


class Parser(argparse.ArgumentParser):
    """argparse with this project's one-line errors."""

    def error(self, message: str) -> None:
        word = message.removeprefix("unrecognized arguments: ").split()[0]
        meant = nearest(word, self._option_string_actions) if word.startswith("--") else None
        raise UserError(message + (f"; did you mean {meant}?" if meant else ""))


def parser() -> argparse.ArgumentParser:
    """All options."""
    p = Parser(
        allow_abbrev=False,
        prog="python -m benchmark",
        description="Train and compare LBT and its competitors; reproduce the paper's artefacts.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = p.add_argument_group("what to do")
    what.add_argument(
        "--methods", metavar="A,B", help="methods to train, or 'all' (default: the experiment's)"
    )
    what.add_argument(
        "--dataset",
        metavar="A,B",
        help="experiments to train (default: a plugin's; ring; or all of a preset without it)",
    )
    what.add_argument("--reproduce", metavar="A,B", help="artefacts to reproduce, or 'all'")
    what.add_argument("--report", action="store_true", help="redraw from results, train nothing")
    what.add_argument(
        "--claims", action="store_true",
        help="verdicts on the paper's claims from all results under --out, or a preset's",
    )  # fmt: skip
    what.add_argument(
        "--plan", action="store_true",
        help="show what would run and its cost; fetches MNIST where that decides what runs",
    )  # fmt: skip
    what.add_argument(
        "--list", nargs="?", const="", metavar="METHOD",
        help="methods, data, experiments, presets, artefacts; or the settings of a method",
    )  # fmt: skip
    add_how(p)
    add_scores(p)
    add_limits(p)
    add_launcher(p)
    return p


def add_results(parser: argparse.ArgumentParser) -> None:
    """Options of what is written."""
    group = parser.add_argument_group("results")
    group.add_argument(
        "--out",
        type=folder,
        default=RESULTS,
        metavar="DIR",
        help="where results go (default: results)",
    )
    group.add_argument("--force", action="store_true", help="train again what is finished")
    group.add_argument(
        "--no-figures", action="store_true", help="write tables and the page, draw nothing anew"
    )
    group.add_argument(
        "--keep-generator", action="store_true",
        help="leave what was learned in each run's folder, to sample from",
    )  # fmt: skip


def add_how(parser: argparse.ArgumentParser) -> None:
    """Options of the runs: their size, their settings, and what carries them out."""
    how = parser.add_argument_group("how")
    how.add_argument("--preset", help=f"scale of the runs (default: {PRESET})")
    how.add_argument("--seeds", metavar="0-4|0,2,5", help="seeds (default: the preset's)")
    how.add_argument(
        "--set", metavar="OWNER.KEY=VALUE", action="append", default=[], dest="overrides",
        help="change a setting of a method (lbt.K=3) or experiment (ring.batch=64); repeatable",
    )  # fmt: skip
    how.add_argument(
        "--plugin",
        metavar="FILE",
        action="append",
        default=[],
        help="a method or dataset of your own",
    )
    how.add_argument("--jobs", type=int, metavar="N", help="worker processes (default: one a core)")
    how.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    how.add_argument(
        "--stack-seeds", action=argparse.BooleanOptionalAction,
        help="train the seeds of a method as one program (default: 2D data on a GPU)",
    )  # fmt: skip
    how.add_argument("--tf32", action="store_true", help="coarser, faster matrix products on a GPU")
    how.add_argument(
        "--engine", choices=["auto", "native", "compiled", "eager"], default="auto",
        help="kernels for CPUs, compiled or plain code (default: what pays for each run)",
    )  # fmt: skip
    how.add_argument("--no-compile", action="store_true", help="the same as --engine eager")
    how.add_argument(
        "--mixed-engines", action="store_true",
        help="continue runs that another engine or vector width has begun, and record it",
    )  # fmt: skip
    how.add_argument(
        "--data-root", type=Path, metavar="DIR",
        help="where image data lies or is downloaded to (default: $DATA_ROOT, else data/)",
    )  # fmt: skip
    add_results(parser)


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
        "--fid-samples", type=int, metavar="N",
        help=f"generated, and at most as many of the data (default: {FID_SAMPLES})",
    )  # fmt: skip


def add_launcher(parser: argparse.ArgumentParser) -> None:
    """Options of the cluster."""
    group = parser.add_argument_group("where")
    group.add_argument("--launcher", choices=["local", "slurm"], default="local")
    group.add_argument("--slurm-partition", metavar="NAME", help="default: the cluster's")
    group.add_argument("--slurm-time", type=float, metavar="HOURS", help="a task's (default: 24)")
    group.add_argument("--slurm-gpus", type=int, metavar="N", help="a task's (default: none)")
    group.add_argument("--slurm-mem", type=float, metavar="GB", help="a task's (default: 4)")


def execution(arguments: argparse.Namespace, job: Job, runs: Sequence[Run]) -> Execution:
    """How the runs are to be carried out. Raises UserError."""
    from benchmark.execution.how import Execution

    slurm = cluster(arguments)
    if slurm is None:
        device = pick_device(arguments.device)
    else:  # that of the nodes, not of this machine
        device = "cuda" if slurm.gpus else "cpu"
    return Execution(
        out=arguments.out,
        jobs=jobs(arguments.jobs, device, max(1, len(runs)) if slurm else None),
        device=device,
        engine="eager" if arguments.no_compile else arguments.engine,
        mixed_engines=arguments.mixed_engines,
        stack=arguments.stack_seeds,
        tf32=tf32(arguments, runs, device),
        force=arguments.force,
        slurm=slurm,
        fid=fid(arguments),
        keep_generator=arguments.keep_generator,
        data_root=data_root(arguments),
        offline=arguments.offline,
        **{"checkpoint_seconds": job.preset.checkpoint_seconds} | limits(arguments),
    )


def data_root(arguments: argparse.Namespace) -> Path | None:
    """Where data lie, if that was said."""
    return arguments.data_root and arguments.data_root.resolve()


def limits(arguments: argparse.Namespace) -> dict[str, float]:
    """The fields of an Execution that were asked for. Raises UserError."""
    names = ("timeout", "max_rss", "checkpoint_seconds")
    for name in names:
        value = getattr(arguments, name)
        if value is not None and not 0 < value < math.inf:
            raise UserError(f"--{name.replace('_', '-')} {value:g}: must be positive and finite")
    chosen = {name: v for name in names if (v := getattr(arguments, name)) is not None}
    if "checkpoint_seconds" in chosen:  # asked for, and kept whatever it costs
        chosen["checkpoint_share"] = 1.0
    return chosen


def tf32(arguments: argparse.Namespace, runs: Iterable[Run], device: str) -> bool:
    """Whether ``--tf32`` is asked for. Raises UserError where an estimator cannot bear it, since
    the mixture's log-density is a small difference of large products, and on a CPU, which has no
    such products.
    """
    for run in runs if arguments.tf32 else ():
        if run.settings.get("estimator") == "mog":
            raise UserError(
                f"--tf32: {run.label} on {run.dataset} needs exact products; leave it out"
            )
    if arguments.tf32 and device == "cpu":
        raise UserError("--tf32: only a GPU has it; leave it out, or train with --device cuda")
    return arguments.tf32


def fid(arguments: argparse.Namespace) -> Fid | None:
    """What ``--fid-weights`` asks for, or None. Raises UserError."""
    from benchmark.training.fid import Fid

    weights, samples = arguments.fid_weights, arguments.fid_samples
    if samples is not None and weights is None:
        raise UserError("--fid-samples: nothing is scored without --fid-weights")
    if samples is not None and samples < 2:
        raise UserError(f"--fid-samples {samples}: must be at least 2")
    return None if weights is None else Fid(weights.resolve(), samples or FID_SAMPLES)


def cluster(arguments: argparse.Namespace) -> Slurm | None:
    """What ``--launcher slurm`` asks for, or None. Raises UserError."""
    from benchmark.execution.how import Slurm

    fields = {"slurm_partition": "partition", "slurm_time": "hours", "slurm_gpus": "gpus",
              "slurm_mem": "memory"}  # fmt: skip
    asked = {name: v for name in fields if (v := getattr(arguments, name)) is not None}
    if arguments.launcher == "local":
        for name in asked:
            raise UserError(f"--{name.replace('_', '-')}: only --launcher slurm obeys it")
        return None
    for name in asked.keys() & {"slurm_time", "slurm_mem"}:
        if not 0 < asked[name] < math.inf:
            option = name.replace("_", "-")
            raise UserError(f"--{option} {asked[name]:g}: must be positive and finite")
    if asked.get("slurm_gpus", 0) < 0:
        raise UserError(f"--slurm-gpus {arguments.slurm_gpus}: must be at least 0")
    return Slurm(**{fields[name]: value for name, value in asked.items()})


def folder(text: str) -> Path:
    """The path of a folder. Raises UserError on none, which would mean the one we are in."""
    if not text.strip():
        raise UserError("--out: names no folder; . is the present one")
    return Path(text)


def writable(out: Path) -> Path:
    """The results folder. Raises UserError where a file lies in its place."""
    for path in (out, *out.parents):
        if path.exists() and not path.is_dir():
            raise UserError(f"--out {out}: {path} is not a folder")
    return out
