"""How far a folder of results is from the paper: budgets, settings, and departures of the code."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any, NamedTuple

from benchmark.artefacts.drawing import style
from benchmark.core.modules import is_file
from benchmark.core.paths import ROOT
from benchmark.experiments.extent import percent
from benchmark.experiments.job import Job
from benchmark.report.claims.evidence import Evidence, released
from benchmark.report.page.grids import Cell, Column, Grid, number
from benchmark.results import names
from benchmark.results.summary import ordered
from benchmark.results.tables import span
from methods import REGISTRY

WORD = "Departures"
SIZES = ("iterations", "batch", "final_samples")


class Note(NamedTuple):
    """What a module says of its departures. blocks: paragraphs, and lists of items."""

    name: str
    blocks: list[str | list[str]]


def budgets(evidence: Evidence, datasets: list[str]) -> Grid:
    """A row per dataset with runs: their size, from the least to the greatest over methods, beside
    the released one.
    """
    columns = [
        Column("dataset", "text"), Column("updates"), Column("released"), Column("batch"),
        Column("released"), Column("share of the released training"), Column("seeds"),
        Column("samples at the end"),
    ]  # fmt: skip
    rows = []
    for dataset in datasets:
        results = evidence.results
        found = {m: results.recorded_budget(dataset, m) for m in results.methods(dataset)}
        ours = {k: {b[k] for b in found.values() if _counts(b.get(k))} for k in SIZES}
        full, shares = {}, []
        if released().has(results.data(dataset)):
            full = evidence.released_budget(dataset).model_dump()
            sized = [m for m, b in found.items() if all(_counts(b.get(k)) for k in SIZES[:2])]
            shares = [evidence.share(dataset, m) for m in sized]
        seeds = results.table.loc[results.table["dataset"] == dataset, "seed"].nunique()
        cells = [dataset]
        for key in SIZES[:2]:
            cells += [span(ours[key]), number(full.get(key))]
        cells += [span(shares, percent), number(seeds), span(ours["final_samples"])]
        rows.append([*map(Cell, cells)])
    caption = "Budgets of the runs here; released: the authors' code, or else preset paper."
    return Grid(caption, columns, rows)


def _counts(value: Any) -> bool:
    """Whether it is a number of updates or samples, as a damaged record's need not be."""
    return isinstance(value, int) and value > 0


def settings(evidence: Evidence, datasets: list[str]) -> Grid:
    """Settings of the runs that are not the released ones, with the methods they concern."""
    columns = [Column(c, "text") for c in ("dataset", "setting", "here", "released", "methods")]
    rows = []
    for dataset in datasets:
        changed: dict[tuple[str, str, str], list[str]] = {}
        for label in ordered(evidence.results.methods(dataset)):
            usual = evidence.released_settings(dataset, label.partition("[")[0])
            for key, value in sorted(evidence.settings(dataset, label).items()):
                if key in usual and usual[key] != value:
                    place = (key, number(value), number(usual[key]))
                    changed.setdefault(place, []).append(style.name(label))
        for place, methods in sorted(changed.items()):
            rows.append([Cell(dataset), *map(Cell, place), Cell(", ".join(methods))])
    return Grid("Settings that are not the released ones; all others are.", columns, rows)


def notes(job: Job, labels: list[str]) -> list[Note]:
    """The departures that the code of these methods states, then those of what they share."""
    keys = [k for k in ordered({names.key(label) for label in labels}) if k in job.modules]
    paths = {style.name(k): _source(job.modules[k]) for k in keys}
    own = {_source(module) for module in REGISTRY.values()}
    shared = sorted(p for folder in ("methods", "metrics") for p in (ROOT / folder).glob("*.py"))
    paths |= {f"{p.parent.name}/{p.name}": p for p in shared if p not in own}
    return [Note(name, blocks) for name, path in paths.items() if (blocks := departures(path))]


def _source(module: str) -> Path:
    return Path(module) if module.endswith(".py") else ROOT / f"{module.replace('.', '/')}.py"


def departures(path: Path) -> list[str | list[str]]:
    """The part of a module's docstring from the paragraph on departures on; none without one."""
    text = (ast.get_docstring(ast.parse(path.read_text())) or "") if is_file(str(path)) else ""
    found = re.search(rf"(?:\A|\n\n)({WORD}\b.*)", text, re.DOTALL)
    return blocks(found[1].removeprefix(f"{WORD}: ")) if found else []


def blocks(text: str) -> list[str | list[str]]:
    """Paragraphs of a docstring, with lists of dashes as lists."""
    found: list[str | list[str]] = []
    for part in re.split(r"\n\s*\n", text.strip()):
        if part.lstrip().startswith("- "):
            found.append([" ".join(item.split()) for item in re.split(r"(?:\A|\n)- ", part)[1:]])
        else:
            found.append(" ".join(part.split()))
    return found
