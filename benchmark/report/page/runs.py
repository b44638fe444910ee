"""Every run of a results folder, with its settings and the command that repeats it."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from benchmark.artefacts.drawing import style
from benchmark.core.errors import UserError
from benchmark.core.run import pays
from benchmark.data import DATASETS
from benchmark.experiments.job import Job
from benchmark.experiments.labels import parse_label
from benchmark.report.claims.evidence import Evidence, shipped
from benchmark.report.page.grids import number
from benchmark.results.summary import ordered
from benchmark.store import sealed
from benchmark.store.folder import seed_folders
from methods import REGISTRY

AGAIN = "repeat"  # --out of the commands, so that they touch nothing of what they repeat
COMMIT = re.compile(r"([0-9a-f]{7,40})(-dirty)?")


class Run(NamedTuple):
    """One seed. link: its folder, relative to the page. words: what to know of the status."""

    seed: str
    status: str
    words: str
    updates: str
    seconds: str
    device: str
    commit: str
    started: str
    command: str
    link: str


class Group(NamedTuple):
    """The runs of a method on a dataset with the same settings. settings: name, value, and the
    released value where that is another one.
    """

    name: str
    label: str
    budget: str
    settings: list[tuple[str, str, str]]
    runs: list[Run]


class Records(NamedTuple):
    """All runs on a dataset."""

    dataset: str
    groups: list[Group]

    @property
    def statuses(self) -> Counter:
        """How many runs ended how."""
        return Counter(run.status for group in self.groups for run in group.runs)


def by_dataset(evidence: Evidence, job: Job) -> list[Records]:
    """All runs under ``runs/``, finished or not; superseded ones, set aside, are not among them."""
    folder = evidence.results.folder
    found: dict[str, dict[str, list[Path]]] = {}
    for path in seed_folders(folder.parent, folder.name):
        if (path / "settings.json").is_file() or (path / "provenance.json").is_file():
            found.setdefault(path.parts[-3], {}).setdefault(path.parts[-2], []).append(path)
    return [
        Records(dataset, [
            group for label in ordered(labels)
            for group in _groups(evidence, job, dataset, label, labels[label])
        ])
        for dataset, labels in found.items()
    ]  # fmt: skip


def superseded(folder: Path) -> int:
    """How many runs of other settings or code lie beside those that count."""
    paths = [p for p in folder.glob("runs/*/*/seed*.*") if p.is_dir()]
    return sum((p / "provenance.json").is_file() for p in paths)


def _groups(
    evidence: Evidence, job: Job, dataset: str, label: str, paths: list[Path]
) -> list[Group]:
    """One group, or more where seeds were trained with different settings."""
    groups: dict[str, list[tuple[Path, dict]]] = {}
    for path in sorted(paths, key=lambda p: int(p.name.removeprefix("seed"))):
        record = sealed.settings(path, sealed.provenance(path))
        version = json.dumps([record.get("settings"), record.get("budget")], sort_keys=True)
        groups.setdefault(version, []).append((path, record))
    return [_group(evidence, job, dataset, label, members) for members in groups.values()]


def _group(evidence: Evidence, job: Job, dataset: str, label: str, members: list) -> Group:
    record = members[0][1]
    settings, budget = (_mapping(record, key) for key in ("settings", "budget"))
    theirs = evidence.released_settings(dataset, label.partition("[")[0])
    listed = [
        (k, _text(v), _text(theirs[k]) if k in theirs and theirs[k] != v else "")
        for k, v in sorted(settings.items())
    ]
    words = ", ".join(f"{k.replace('_', ' ')} {number(v)}" for k, v in sorted(budget.items()))
    runs = [_run(evidence, job, dataset, label, path, record) for path, record in members]
    return Group(style.name(label), label, words, listed, runs)


def _run(evidence: Evidence, job: Job, dataset: str, label: str, path: Path, record: dict) -> Run:
    source = sealed.provenance(path)
    iterations = _mapping(record, "budget").get("iterations")
    steps = source.get("steps", "")
    updates = number(steps) if steps == iterations or not iterations else (
        f"{number(steps) or '?'} of {number(iterations)}"
    )  # fmt: skip
    device = " ".join(str(source[k]) for k in ("device", "hardware") if source.get(k))
    return Run(
        seed=path.name.removeprefix("seed"),
        status=str(source.get("status", "unfinished")),
        words=str(source.get("reason", "")),
        updates=updates,
        seconds=number(source.get("train_seconds"), 1),
        device=device,
        commit=str(source.get("commit", "")),
        started=str(source.get("started", ""))[:16].replace("T", " "),
        command=command(job, dataset, label, path.name.removeprefix("seed"), record, source),
        link=quote("/".join(path.relative_to(evidence.results.folder).parts)) + "/",
    )


def command(job: Job, dataset: str, label: str, seed: str, record: dict, source: dict) -> str:
    """The shell command that trains a run again, with the code it was made with."""
    key, settings = label.partition("[")[0], _mapping(record, "settings")
    data = str(record.get("data", dataset))
    words = ["python", "-m", "benchmark"]
    plugins = [key] * (key not in REGISTRY) + [data] * (data not in DATASETS)
    paths = {Path(path).stem: path for path in job.plugins}
    for name in dict.fromkeys(plugins):
        words += ["--plugin", paths.get(name, f"{name}.py")]
    spelled = _spelled(job, dataset, label, settings)
    words += ["--methods", spelled[0], "--dataset", dataset, "--preset", job.name, "--seeds", seed]
    changes = [(owner, k, v) for owner in job.overrides if owner in job.datasets
               for k, v in job.changed(owner, budget=True).items()]  # fmt: skip
    for owner, name, value in changes + [(key, k, v) for k, v in spelled[1].items()]:
        words += ["--set", f"{owner}.{name}={_yaml(value)}"]
    if source.get("device"):
        words += ["--device", str(source["device"])]
    if source.get("tf32"):
        words.append("--tf32")
    iterations = _mapping(record, "budget").get("iterations")
    eager = source.get("compiled") is False and source.get("engine", "eager") == "eager"
    if eager and isinstance(iterations, int) and pays(iterations):
        words.append("--no-compile")
    line = shlex.join([*words, "--out", AGAIN])
    found = COMMIT.fullmatch(str(source.get("commit", "")))
    return f"git checkout {found[1]} && {line}" if found else line


def _spelled(job: Job, dataset: str, label: str, settings: dict) -> tuple[str, dict[str, Any]]:
    """How to ask for a label: as it is, or, where its brackets cannot be read back (long or unusual
    values), by its key and what ``--set`` must change.
    """
    key = label.partition("[")[0]
    try:
        asked = parse_label(label).settings
        if "~" not in label and all(settings.get(k) == v for k, v in asked.items()):
            return label, {}
        plain = shipped(job.name).runs(dataset, key)[0].settings  # without --set of this command
    except UserError:
        plain = {}
    return key, {k: v for k, v in settings.items() if k not in plain or plain[k] != v}


def _mapping(record: dict, key: str) -> dict[str, Any]:
    value = record.get(key)
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _yaml(value: Any) -> str:
    """A value as ``--set`` reads it back."""
    plain = isinstance(value, str) and re.fullmatch(r"[A-Za-z][\w-]*", value)
    named = isinstance(value, str) and value.lower() in ("true", "false", "null")
    return value if plain and not named else json.dumps(value)
