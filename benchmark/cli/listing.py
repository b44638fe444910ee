"""What there is to name on the command line, with a line each; imports nothing heavy."""

from __future__ import annotations

import ast

from benchmark.artefacts import ARTEFACTS, module
from benchmark.core.paths import ROOT
from benchmark.data import DATASETS
from benchmark.experiments.presets import experiments, scales
from benchmark.experiments.variants import named_variants
from methods import REGISTRY


def listing() -> str:
    """Methods, their named variants, data, experiments, presets and artefacts."""
    blocks = {
        "methods (--methods)": {key: first_line(name) for key, name in REGISTRY.items()},
        "variants of methods (--methods)": {
            f"{key}[{name}]": entry["why"]
            for key, variants in named_variants().items()
            for name, entry in variants.items()
        },
        "data, what points are drawn from": {key: entry.title for key, entry in DATASETS.items()},
        "experiments, what is compared on them (--dataset)": {
            key: f"{entry.about} (in {', '.join(entry.at)})" for key, entry in experiments().items()
        },
        "presets, how much of it (--preset)": {key: scale.about for key, scale in scales().items()},
        "artefacts, what is drawn (--reproduce)": {
            key: first_line(module(key)) for key in ARTEFACTS
        },
    }
    return "\n".join(
        line
        for title, entries in blocks.items()
        for line in (f"{title}:", *(f"  {key:30} {text}" for key, text in entries.items()))
    )


def first_line(name: str) -> str:
    """First line of a module's docstring, read without importing it."""
    source = ROOT.joinpath(*name.split(".")).with_suffix(".py").read_text()
    return (ast.get_docstring(ast.parse(source)) or "").splitlines()[0]
