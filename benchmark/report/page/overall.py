"""All results under a folder as one page: the answer, every claim on its best evidence, and the way
to it.

Beside the pages of the presets (``benchmark.report.page``), which it links to, and made like them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from benchmark.core.files import write_text
from benchmark.experiments.presets import load_preset, preset_names
from benchmark.report.claims.evidence import Evidence, every
from benchmark.report.claims.verdict import Judged
from benchmark.report.page import board, opening, verdicts
from benchmark.report.page.template import NAME, fill
from benchmark.store.folder import run_folders


class Folder(NamedTuple):
    """A preset's results. link: its page, empty where there is none. description, scale: empty
    where no shipped preset has its name. claims: how many rest on it.
    """

    name: str
    link: str
    description: str
    scale: str
    runs: int
    claims: int


def write(
    out: Path,
    judged: list[Judged],
    found: list[Evidence] | None = None,
    said: str | None = None,
) -> Path:
    """index.html under ``out``, of its whole ledger; the old one stays where this fails. found: its
    folders, where they were read already. said: ``--out`` of its command, where that is not
    ``out``.
    """
    path = out / NAME
    write_text(path, fill("overall.html", content(out, judged, found or every(out), said)))
    return path


def content(
    out: Path, judged: list[Judged], found: list[Evidence], said: str | None = None
) -> dict[str, Any]:
    """What the template shows."""
    listed = [_folder(out, evidence, judged) for evidence in found]
    boards = board.sections(board.table(found), found)
    names = ("claims.csv", "claims_details.csv", board.TABLE)
    return {
        "answer": verdicts.answer(judged),
        "mosaic": verdicts.by_data(judged),
        "first": opening.headline({one.title: one.opening for one in boards}, len(boards)),
        "leaderboard": board.PAGE if (out / board.PAGE).is_file() else "",
        "ledger": verdicts.grouped(judged),
        "explained": verdicts.EXPLAINED,
        "listed": listed,
        "pages": {folder.name: folder.link for folder in listed},
        "files": [name for name in names if (out / name).is_file()],
        "anew": board.anew(out, said),
        "curves": {},
    }


def _folder(out: Path, evidence: Evidence, judged: list[Judged]) -> Folder:
    name = evidence.name
    preset = name.partition("[")[0]
    return Folder(
        name,
        link=f"{quote(name)}/{NAME}" if (out / name / NAME).is_file() else "",
        description=load_preset(preset).about if preset in preset_names() else "",
        scale=(load_preset(preset).note or "") if preset in preset_names() else "",
        runs=len(run_folders(out, name)),
        claims=sum(j.preset == name and j.verdict != "not run" for j in judged),
    )
