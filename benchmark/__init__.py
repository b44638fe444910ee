"""LBT-Bench: trains every method under one loop, measures it, and draws the paper's artefacts.

As a library: ``train``, ``measure`` and ``load_generator``, imported when they are asked for.
"""

import importlib

__all__ = ["load_generator", "measure", "train"]


def __getattr__(name: str):
    if name in __all__:
        return getattr(importlib.import_module("benchmark.api"), name)
    raise AttributeError(f"module 'benchmark' has no attribute {name!r}")
