"""The results of one preset as one HTML page, ``results/<preset>/index.html``.

Who came first on every dataset, with all numbers and learning curves; then every table and figure
that has something to show, in the paper's order, what the paper shows beside it; the claims that
have runs here; how far all of it is from the paper; every run with the command that repeats it.
The page reads results and never trains. It carries its pictures, styles, script and data, asks
nothing of a network, and everything in it that comes from results or plugins is escaped. Equal
results give equal bytes.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from benchmark.core.files import write_text
from benchmark.data import DATASETS
from benchmark.experiments.job import Job
from benchmark.report.claims.evidence import Evidence
from benchmark.report.page import charts, distance, grids, opening, runs, sections, verdicts
from benchmark.results.scale import scale_of
from benchmark.results.view import Results

HERE = Path(__file__).parent
NAME = "index.html"


def write(out: Path, job: Job, results: Results | None = None, said: str = "") -> Path:
    """Replace the page of a preset's folder; the old one stays where this fails. results: those in
    it, where they were read already. said: ``--out`` of its commands, where that is not the usual.
    """
    path = out / job.folder / NAME
    write_text(path, render(Evidence(out, job.folder, results), job, said))
    return path


def render(evidence: Evidence, job: Job, said: str = "") -> str:
    """The page as text."""
    return fill("page.html", content(evidence, job, said))


def fill(template: str, values: dict[str, Any]) -> str:
    """A page of its own: a template with styles and script."""
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=inert,
    )
    environment.filters |= {"code": code, "number": grids.number}
    files = ("page.css", "page.js", "board.js")
    style, *scripts = ((HERE / name).read_text() for name in files)
    script = "".join(scripts)
    return environment.get_template(template).render(
        style=Markup(style),
        script=Markup(script),
        policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src '{digest(script)}'; base-uri 'none'; form-action 'none'",
        **values,
    )


def content(evidence: Evidence, job: Job, said: str = "") -> dict[str, Any]:
    """What the template shows."""
    results = evidence.results
    judged, unjudged = verdicts.judge_all(evidence)
    ran = [j for j in judged if j.verdict != "not run"]
    shown = sections.every(results, job, ran, said)
    datasets = sorted(set(results.table["dataset"]), key=_place)
    records = sorted(runs.by_dataset(evidence, job), key=lambda record: _place(record.dataset))
    groups = [group for record in records for group in record.groups]
    listed = [run for group in groups for run in group.runs]
    drawn = {i: found for i, d in enumerate(datasets) if (found := charts.of(results, d))}
    return {
        "job": job,
        "ledger": verdicts.grouped(ran),
        "unrun": len(judged) - len(ran),
        "explained": verdicts.EXPLAINED,
        "unjudged": unjudged,
        "sections": [s for s in shown if s.links],
        "absent": [s for s in shown if s.absent],
        "all_runs": sections.command("all", job.name, job, said),
        "home": home(results.folder),
        "datasets": [
            {
                "id": f"data-{i}",
                "name": d,
                "scale": scale_of(results, job, d),
                "opening": opening.of(results, d),
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


def _place(dataset: str) -> tuple[int, str]:
    """The order of datasets, those with names of their own last."""
    known = list(DATASETS)
    return (known.index(dataset) if dataset in known else len(known), dataset)


def _provenance(listed: list[runs.Run]) -> dict[str, Counter]:
    """How many runs share a commit and a device."""
    return {key: Counter(v for run in listed if (v := getattr(run, key)))
            for key in ("commit", "device")}  # fmt: skip


def inert(value: Any) -> Any:
    """Text without control characters or such that turn the direction of writing."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value)


def code(text: str) -> Markup:
    """Escaped, with ``double backquotes`` of docstrings as code."""
    return Markup(re.sub(r"``(.+?)``", r"<code>\1</code>", str(escape(inert(text)))))


def digest(script: str) -> str:
    """What a content security policy knows an inline script by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
