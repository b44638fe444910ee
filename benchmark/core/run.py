"""The noun that is passed on: one run, with everything that decides its numbers."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any

from pydantic import Field

from benchmark.core.modules import is_plugin
from benchmark.core.schema import PROSE, Strict

MIN_STEPS = 1_000  # below this a cold compile (20 to 40 s for LBT) costs more than it saves
Seed = Annotated[int, Field(ge=0, lt=10**9)]


class DatasetSettings(Strict):
    """What every method shares on one dataset.

    data: which data this is about, if not the one it is named after. about: in a line. feeds:
    artefacts that are made of it. seeds: if not those of the preset. note: what tables and figures
    say of it besides its budget.
    """

    about: str = Field("", pattern=PROSE.replace("{1,", "{0,"))
    feeds: tuple[str, ...] = ()
    data: str | None = None
    seeds: tuple[Seed, ...] | None = Field(None, min_length=1, max_length=1000)
    note: str | None = Field(None, pattern=PROSE)
    iterations: int = Field(ge=1, le=10**9)  # generator updates
    batch: int = Field(ge=1, le=10**6)  # data points, and generated samples, per batch
    z_dim: int = Field(256, ge=1, le=10**6)  # authors' code; of every method of the experiment
    # Of 2D points, for every method alike: modes of the grid are close for a tanh network.
    coordinate_scale: float = Field(1.0, gt=0, le=1e6)
    evaluations: int = Field(
        ge=1, le=10**5
    )  # evenly spaced over the iterations, besides the one at 0
    eval_samples: int = Field(ge=1, le=10**9)  # during training
    final_samples: int = Field(500_000, ge=1, le=10**9)  # at the end; paper section 5.1
    # Methods or variants to train here where the command leaves that open, with the generator
    # updates of each: a comparison at equal time.
    updates: dict[str, Annotated[int, Field(ge=1, le=10**9)]] = {}
    # Evaluations of those, this many updates apart, where counts over training are compared.
    every: int | None = Field(None, ge=1, le=10**9)
    common: dict[str, Any] = {}  # settings of every method that has them
    methods: dict[str, dict[str, Any]] = {}


class Run(Strict):
    """One run, resolved: everything that decides its numbers, besides the code."""

    folder: str  # of the preset's results: its name, with changed budgets in brackets
    dataset: str  # its name in the preset
    data: str  # what that is about
    method: str  # registry key
    label: str  # key, with overrides in brackets: lbt[K=3]
    module: str  # the method's: importable name, or a plugin's file
    source: str  # the data's module, likewise
    seed: int
    budget: DatasetSettings
    settings: dict[str, Any]  # the method's own, complete

    def __str__(self) -> str:
        return f"{self.dataset}/{self.label} seed {self.seed}"

    @property
    def foreign(self) -> bool:
        """Whether code from outside this project takes part: a plugin's method or data."""
        return is_plugin(self.module) or is_plugin(self.source)

    def identity(self) -> dict[str, Any]:
        """The part that decides the numbers."""
        return {
            "data": self.data,
            "method": self.method,
            "seed": self.seed,
            "budget": self.budget.model_dump(
                exclude={
                    "data",
                    "about",
                    "feeds",
                    "seeds",
                    "note",
                    "updates",
                    "every",
                    "common",
                    "methods",
                }  # fmt: skip
            ),
            "settings": self.settings,
        }

    def fingerprint(self, code: str) -> str:
        """Hash of identity and code: equal means the numbers would be equal on the same kind of
        device (a GPU draws other noise) and from the same image files.
        """
        text = json.dumps(self.identity(), sort_keys=True) + code
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def pays(iterations: int) -> bool:
    """Whether a run of that many iterations repays compiling."""
    return iterations >= MIN_STEPS
