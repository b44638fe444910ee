"""Command line of LBT-Bench: train, compare, reproduce the paper's figures.

Heavy imports happen only where they are needed, so that --help and --list answer at once.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmark import options
from benchmark.core.errors import (
    BAD_INPUT,
    DONE,
    FAILED,
    INTERRUPTED,
    STORAGE,
    Interrupted,
    StorageError,
    UserError,
    fail,
    printable,
    unknown,
)
from benchmark.results.scale import scale_of
from benchmark.store.lock import Held

ROOT = Path(__file__).resolve().parent.parent
MAX_SEEDS = 1000
PRESET = "quick"
PAGE = "page"  # drawn last, named like an artefact in what the command prints
REPORT_SECONDS = 600.0  # to wait for another process that rebuilds the same tables
EXAMPLES = """examples:
  python -m benchmark --methods lbt,veegan --dataset ring
  python -m benchmark --reproduce fig2,fig3 --preset smoke
  python -m benchmark --methods lbt --set lbt.K=3 --seeds 0-4 --plan
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (``benchmark.core.errors``)."""
    again = "the same command"
    try:
        arguments = parser().parse_args(argv)
        again += " without --force" * arguments.force
        code = run(arguments)
        sys.stdout.flush()
        return code
    except (KeyboardInterrupt, Interrupted):
        print(f"interrupted; {again} continues", file=sys.stderr)
        return INTERRUPTED
    except UserError as error:
        return fail(BAD_INPUT, error)
    except StorageError as error:
        return fail(STORAGE, f"{error}; {again} continues once the cause is gone")
    except Held as held:
        return fail(FAILED, f"the tables are {held}; --report rebuilds them later")
    except OSError as error:
        where = error.filename or "standard output"
        if where == "standard output":  # nothing more can be written there, not even at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return fail(STORAGE, f"{where}: {error.strerror}")


class Parser(argparse.ArgumentParser):
    """argparse with this project's one-line errors."""

    def error(self, message: str) -> None:
        raise UserError(message)


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
    what.add_argument("--methods", metavar="A,B", help="methods to train (default: all)")
    what.add_argument(
        "--dataset",
        metavar="A,B",
        help="datasets to train on (default: ring, or all of a preset without it)",
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
    what.add_argument("--list", action="store_true", help="methods, datasets, artefacts, presets")
    how = p.add_argument_group("how")
    how.add_argument("--preset", help=f"scale of the runs (default: {PRESET})")
    how.add_argument("--seeds", metavar="0-4|0,2,5", help="seeds (default: the preset's)")
    how.add_argument(
        "--set", metavar="OWNER.KEY=VALUE", action="append", default=[], dest="overrides",
        help="change a setting of a method (lbt.K=3) or dataset (ring.batch=64); repeatable",
    )  # fmt: skip
    how.add_argument(
        "--plugin", metavar="FILE", action="append", default=[], help="a method of your own"
    )
    how.add_argument("--jobs", type=int, metavar="N", help="worker processes (default: one a core)")
    how.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    how.add_argument(
        "--stack-seeds", action=argparse.BooleanOptionalAction,
        help="train the seeds of a method as one program (default: 2D data on a GPU)",
    )  # fmt: skip
    how.add_argument("--tf32", action="store_true", help="coarser, faster matrix products on a GPU")
    how.add_argument("--no-compile", action="store_true", help="never compile")
    how.add_argument(
        "--data-root", type=Path, metavar="DIR",
        help="where image data lies or is downloaded to (default: $DATA_ROOT, else data/)",
    )  # fmt: skip
    how.add_argument("--out", type=Path, default=ROOT / "results", help="where results go")
    how.add_argument("--force", action="store_true", help="train again what is finished")
    options.add_scores(p)
    options.add_limits(p)
    options.add_launcher(p)
    return p


def run(arguments: argparse.Namespace) -> int:
    """Carry out parsed arguments."""
    if arguments.list:
        from benchmark.listing import listing

        print(listing())
        return 0
    if arguments.claims:
        return claims(arguments.out, arguments.preset)
    from benchmark.core import mkl

    mkl.use_full_width()  # before the next imports, which bring torch in
    from benchmark.artefacts import ARTEFACTS
    from benchmark.experiments.job import Job

    if arguments.data_root:
        os.environ["DATA_ROOT"] = str(arguments.data_root.resolve())  # for the workers too
    job = Job(
        arguments.preset or PRESET,
        tuple(arguments.overrides),
        tuple(arguments.plugin),
        parse_seeds(arguments.seeds),
    )
    names = split(arguments.reproduce)
    names = list(ARTEFACTS) if names == ["all"] else names
    for name in names:
        if name not in ARTEFACTS:
            raise unknown("artefact", name, ARTEFACTS)
    runs = requested(arguments, job, names)
    options.writable(arguments.out)
    limits = options.limits(arguments)
    if arguments.report:
        return report(arguments.out, job, names or list(ARTEFACTS))

    from benchmark.execution.how import Execution

    slurm = options.cluster(arguments)
    if slurm is None:
        device = pick_device(arguments.device)
    else:  # that of the nodes, not of this machine
        device = "cuda" if slurm.gpus else "cpu"
    how = Execution(
        out=arguments.out,
        jobs=jobs(arguments.jobs, device, max(1, len(runs)) if slurm else None),
        device=device,
        compile=not arguments.no_compile,
        stack=arguments.stack_seeds,
        tf32=options.tf32(arguments, runs),
        force=arguments.force,
        slurm=slurm,
        fid=options.fid(arguments),
        **{"checkpoint_seconds": job.preset.checkpoint_seconds} | limits,
    )
    if arguments.plan:
        from benchmark.execution import cost, runner

        todo = runner.unfinished(runs, how)
        print(cost.describe(todo, len(runs) - len(todo), how.out, how.jobs))
        return 0
    return train(runs, how, job, names)


def claims(out: Path, preset: str | None) -> int:
    """Print and write the claims ledger, without a preset as a page too."""
    from benchmark.report.claims import ledger
    from benchmark.report.page import overall

    judged = ledger.of(options.writable(out), preset)
    paths = ledger.write(out, preset, judged)
    print("\n".join([ledger.render(judged), "", *map(str, paths)]))
    if preset is None:
        print(overall.write(out, judged))
    return DONE


def train(runs, how, job, names: list[str]) -> int:
    """Train, rebuild the tables, draw the artefacts, print the summary."""
    from benchmark import data as datasets
    from benchmark.execution import runner
    from benchmark.store.folder import run_folders
    from benchmark.training import fid

    for data in {run.data for run in runs}:
        try:
            datasets.load(data)  # missing files are said, or fetched, once, before anything starts
        except ValueError as error:  # of the classifier's weights
            raise UserError(error) from None
    runner.check(runs)
    if how.fid:
        fid.check(how.fid, runs)
    missed = runner.train(runs, how)
    for run in fid.unscored(how.out, runs) if how.fid else []:
        name = f"{run.dataset}/{run.label} seed {run.seed}"
        print(printable(f"{name}: has no FID; --force trains it again"), file=sys.stderr)
    code = DONE
    if not runs or run_folders(how.out, job.folder):  # none where another process has all of them
        code = report(how.out, job, names, {(run.dataset, run.label) for run in runs})
    for event in missed:
        run = event.run
        line = f"{event.status}: {run.dataset}/{run.label} seed {run.seed}: {event.reason}"
        print(printable(line), file=sys.stderr)
    return FAILED if missed else code


def report(out: Path, job, names: list[str], shown: set[tuple[str, str]] | None = None) -> int:
    """Rebuild tables and the named artefacts from what is on disk; one process at a time, so that
    the last to do so has seen what all have finished.
    """
    from benchmark.core.files import remove_parts
    from benchmark.store.folder import run_folders
    from benchmark.store.lock import locked

    folder = out / job.folder
    if not run_folders(out, job.folder) and (not names or any(needs(name, job) for name in names)):
        raise UserError(f"no runs under {folder}; train some first")
    with locked(folder / ".report.lock", wait=REPORT_SECONDS):
        remove_parts(folder)
        remove_parts(folder / "figures")
        return rebuild(out, job, names, shown)


def needs(artefact: str, job) -> list[tuple[str, str]]:
    """The runs an artefact is made of."""
    import importlib

    from benchmark.artefacts import ARTEFACTS

    return importlib.import_module(ARTEFACTS[artefact]).needs(job)


def rebuild(out: Path, job, names: list[str], shown: set[tuple[str, str]] | None) -> int:
    """``report``, for who holds the lock."""
    from benchmark.results import equal_time, tables
    from benchmark.results.view import Results
    from benchmark.store.folder import run_folders

    results = Results(out, job.folder)
    if run_folders(out, job.folder):
        scale = partial(scale_of, results, job)
        summary = tables.write(results.folder, results.table, scale)
        equal_time.write(results)
        if shown is not None:
            pairs = zip(summary["dataset"], summary["method"], strict=True)
            summary = summary[[pair in shown for pair in pairs]]
        if shown is None or shown:
            print(tables.render(summary, scale))
            print(f"\n{out / job.folder / 'metrics.csv'}\n{out / job.folder / 'summary.csv'}")
    return max(draw(name, results, job) for name in (*names, PAGE))


def draw(name: str, results, job) -> int:
    """Draw an artefact, or write the page of all of them, and say so. A failure is one line, and
    keeps nothing else from being drawn.
    """
    import importlib

    from benchmark.artefacts import ARTEFACTS

    start = time.monotonic()
    try:
        if name == PAGE:
            from benchmark.report import page

            paths = [page.write(results.folder.parent, job)]
        else:
            module = importlib.import_module(ARTEFACTS[name])
            paths = module.draw(results, job)
    except StorageError:
        raise
    except Exception as error:
        print(printable(f"{name}: failed: {type(error).__name__}: {error}"), file=sys.stderr)
        return FAILED
    made = " ".join(map(str, paths)) or "nothing to draw, its runs are missing"
    print(f"{name} ({time.monotonic() - start:.1f} s): {made}")
    return DONE


def requested(arguments: argparse.Namespace, job, names: list[str]) -> list:
    """The runs a command asks for, each once."""
    import importlib

    from benchmark.artefacts import ARTEFACTS
    from benchmark.experiments.labels import parse_label

    methods = split(arguments.methods)
    datasets = split(arguments.dataset)
    for dataset in datasets:
        job.budget(dataset)
    for method in methods:
        job.check(method)
    runs = {}
    if not names:
        usual = ["ring"] if job.has("ring") else list(job.preset.datasets)
        for dataset in datasets or usual:
            for method in methods or job.budget(dataset).updates or job.modules:
                for run in job.runs(dataset, method):
                    runs.setdefault((run.dataset, run.label, run.seed), run)
    for artefact in (importlib.import_module(ARTEFACTS[name]) for name in names):
        for dataset, method in artefact.needs(job):
            asked = {method, parse_label(method).key} & set(methods or [method])
            if asked and dataset in (datasets or [dataset]):
                seeds = 1 if getattr(artefact, "ONE_SEED", False) else None
                for run in job.runs(dataset, method)[:seeds]:
                    runs.setdefault((run.dataset, run.label, run.seed), run)
    return list(runs.values())


def split(text: str | None) -> list[str]:
    """``a,b[c=1,d=2]`` -> [a, b[c=1,d=2]]; no option -> [].

    Raises UserError on an option that names nothing.
    """
    if text is None:
        return []
    parts = [part.strip() for part in re.split(r",(?![^\[]*\])", text) if part.strip()]
    if not parts:
        raise UserError(f"{text!r} names nothing; separate names by commas")
    return parts


def parse_seeds(text: str | None) -> tuple[int, ...] | None:
    """``0-4`` or ``0,2,5`` -> seeds; None where none were named. Raises UserError otherwise."""
    if text is None:
        return None
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        numbers = [first, last] if dash else [first, first]
        if not all(n.isascii() and n.isdigit() and len(n) <= 9 for n in numbers):
            raise UserError(f"--seeds {text}: expected 0-4 or 0,2,5")
        if int(numbers[1]) - int(numbers[0]) >= MAX_SEEDS:
            raise UserError(f"--seeds {text}: more than {MAX_SEEDS} seeds")
        seeds += range(int(numbers[0]), int(numbers[1]) + 1)
        if len(seeds) > MAX_SEEDS:
            raise UserError(f"--seeds {text}: more than {MAX_SEEDS} seeds")
    if not seeds:
        raise UserError(f"--seeds {text}: names no seed")
    return tuple(dict.fromkeys(seeds))


def pick_device(name: str) -> str:
    """cpu or cuda. Raises UserError where cuda is asked for and missing."""
    if name == "cpu":
        return name
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if name == "cuda":
        raise UserError("--device cuda: torch finds no GPU here; use --device cpu")
    return "cpu"


def jobs(asked: int | None, device: str, usual: int | None = None) -> int:
    """Worker processes: as asked, else as usual, else one for each core this process may use (one
    on a GPU).
    """
    if asked is not None and asked < 1:
        raise UserError(f"--jobs {asked}: must be at least 1")
    if asked or usual:
        return asked or usual
    return 1 if device == "cuda" else len(os.sched_getaffinity(0))
