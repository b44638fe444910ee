"""Settings as files: presets, the defaults of a kind of data, named variants. ``experiments.job``
puts them together.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from benchmark.core import strict_yaml
from benchmark.core.errors import UserError, unknown
from benchmark.core.run import DatasetSettings, Seed
from benchmark.core.schema import PROSE, Strict, at_line, read, validated
from methods import REGISTRY

PRESETS = Path(__file__).parent / "presets"
NAME = r"^[A-Za-z][A-Za-z0-9_]{0,59}$"  # of a dataset: it names folders, tables and panels
STUDENTS = "students_"  # begins the names of datasets that are the artefact estimators' alone


class Preset(Strict):
    """One YAML file: budget, seeds, and settings that depart from the methods' defaults."""

    description: str = Field(pattern=PROSE)
    scale: str = Field(pattern=PROSE)  # every table and figure of this preset carries it
    seeds: tuple[Seed, ...] = Field(min_length=1, max_length=1000)
    checkpoint_seconds: float = Field(60, gt=0)
    methods: dict[str, dict[str, Any]] = {}
    datasets: dict[Annotated[str, Field(pattern=NAME)], DatasetSettings]


def preset_names() -> list[str]:
    """Names of the shipped presets, cheapest first."""
    order = ["smoke", "quick", "full", "paper"]
    names = {p.stem for p in PRESETS.glob("*.yaml")}
    return [n for n in order if n in names] + sorted(names - set(order))


def load_preset(name: str) -> Preset:
    """The preset of that name. Raises UserError if it is unknown or malformed."""
    if name not in preset_names():
        raise unknown("preset", name, preset_names())
    path = PRESETS / f"{name}.yaml"
    text = read(path)
    values = strict_yaml.load(text, path.name)
    preset = validated(
        Preset, values, lambda place: path.name + at_line(text, [place[:n] for n in (9, 2, 1)])
    )
    for methods in (preset.methods, *(d.methods for d in preset.datasets.values())):
        for method in methods:
            if method not in REGISTRY:
                raise UserError(f"{path.name}: {unknown('method', method, REGISTRY)}")
    return preset


def preset_line(name: str, places: list[tuple]) -> str:
    """The line of a preset's file where the first of those settings stands, in words."""
    return at_line(read(PRESETS / f"{name}.yaml"), places)
