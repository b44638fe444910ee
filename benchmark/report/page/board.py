"""The leaderboard (``results.leaderboard``) as sections of a page, and as a page of its own.

Whoever wants one on another page imports ``boards`` from ``board.html`` and passes it what
``sections`` and ``download`` make.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pandas as pd

from benchmark.artefacts.drawing import style
from benchmark.core.files import write_text
from benchmark.data import DATASETS
from benchmark.experiments.presets import preset_names
from benchmark.report.claims.evidence import Evidence, shipped
from benchmark.report.page import NAME, fill, runs
from benchmark.report.page.grids import Column, interval, number
from benchmark.results import inert, leaderboard
from benchmark.results.leaderboard import METRICS, SHARP
from metrics import METRICS as KNOWN

PAGE, TABLE = "leaderboard.html", "leaderboard.csv"
TAIL = ("reached (s)", "s/run", "updates", "batch", "seeds", "parameters", "preset", "machine")


class Cell(NamedTuple):
    """text, interval: as in ``grids``. value: what it is sorted by."""

    text: str
    value: float | str
    interval: str = ""


class Row(NamedTuple):
    """A method of an experiment. words: where it stands. links: (target, text). command: repeats
    its runs; empty where the preset is not one of ours.
    """

    name: str
    role: str
    words: str
    links: list[tuple[str, str]]
    command: str
    cells: list[Cell]


class Board(NamedTuple):
    """The rows of a dataset; ``columns`` with that of the names."""

    data: str
    title: str
    columns: list[Column]
    rows: list[Row]


def table(found: Iterable[Evidence]) -> pd.DataFrame:
    """The leaderboard of all these folders."""
    parts = [leaderboard.leaderboard(evidence.results, evidence.name) for evidence in found]
    kept = [part for part in parts if len(part)]
    return pd.concat(kept, ignore_index=True) if kept else pd.DataFrame(columns=leaderboard.COLUMNS)


def sections(rows: pd.DataFrame, found: Iterable[Evidence], base: str = "") -> list[Board]:
    """A board per dataset that has rows. base: path from the page to the folder of all results."""
    by_name = {evidence.name: evidence for evidence in found}
    boards = []
    for data in (name for name in DATASETS if name in set(rows["data"])):
        ranked = leaderboard.ranked(rows, data)
        shown = [m for m in METRICS[DATASETS[data].family] if ranked[m].notna().any()]
        labels = [Column("method", "text"), *(Column(KNOWN[m].label, "estimate") for m in shown)]
        tail = [
            Column(text, "text" if text in ("preset", "machine") else "number") for text in TAIL
        ]
        listed = [_row(row, shown, by_name[row["preset"]], base) for _, row in ranked.iterrows()]
        boards.append(Board(data, DATASETS[data].name or data, [*labels, *tail], listed))
    return boards


def download(rows: pd.DataFrame) -> str:
    """The table as a link that holds it."""
    text = inert.cells(rows).to_csv(index=False, lineterminator="\n", float_format="%.10g")
    return f"data:text/csv;base64,{base64.b64encode(text.encode()).decode()}"


def write(out: Path, found: list[Evidence]) -> list[Path]:
    """leaderboard.csv and leaderboard.html of the folder of all results; old ones stay where this
    fails.
    """
    rows = table(found)
    inert.write_csv(out / TABLE, rows)
    values = {"shown": sections(rows, found), "csv": download(rows), "sharp": number(SHARP)}
    write_text(out / PAGE, fill(PAGE, values | {"curves": {}, "home": NAME}))
    return [out / TABLE, out / PAGE]


def _row(row: pd.Series, shown: list[str], evidence: Evidence, base: str) -> Row:
    cells = [_estimate(row, name) for name in shown]
    missed = f" ({row['missed']} missed)" if row["missed"] else ""
    cells += [
        Cell(*_reached(row)),
        Cell(number(row["seconds"], 0), row["seconds"]),
        Cell(number(int(row["updates"])), int(row["updates"])),
        Cell(number(int(row["batch"])) if row["batch"] else "", int(row["batch"])),
        Cell(f"{row['seeds']}{missed}", int(row["seeds"])),
        Cell(number(row["parameters"], 0), row["parameters"]),
        Cell(row["preset"], row["preset"]),
        Cell(row["hardware"], row["hardware"]),
    ]
    preset, experiment, method = row["preset"], row["experiment"], row["method"]
    folder = f"{base}{quote(preset)}/"
    links = [(f"{folder}runs/{quote(experiment)}/{quote(method)}/", "files")]
    if (evidence.results.folder / NAME).is_file():
        links.insert(0, (f"{folder}{NAME}#runs", "runs"))
    words = f"{preset}, {experiment}:"
    return Row(style.name(method), row["role"], words, links, _command(evidence, row), cells)


def _command(evidence: Evidence, row: pd.Series) -> str:
    """One command for all seeds, with the code of the first."""
    if row["preset"] not in preset_names():
        return ""
    dataset, method = row["experiment"], row["method"]
    seeds = sorted(s for d, m, s in evidence.results.runs if (d, m) == (dataset, method))
    record = evidence.results.runs[dataset, method, seeds[0]]
    listed = ",".join(map(str, seeds))
    job = shipped(row["preset"])
    return runs.command(job, dataset, method, listed, record.settings, record.provenance)


def _estimate(row: pd.Series, name: str) -> Cell:
    digits = KNOWN[name].digits
    ends = interval(row[f"{name}_low"], row[f"{name}_high"], digits)
    return Cell(number(row[name], digits), row[name], ends)


def _reached(row: pd.Series) -> tuple[str, float]:
    """Text and value of the time until the target."""
    if math.isnan(row["reached"]):
        return "", math.inf
    seconds, count = row["seconds_to_reach"], f"({row['reached']:.0f} of {row['seeds']})"
    if math.isinf(seconds):
        return f"> {number(row['seconds'], 0)} {count}", math.inf
    return f"{number(seconds, 0)} {count}", seconds
