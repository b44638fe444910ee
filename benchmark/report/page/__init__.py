"""The results of one preset as one HTML page, ``results/<preset>/index.html``.

Who came first on every dataset, with a leaderboard; then every table and figure that was drawn, in
the paper's order, what the paper shows beside it; the curves; the claims that have runs here; how
far all of it is from the paper; every run with the command that repeats it.
The page reads results and never trains. It carries its pictures, styles, script and data, asks
nothing of a network, and everything in it that comes from results or plugins is escaped. Equal
results give equal bytes.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from benchmark.core.files import write_text
from benchmark.core.paths import spelled
from benchmark.experiments.job import Job
from benchmark.report.claims.evidence import Evidence
from benchmark.report.page import board, charts, distance, grids, opening, runs, sections, verdicts
from benchmark.report.page.template import NAME, fill
from benchmark.results import leaderboard
from benchmark.results.scale import scale_of
from benchmark.results.view import Results


def write(out: Path, job: Job, results: Results | None = None, said: str | None = None) -> Path:
    """Replace the page of a preset's folder; the old one stays where this fails. results: those in
    it, where they were read already. said: ``--out`` of its commands, where that is not ``out``.
    """
    path = out / job.folder / NAME
    said = spelled(out) if said is None else said
    write_text(path, render(Evidence(out, job.folder, results), job, said))
    return path


def render(evidence: Evidence, job: Job, said: str = "") -> str:
    """The page as text."""
    return fill("page.html", content(evidence, job, said))


def content(evidence: Evidence, job: Job, said: str = "") -> dict[str, Any]:
    """What the template shows."""
    results = evidence.results
    judged, unjudged = verdicts.judge_all(evidence)
    ran = [one for one in judged if one.verdict != "not run"]
    shown = sections.every(results, job, ran, said)
    datasets = sorted(set(results.table["dataset"]), key=board.place)
    rows = leaderboard.leaderboard(results, evidence.name)
    boards = board.sections(rows, [evidence], job)
    records = sorted(runs.by_dataset(evidence, job), key=lambda record: board.place(record.dataset))
    groups = [group for record in records for group in record.groups]
    listed = [run for group in groups for run in group.runs]
    drawn = {i: found for i, d in enumerate(datasets) if (found := charts.of(results, d))}
    return {
        "job": job,
        "ledger": verdicts.grouped(ran),
        "judged": len(ran),
        "unrun": len(judged) - len(ran),
        "explained": verdicts.EXPLAINED,
        "unjudged": unjudged,
        "sections": [s for s in shown if s.links],
        "absent": [s for s in shown if s.absent],
        "all_runs": sections.command(("--reproduce", "all"), job.source, job, said),
        "anew": sections.command(("--report",), job.source, job, said),
        "home": home(results.folder),
        "headline": opening.headline({b.name: b.opening for b in boards}),
        "boards": boards,
        "legend": board.legend(rows),
        "datasets": [
            {
                "id": f"data-{i}",
                "name": d,
                "scale": scale_of(results, job, d),
                "equal": grids.equal_time(results.equal_time, d),
                "curves": i in drawn,
            }
            for i, d in enumerate(datasets)
        ],
        "curves": drawn,
        "records": records,
        "superseded": runs.superseded(results.folder),
        "again": runs.AGAIN,
        "statuses": Counter(run.status for run in listed),
        "provenance": _provenance(listed),
        "hours": results.hours(),
        "budgets": distance.budgets(evidence, datasets),
        "settings": distance.settings(evidence, datasets),
        "notes": distance.notes(job, [group.label for group in groups]),
        "files": [n for n in ("metrics.csv", "summary.csv", "summary.md", "equal_time.csv",
                              "claims.csv", "claims_details.csv")
                  if (results.folder / n).is_file()],
    }  # fmt: skip


def home(folder: Path) -> str:
    """Link to the page of all results, where there is one beside this folder."""
    return f"../{NAME}" if (folder.parent / NAME).is_file() else ""


def _provenance(listed: list[runs.Run]) -> dict[str, Counter]:
    """How many runs share a commit and a device."""
    return {key: Counter(v for run in listed if (v := getattr(run, key)))
            for key in ("commit", "device")}  # fmt: skip
