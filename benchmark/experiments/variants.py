"""Variants of methods that have a name, and settings that a kind of data has of its own."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from benchmark.core import strict_yaml
from benchmark.core.errors import UserError, unknown
from benchmark.core.schema import read

DEFAULTS = Path(__file__).parent / "defaults.yaml"
VARIANTS = Path(__file__).parent / "variants.yaml"


@cache
def default_settings() -> dict[str, dict[str, Any]]:
    """``defaults.yaml``: data -> method or ``common`` -> settings."""
    return strict_yaml.load(read(DEFAULTS), DEFAULTS.name)


@cache
def named_variants() -> dict[str, dict[str, dict[str, Any]]]:
    """``variants.yaml``: method -> name -> ``why``, ``settings`` and, by data, ``on``."""
    return strict_yaml.load(read(VARIANTS), VARIANTS.name)


def variant_settings(key: str, variant: str, data: str | None = None) -> dict[str, Any]:
    """What ``variants.yaml`` says of a method's variant (on that data). Raises UserError where it
    has no such variant, or nothing on that data.
    """
    if not variant:
        return {}
    known = named_variants().get(key, {})
    if variant not in known:
        raise unknown(f"variant of {key}", variant, known)
    entry = known[variant]
    on = entry.get("on", {})
    if data is not None and "settings" not in entry and data not in on:
        only = ", ".join(on)
        raise UserError(
            f"{key}[{variant}] has no settings for {data}, only for {only}: choose by --dataset"
        )
    return entry.get("settings", {}) | on.get(data, {})
