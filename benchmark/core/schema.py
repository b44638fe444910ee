"""Strict types for settings: unknown keys are refused, a mistake is one line that says where."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from benchmark.core import strict_yaml
from benchmark.core.errors import UserError, shortened, unknown

PROSE = r"^[^<>$\\`|\x00-\x1f\x7f]{1,300}$"  # inert in HTML, LaTeX, Markdown and a terminal


class Strict(BaseModel):
    """Unknown keys, NaN and infinities are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def read(path: Path) -> str:
    """A settings file. Raises UserError where it is no text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{path.name}: is not UTF-8 text") from None


def at_line(text: str, places: list[tuple]) -> str:
    """``, line 7`` of the first place that the YAML text has; nothing where it has none."""
    line = strict_yaml.line(text, *places)
    return f", line {line}" if line else ""


def validated(model: type[BaseModel], values: Any, where: Callable[[tuple], str]) -> Any:
    """``model`` built from ``values``; the first mistake becomes a UserError that begins with where
    its place, keys and indices from the top, comes from.
    """
    try:
        found = model.model_validate(values)
    except ValidationError as error:
        # A misspelt key first: that another one is missing may follow from it.
        first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        place = first["loc"]
        key = shortened(".".join(map(str, place)))
        if first["type"] == "extra_forbidden":
            name = str(place[-1])
            known = _settings_at(model, place)
            raise UserError(f"{where(place)}: {unknown('setting', name, known)}") from None
        got = shortened(repr(first["input"]))
        raise UserError(f"{where(place)}: {key}: {first['msg']}, got {got}") from None
    for name, field in model.model_fields.items():
        if field.annotation in (int, float) and isinstance(values.get(name), bool):
            raise UserError(f"{where((name,))}: {name}: expected a number, got {values[name]}")
    return found


def _settings_at(model: type[BaseModel], place: tuple) -> list[str]:
    """Names that may stand at a place; of a union, those of all its members."""
    models = [model]
    for key in place[:-1]:  # indices and keys of mappings lead to no other model
        fields = [m.model_fields[key] for m in models if key in m.model_fields]
        models = [m for field in fields for m in _models(field.annotation)] or models
    return [name for m in models for name in m.model_fields]


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The models inside a type."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for part in get_args(annotation) for m in _models(part)]
