"""Presets: what is compared (``catalogue/``, a file each) at a size (``scales.yaml``), or a
file of the user's own that says both. ``experiments.job`` resolves them to runs.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from benchmark.core import strict_yaml
from benchmark.core.errors import UserError, unknown
from benchmark.core.modules import is_file
from benchmark.core.run import DatasetSettings, Seed
from benchmark.core.schema import PROSE, Strict, at_line, read, validated
from benchmark.data import DATASETS
from methods import REGISTRY

CATALOGUE = Path(__file__).parent / "catalogue"
SCALES = Path(__file__).parent / "scales.yaml"
NAME = r"^[A-Za-z][A-Za-z0-9_]{0,59}$"  # of an experiment: it names folders, tables and panels


class Scale(Strict):
    """How much: seeds, and what departs from the methods' defaults at that size.

    note: what every table and figure says besides the budget. was: a former name. seconds_only:
    whether runs are too short for claims on anything but seconds.
    """

    about: str = Field(pattern=PROSE)
    note: str | None = Field(None, pattern=PROSE)
    was: str = ""
    seconds_only: bool = False
    seeds: tuple[Seed, ...] = Field(min_length=1, max_length=1000)
    checkpoint_seconds: float = Field(60, gt=0)
    methods: dict[str, dict[str, Any]] = {}


class Preset(Scale):
    """Experiments at a scale; ``datasets`` by the experiments' names."""

    datasets: dict[Annotated[str, Field(pattern=NAME)], DatasetSettings]


class Experiment(Strict):
    """What is compared. about, was: as of a scale. at: its budget by scale, over what holds at all
    of them, ``settings``.
    """

    about: str = Field(pattern=PROSE)
    was: str = ""
    settings: dict[str, Any]
    at: dict[str, dict[str, Any]]


def preset_names() -> list[str]:
    """Names of the shipped presets, those that everybody needs first."""
    return list(scales())


@cache
def scales() -> dict[str, Scale]:
    """The shipped scales."""
    text = read(SCALES)
    return {
        name: validated(Scale, values, lambda place, name=name: f"{SCALES.name}, {name}")
        for name, values in strict_yaml.load(text, SCALES.name).items()
    }


@cache
def experiments() -> dict[str, Experiment]:
    """The shipped experiments, in the order of what they are about."""
    found = {}
    for path in sorted(CATALOGUE.glob("*.yaml")):
        values = strict_yaml.load(read(path), path.name)
        own = {key: values.pop(key) for key in ("about", "was", "at") if key in values}
        found[path.stem] = validated(
            Experiment, own | {"settings": values}, lambda _, path=path: path.name
        )
    order = list(DATASETS)
    return dict(
        sorted(found.items(), key=lambda e: (order.index(e[1].settings["data"]), len(e[0]), e[0]))
    )


@cache
def known_as(name: str, preset: str | None = None) -> str:
    """The name that a preset, or an experiment of that preset, has now; says so where it was
    another.
    """
    if preset is None:
        kind, named = "preset", scales()
    else:
        kind = "experiment"
        named = {key: entry for key, entry in experiments().items() if preset in entry.at}
    for new, entry in named.items():
        if entry.was == name and name not in named:
            print(f"{kind} {name!r} is called {new!r} now", file=sys.stderr)
            return new
    return name


def load_preset(name: str, methods: Collection[str] = REGISTRY) -> Preset:
    """The preset of that name, or of a YAML file, with settings of no others than these methods.
    Raises UserError if there is none, or it is malformed.
    """
    if name.endswith(".yaml"):
        return _from_file(Path(name), methods)
    name = known_as(name)
    if name not in scales():
        raise unknown("preset", name, preset_names())
    datasets = {
        key: validated(
            DatasetSettings,
            entry.settings | entry.at[name] | {"about": entry.about},
            lambda place, key=key: f"{key}.yaml, {name}",
        )
        for key, entry in experiments().items()
        if name in entry.at
    }
    return Preset(**scales()[name].model_dump(), datasets=datasets)


def _from_file(path: Path, known: Collection[str]) -> Preset:
    if not is_file(str(path)):
        raise UserError(f"--preset {path}: no such file")
    if path.stem in scales():
        raise UserError(f"--preset {path}: {path.stem!r} is a shipped preset's name; rename it")
    text = read(path)
    values = strict_yaml.load(text, path.name)
    preset = validated(
        Preset, values, lambda place: path.name + at_line(text, [place[:n] for n in (9, 2, 1)])
    )
    for methods in (preset.methods, *(d.methods for d in preset.datasets.values())):
        for method in methods:
            if method not in known:
                raise UserError(f"{path.name}: {unknown('method', method, known)}")
    return preset


def source(preset: str, experiment: str, owner: str, place: tuple) -> str:
    """File and line of a setting, of the method ``owner`` or of an experiment itself, in words."""
    places = [("methods", owner, *place), ("common", *place), place]
    if preset.endswith(".yaml"):
        inside = ("datasets", experiment)
        searched = [(Path(preset), [*((*inside, *p) for p in places), ("methods", owner, *place)])]
    else:
        here = [(*prefix, *p) for prefix in (("at", preset), ()) for p in places]
        searched = [
            (CATALOGUE / f"{experiment}.yaml", here),
            (SCALES, [(preset, "methods", owner, *place)]),
        ]
    for path, candidates in searched:
        if is_file(str(path)) and (line := at_line(read(path), candidates)):
            return f"{path.name}{line}"
    return f"preset {preset}"
