"""The leaderboard (``results.leaderboard``) as sections of a page, and as a page of its own.

The page of a preset shows what its job's ``sections`` make, by experiment; that of all results
those of all folders, by data. Macros of both: ``board.html``.
"""

from __future__ import annotations

import base64
import math
import shlex
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pandas as pd

from benchmark.artefacts.drawing import style
from benchmark.core.files import write_text
from benchmark.core.paths import spelled
from benchmark.data import DATASETS
from benchmark.experiments.job import Job
from benchmark.experiments.presets import preset_names
from benchmark.report.claims.evidence import Evidence, shipped
from benchmark.report.page import opening, runs
from benchmark.report.page.grids import Column, interval, number
from benchmark.report.page.opening import Opening
from benchmark.report.page.template import NAME, fill
from benchmark.results import inert, leaderboard
from benchmark.results.leaderboard import LEARNED, SHARP
from metrics import METRICS

PAGE, TABLE = "leaderboard.html", "leaderboard.csv"
TAIL = ("reached (s)", "s/run", "updates", "batch", "seeds", "parameters", "preset", "machine")


class Cell(NamedTuple):
    """text, interval: as in ``grids``. value: what it is sorted by. best: whether no method that
    learned has a better one.
    """

    text: str
    value: float | str
    interval: str = ""
    best: bool = False


class Row(NamedTuple):
    """A method of an experiment. learned: whether half of its samples are of high quality, where
    that is measured. words: where it stands. links: (target, text). command: repeats its runs;
    empty where the preset is not one of ours.
    """

    name: str
    role: str
    learned: bool
    words: str
    links: list[tuple[str, str]]
    command: str
    cells: list[Cell]


class Board(NamedTuple):
    """The rows of a dataset or experiment; ``columns`` with that of the names."""

    name: str
    title: str
    opening: Opening
    columns: list[Column]
    rows: list[Row]


def table(found: list[Evidence]) -> pd.DataFrame:
    """The leaderboard of all these folders, without those that were made to be timed."""
    shown = [evidence for evidence in found if not evidence.seconds_only] or found
    parts = [leaderboard.leaderboard(evidence.results, evidence.name) for evidence in shown]
    kept = [part for part in parts if len(part)]
    return pd.concat(kept, ignore_index=True) if kept else pd.DataFrame(columns=leaderboard.COLUMNS)


def sections(rows: pd.DataFrame, found: list[Evidence], job: Job | None = None) -> list[Board]:
    """A board per dataset that has rows; of one folder, whose job is given, per experiment, for the
    page in that folder.
    """
    by, folders = "experiment" if job else "data", {evidence.name: evidence for evidence in found}
    names = sorted(set(rows[by]), key=place)
    return [_board(name, rows[rows[by] == name], folders, job) for name in names]


def place(dataset: str) -> tuple[int, str]:
    """The order of datasets, those with names of their own last."""
    known = list(DATASETS)
    return (known.index(dataset) if dataset in known else len(known), dataset)


def download(rows: pd.DataFrame) -> str:
    """The table as a link that holds it."""
    text = inert.cells(rows).to_csv(index=False, lineterminator="\n", float_format="%.10g")
    return f"data:text/csv;base64,{base64.b64encode(text.encode()).decode()}"


def legend(rows: pd.DataFrame) -> dict[str, str]:
    """What the words below boards need: the download, and the thresholds of rank and time."""
    return {"csv": download(rows), "sharp": number(SHARP), "learned": number(LEARNED)}


def write(out: Path, found: list[Evidence], said: str | None = None) -> list[Path]:
    """leaderboard.csv and leaderboard.html of the folder of all results; old ones stay where this
    fails. said: as of ``anew``.
    """
    rows = table(found)
    inert.write_csv(out / TABLE, rows)
    values = {"boards": sections(rows, found), "legend": legend(rows), "home": NAME}
    write_text(out / PAGE, fill(PAGE, values | {"curves": {}, "anew": anew(out, said)}))
    return [out / TABLE, out / PAGE]


