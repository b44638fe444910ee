"""What the code makes of the committed runs is what is committed: tables, verdicts and pages."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest

from benchmark.core.paths import spelled
from benchmark.experiments.job import Job
from benchmark.report import page
from benchmark.report.claims import ledger
from benchmark.report.claims.evidence import every
from benchmark.report.page import board, overall
from benchmark.results import tables
from benchmark.results.scale import scale_of
from benchmark.results.view import Results

COMMITTED = Path(__file__).resolve().parent.parent / "results" / "committed"
SAID = spelled(COMMITTED)  # of the commands on its pages
PRESETS = sorted(path.name for path in COMMITTED.iterdir() if path.is_dir())


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """The committed runs and figures, where they may be written to."""
    return shutil.copytree(COMMITTED, tmp_path_factory.mktemp("results") / "committed")


def same(copy: Path, *files: str) -> None:
    for file in files:
        assert (copy / file).read_text() == (COMMITTED / file).read_text(), file


@pytest.mark.parametrize("preset", PRESETS)
def test_tables_and_page_of_a_preset(copy, preset):
    job, results = Job(preset), Results(copy, preset)
    tables.write(results, partial(scale_of, results, job))
    page.write(copy, job, results, SAID)
    made = ("metrics.csv", "summary.csv", "summary.md", "equal_time.csv", "index.html")
    same(copy, *(f"{preset}/{name}" for name in made))


def test_the_ledger_and_its_page(copy):
    judged = ledger.of(copy)
    ledger.write(copy, None, judged)
    overall.write(copy, judged, every(copy), SAID)
    same(copy, "claims.csv", "claims_details.csv", "index.html")


def test_the_leaderboard(copy):
    board.write(copy, every(copy), SAID)
    same(copy, board.TABLE, board.PAGE)


def test_commands_name_the_folder_as_the_checkout_does(tmp_path):
    assert SAID == "results/committed" and spelled(Path("results")) == ""
    assert spelled(COMMITTED.parent) == "" and spelled(tmp_path) == str(tmp_path)
