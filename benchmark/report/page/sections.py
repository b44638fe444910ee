"""Tables and figures of the page: what lies in the folder, beside what the paper shows."""

from __future__ import annotations

import importlib
import shlex
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from benchmark.artefacts import ARTEFACTS, module
from benchmark.core import strict_yaml
from benchmark.core.schema import Strict, read
from benchmark.experiments.job import Job
from benchmark.experiments.presets import experiments
from benchmark.report.claims.verdict import Judged
from benchmark.report.page import grids
from benchmark.report.page.pictures import Picture, inline
from benchmark.results.scale import scale_of
from benchmark.results.view import Results

SOURCE = Path(__file__).with_name("paper.yaml")
SHIPPED = "quick"  # the preset that makes every artefact
LINKED = (".csv", ".md", ".tex", ".svg", ".png")


class Paper(Strict):
    """What the paper says of one of its artefacts (``paper.yaml``)."""

    title: str
    place: str = ""
    paper: str
    computed: bool = False
    trained: bool = True
    published: tuple[str, ...] = Field(())


class Section(NamedTuple):
    """One artefact. absent: what is missing of it, with the command that makes it. data: the
    datasets here that it is made of. links: files beside the page.
    """

    name: str
    title: str
    paper: str
    published: tuple[str, ...]
    scale: str
    claims: list[Judged]
    pictures: list[Picture]
    grids: list[grids.Grid]
    links: list[str]
    absent: list[tuple[str, str]]
    data: list[str]


@cache
def paper() -> dict[str, Paper]:
    """All entries of the file, in the order of the page."""
    values = strict_yaml.load(read(SOURCE), SOURCE.name)
    return {name: Paper(**entry) for name, entry in values.items()}


def every(results: Results, job: Job, judged: list[Judged], said: str = "") -> list[Section]:
    """A section per artefact in the paper's order, then those that the paper has not, then files
    that no artefact owns. said: ``--out`` of the commands, where it must be said.
    """
    names = [*paper(), *(name for name in ARTEFACTS if name not in paper())]
    found = [_section(results, job, judged, name, said) for name in names]
    left = sorted({p.stem for p in _files(results) if not any(owns(n, p) for n in names)})
    return found + [_file(results, stem) for stem in left]


def owns(name: str, path: Path) -> bool:
    """Whether a file is an artefact's: ``fig3_seconds.png`` is fig3's, ``fig10.png`` not fig1's."""
    return path.stem == name or path.stem.startswith(f"{name}_")


def _files(results: Results) -> list[Path]:
    folders = (results.figures, results.folder / "tables")
    found = [p for folder in folders for p in sorted(folder.glob("*")) if p.suffix in LINKED]
    return [p for p in found if p.is_file() and not p.name.startswith(".")]


def _section(results: Results, job: Job, judged: list[Judged], name: str, said: str) -> Section:
    entry = paper().get(name)
    files = [p for p in _files(results) if owns(name, p)]
    data = results.among(job.drawn(name))
    if entry is None:
        words = importlib.import_module(module(name)).__doc__ or name
        entry = Paper(title=words.splitlines()[0], paper="")
    return Section(
        name=name,
        title=entry.title,
        paper=entry.paper,
        published=entry.published,
        scale=_scale(results, entry, job, data),
        claims=[j for j in judged if _answers(j, entry, name)],
        pictures=[inline(p) for p in files if p.suffix == ".png"],
        grids=[g for p in files if p.suffix == ".csv" for g in _grids(p)],
        links=[_link(results, p) for p in files],
        absent=_absent(results, job, name, entry, bool(files), said),
        data=data,
    )


def _file(results: Results, stem: str) -> Section:
    files = [p for p in _files(results) if p.stem == stem]
    pictures = [inline(p) for p in files if p.suffix == ".png"]
    tables = [g for p in files if p.suffix == ".csv" for g in _grids(p)]
    links = [_link(results, p) for p in files]
    return Section(f"file-{stem}", stem, "", (), "", [], pictures, tables, links, [], [])


def _link(results: Results, path: Path) -> str:
    return "/".join(path.relative_to(results.folder).parts)


def _scale(results: Results, entry: Paper, job: Job, data: list[str]) -> str:
    scales = "; ".join(dict.fromkeys(scale_of(results, job, d) for d in data))
    if not entry.computed:
        return scales
    return f"computed; its runs: {scales}" if data else "computed, not trained"


def _answers(judged: Judged, entry: Paper, name: str) -> bool:
    """Whether a claim is about an artefact."""
    if entry.place:
        return _mentions(judged.claim.place, entry.place)
    found = experiments().get(getattr(judged.claim.rule, "dataset", ""))  # a figure's has none
    return found is not None and name in found.settings.get("feeds", ())


def _mentions(text: str, place: str) -> bool:
    """Whether a claim's place names an artefact: ``Figure 3a`` names Figure 3, not Figure 30."""
    start, found = text.find(place), False
    while start >= 0 and not found:
        found = not text[start + len(place) : start + len(place) + 1].isdigit()
        start = text.find(place, start + 1)
    return found


def _grids(path: Path) -> list[grids.Grid]:
    """A CSV file's tables; a sentence in place of one that cannot be read."""
    try:
        return grids.table1(path) if grids.is_table1(path) else [grids.any_csv(path)]
    except (ValueError, KeyError, AttributeError, TypeError):
        return [grids.Grid(f"{path.name}: damaged; redraw it.", [], [])]


def _absent(
    results: Results, job: Job, name: str, entry: Paper, drawn: bool, said: str
) -> list[tuple[str, str]]:
    """What there is none of here, with the command that makes it."""
    wanted, asked = job.feeding(name), ("--reproduce", name)
    if entry.trained and not wanted:
        words = f"The preset {job.name} has no runs for it."
        return [(words, command(asked, SHIPPED, None, said))]
    missing = [d for d in wanted if not results.among([d, *job.stand_ins([d])])]
    if missing:
        words = f"No runs on {' and '.join(missing)} here."
    elif not drawn:
        words = "Not drawn here."
    else:
        return []
    return [(words, command(asked, job.source, job, said))]


def command(asked: tuple[str, ...], preset: str, job: Job | None, said: str) -> str:
    """The shell command that does what is asked for of a preset; of a job's folder with its plugins
    and changed budgets. said: ``--out``, where it must be said.
    """
    words = ["python", "-m", "benchmark", *asked, "--preset", preset]
    if job:
        words += [word for file in job.plugins for word in ("--plugin", file)]
        for owner in (o for o in job.overrides if o in job.datasets):
            for k, v in job.changed(owner, budget=True).items():
                words += ["--set", f"{owner}.{k}={v}"]
    words += ["--out", said] if said else []
    return shlex.join(words)
