"""Tables, artefacts and page of a folder of results, rebuilt by one process at a time."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmark import artefacts
from benchmark.core.errors import DONE, FAILED, StorageError, UserError, printable
from benchmark.core.files import refuse_links, remove_parts
from benchmark.experiments.job import Job
from benchmark.report import page
from benchmark.results import tables
from benchmark.results.scale import scale_of
from benchmark.results.view import Results
from benchmark.store.folder import run_folders
from benchmark.store.lock import locked

PAGE = "page"  # drawn last, named like an artefact in what the command prints
WAIT_SECONDS = 600.0  # for another process that rebuilds the same tables


def report(
    out: Path, job: Job, names: Sequence[str], shown: set[tuple[str, str]] | None = None
) -> int:
    """Rebuild tables and the named artefacts from what is on disk, and print the summary, of the
    datasets and labels ``shown`` or of all. Returns the exit code.

    One process at a time, so that the last to do so has seen what all have finished. Raises
    UserError where there is nothing to rebuild from, and Held where the lock stays taken.
    """
    folder = out / job.folder
    for place in (folder, *(folder.iterdir() if folder.is_dir() else ())):
        refuse_links(place)
    computed = names and not any(artefacts.load(name).needs(job) for name in names)
    if not run_folders(out, job.folder) and not computed:
        raise UserError(f"no runs under {folder}; train some first")
    with locked(folder / ".report.lock", wait=WAIT_SECONDS):
        remove_parts(folder)
        remove_parts(folder / "figures")
        results = Results(out, job.folder)
        if run_folders(out, job.folder):
            _tables(results, job, shown)
        return max(draw(name, results, job) for name in (*names, PAGE))


def _tables(results: Results, job: Job, shown: set[tuple[str, str]] | None) -> None:
    scale = partial(scale_of, results, job)
    tables.write(results, scale)
    summary = results.summary
    if shown is not None:
        pairs = zip(summary["dataset"], summary["method"], strict=True)
        summary = summary[[pair in shown for pair in pairs]]
    if shown is None or shown:
        print(tables.render(summary, scale))
        print(f"\n{results.folder / 'metrics.csv'}\n{results.folder / 'summary.csv'}")


def draw(name: str, results: Results, job: Job) -> int:
    """Draw an artefact, or write the page of all of them, and say so. A failure is one line, and
    keeps nothing else from being drawn.
    """
    start = time.monotonic()
    try:
        if name == PAGE:
            paths = [page.write(results.folder.parent, job, results)]
        else:
            paths = artefacts.load(name).draw(results, job)
    except StorageError:
        raise
    except UserError as error:
        print(printable(f"{name}: failed: {error}"), file=sys.stderr)
        return FAILED
    except Exception as error:
        print(printable(f"{name}: failed: {type(error).__name__}: {error}"), file=sys.stderr)
        return FAILED
    made = " ".join(map(str, paths)) or "nothing to draw, its runs are missing"
    print(f"{name} ({time.monotonic() - start:.1f} s): {made}")
    return DONE
