"""What each command does: list, plan, train, report, judge. Every one returns its exit code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli import options
from benchmark.core.errors import DONE, FAILED, UserError, printable

if TYPE_CHECKING:
    from benchmark.cli.request import Request
    from benchmark.execution.how import Execution


def show_list(method: str, plugins: tuple[str, ...]) -> int:
    """Print what there is to name, or the settings of a method."""
    from benchmark.cli import listing

    print(listing.settings(method, plugins) if method else listing.listing())
    return DONE


def claims(out: Path, preset: str | None) -> int:
    """Print and write the claims ledger, without a preset as a page too, and the leaderboard."""
    from benchmark.report.claims import ledger
    from benchmark.report.claims.evidence import every
    from benchmark.report.page import board, overall

    judged = ledger.of(options.writable(out), preset)
    paths = ledger.write(out, preset, judged)
    print("\n".join([ledger.render(judged), "", *map(str, paths)]))
    if preset is None:
        found = every(out)
        paths = [*board.write(out, found), overall.write(out, judged, found)]
        print("\n".join(map(str, paths)))
    return DONE


def plan(asked: Request, how: Execution) -> int:
    """Print what would be trained, and its cost, on this machine where it would run here."""
    from benchmark.execution import cost, runner, speed

    todo = runner.unfinished(asked.runs, how)
    here = todo and how.device == "cpu" and how.slurm is None
    found = speed.measure(how.jobs) if here else None
    print(cost.describe(todo, len(asked.runs) - len(todo), how.out, how.jobs, found))
    return DONE


def report(asked: Request) -> int:
    """Rebuild tables, the artefacts named or all, and the page."""
    from benchmark.artefacts import ARTEFACTS
    from benchmark.report import rebuild

    return rebuild.report(asked.out, asked.job, asked.drawn(ARTEFACTS))


def train(asked: Request, how: Execution) -> int:
    """Train what is missing, rebuild tables, artefacts and page, print the summary."""
    from benchmark.execution import runner
    from benchmark.report import rebuild
    from benchmark.store.folder import run_folders
    from benchmark.training import fid, generator

    _check(asked, how)
    missed = runner.train(asked.runs, how)
    for run in fid.unscored(how.out, asked.runs) if how.fid else []:
        print(printable(f"{run}: has no FID; --force trains it again"), file=sys.stderr)
    for run in generator.missing(how.out, asked.runs) if how.keep_generator else []:
        print(printable(f"{run}: keeps no generator; --force trains it again"), file=sys.stderr)
    code = DONE
    folder = asked.job.folder
    if not asked.runs or run_folders(how.out, folder):  # none where another process has all of them
        names = asked.drawn(asked.usual())
        code = rebuild.report(how.out, asked.job, names, asked.shown())
    for event in missed:
        print(printable(f"{event.status}: {event.run}: {event.reason}"), file=sys.stderr)
    return FAILED if missed else code


def _check(asked: Request, how: Execution) -> None:
    """See before anything starts that data are there, methods can be built and scores be taken.
    Raises UserError.
    """
    from benchmark import data
    from benchmark.execution import runner
    from benchmark.training import fid

    for name, source in {(run.data, run.source) for run in asked.runs}:
        try:
            data.load(name, plugin=source)  # missing files are said, or fetched, once
        except ValueError as error:  # of the classifier's weights
            raise UserError(error) from None
    runner.check(asked.runs)
    if how.fid:
        fid.check(how.fid, asked.runs)
