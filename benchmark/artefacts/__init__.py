"""One file per table or figure: which runs it needs, and how it is drawn.

Each has an ``ARTEFACT``; its name stands in ARTEFACTS, the experiments that it is made of name it
under ``feeds``, and ``report/page/paper.yaml`` has what the paper shows there. It reads results and
never trains; one that is pure computation needs no runs.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from benchmark.experiments.job import Job
    from benchmark.results.view import Results

ARTEFACTS = (
    "fig1", "fig2", "fig3", "table1", "fig4", "fig5", "fig6", "fig7", "fig8", "theory", "estimators"
)  # fmt: skip


class Artefact(NamedTuple):
    """needs: (dataset, method) of its runs. draw: writes its files, and returns their paths; none
    where runs are missing. one_seed: whether it shows samples of a single run.
    """

    needs: Callable[[Job], list[tuple[str, str]]]
    draw: Callable[[Results, Job], list[Path]]
    one_seed: bool = False


def module(name: str) -> str:
    """Importable name of an artefact's file."""
    return f"{__name__}.{name}"


def load(name: str) -> Artefact:
    """The artefact of that name."""
    return importlib.import_module(module(name)).ARTEFACT