def anew(out: Path, said: str | None) -> str:
    """The command that writes the pages of all results again. said: its ``--out``, where that is
    not ``out``.
    """
    said = spelled(out) if said is None else said
    words = ["python", "-m", "benchmark", "--claims", *(["--out", said] if said else [])]
    return shlex.join(words)


def _board(name: str, rows: pd.DataFrame, folders: dict[str, Evidence], job: Job | None) -> Board:
    rows = leaderboard.ranked(rows)
    scores, best = leaderboard.shown(rows), leaderboard.best(rows)
    tail = [text for text in TAIL if not (job and text in ("preset", "machine"))]
    columns = [Column("method", "text"), *(Column(METRICS[n].label, "estimate") for n in scores)]
    columns += [Column(t, "text" if t in ("preset", "machine") else "number") for t in tail]
    listed = []
    for _, row in rows.iterrows():
        ends = _tail(row)
        cells = [_estimate(row, n, best) for n in scores] + [ends[text] for text in tail]
        listed.append(_row(row, folders[row["preset"]], job, cells))
    known = not job and name in DATASETS and DATASETS[name].name
    return Board(name, known or name, opening.of(rows), columns, listed)


def _row(row: pd.Series, evidence: Evidence, job: Job | None, cells: list[Cell]) -> Row:
    preset, experiment, method = row["preset"], row["experiment"], row["method"]
    folder = "" if job else f"{quote(preset)}/"
    links = [(f"{folder}runs/{quote(experiment)}/{quote(method)}/", "files")]
    if job or (evidence.results.folder / NAME).is_file():
        links.insert(0, ("#runs" if job else f"{folder}{NAME}#runs", "runs"))
    words = "" if job else f"{preset}, {experiment}:"
    if job is None and preset in preset_names():
        job = shipped(preset)
    command = _command(evidence, row, job) if job else ""
    name, learned = style.name(method), bool(row["learned"])
    return Row(name, row["role"], learned, words, links, command, cells)


def _command(evidence: Evidence, row: pd.Series, job: Job) -> str:
    """One command for all seeds, with the code of the first."""
    dataset, method = row["experiment"], row["method"]
    seeds = sorted(s for d, m, s in evidence.results.runs if (d, m) == (dataset, method))
    record = evidence.results.runs[dataset, method, seeds[0]]
    listed = ",".join(map(str, seeds))
    return runs.command(job, dataset, method, listed, record.settings, record.provenance)


def _estimate(row: pd.Series, name: str, best: dict[str, float]) -> Cell:
    digits = METRICS[name].digits
    ends = interval(row[f"{name}_low"], row[f"{name}_high"], digits)
    leads = row["learned"] and row["role"] != "reference" and row[name] == best.get(name)
    return Cell(number(row[name], digits), row[name], ends, bool(leads))


def _tail(row: pd.Series) -> dict[str, Cell]:
    """The cells behind the scores, by the heading of their column."""
    missed = f" ({row['missed']} missed)" if row["missed"] else ""
    return {
        "reached (s)": Cell(*_reached(row)),
        "s/run": Cell(number(row["seconds"], 0), row["seconds"]),
        "updates": Cell(number(int(row["updates"])), int(row["updates"])),
        "batch": Cell(number(int(row["batch"])) if row["batch"] else "", int(row["batch"])),
        "seeds": Cell(f"{row['seeds']}{missed}", int(row["seeds"])),
        "parameters": Cell(number(row["parameters"], 0), row["parameters"]),
        "preset": Cell(row["preset"], row["preset"]),
        "machine": Cell(row["hardware"], row["hardware"]),
    }


def _reached(row: pd.Series) -> tuple[str, float]:
    """Text and value of the time until the target."""
    if math.isnan(row["reached"]):
        return "", math.inf
    seconds, count = row["seconds_to_reach"], f"({row['reached']:.0f} of {row['seeds']})"
    if math.isinf(seconds):
        return f"> {number(row['seconds'], 0)} {count}", math.inf
    return f"{number(seconds, 0)} {count}", seconds
