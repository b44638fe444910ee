"""What there is to name on the command line, with a line each; imports nothing heavy."""

from __future__ import annotations

import ast

from benchmark.artefacts import ARTEFACTS, module
from benchmark.core import strict_yaml
from benchmark.core.paths import ROOT
from benchmark.data import DATASETS
from benchmark.experiments.presets import PRESETS
from benchmark.experiments.variants import named_variants
from methods import REGISTRY


def listing() -> str:
    """Methods, their named variants, datasets, artefacts and presets."""
    files = sorted(PRESETS.glob("*.yaml"))
    presets = {p.stem: strict_yaml.load(p.read_text(), p.name) for p in files}
    blocks = {
        "methods": {key: first_line(name) for key, name in REGISTRY.items()},
        "variants": {
            f"{key}[{name}]": entry["why"]
            for key, variants in named_variants().items()
            for name, entry in variants.items()
        },
        "datasets": {name: entry.title for name, entry in DATASETS.items()},
        "artefacts": {key: first_line(module(key)) for key in ARTEFACTS},
        "presets": {name: preset["description"] for name, preset in presets.items()},
    }
    return "\n".join(
        line
        for title, entries in blocks.items()
        for line in (f"{title}:", *(f"  {key:18} {text}" for key, text in entries.items()))
    )


def first_line(name: str) -> str:
    """First line of a module's docstring, read without importing it."""
    source = ROOT.joinpath(*name.split(".")).with_suffix(".py").read_text()
    return (ast.get_docstring(ast.parse(source)) or "").splitlines()[0]
