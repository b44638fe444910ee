"""Kinds of rules that claims name: each turns evidence into findings, never into verdicts."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from benchmark.report.claims.checks import Figure
from benchmark.report.claims.contrast import Contrast, Ordered
from benchmark.report.claims.curves import LOSSES, MEASURED, scaled, unscaled
from benchmark.report.claims.evidence import Evidence
from benchmark.report.claims.finding import LEVEL, MIN_SEEDS, Finding, Outcome, outcome_of
from benchmark.report.claims.frozen import FROZEN
from benchmark.report.claims.linear import Linear
from benchmark.report.claims.quantity import OverRuns
from benchmark.report.claims.readiness import hurried, unlearned, unsettled
from benchmark.report.claims.speed import Sooner
from metrics.intervals import t_interval


class Bound(OverRuns):
    """The mean of each method is at least, at most, or within a distance of a value: of divergences
    the geometric mean.

    seeds: whether instead some run is, or besides every run. also: metrics of which as much is
    claimed at the end, at least as good as these.
    """

    kind: Literal["at_least", "at_most", "near"]
    methods: tuple[str, ...] = Field(min_length=1)
    value: float
    within: float = 0.0
    seeds: Literal["mean", "every", "some"] = "mean"
    also: dict[str, float] = Field(default_factory=dict)

    def named(self) -> tuple[str, ...]:
        """The methods."""
        return self.methods

    def findings(self, evidence: Evidence) -> list[Finding]:
        """One per method and metric."""
        bounds = [self, *(self._of(metric, value) for metric, value in self.also.items())]
        return [bound._finding(evidence, m) for bound in bounds for m in self.methods]

    def _of(self, metric: str, value: float) -> Bound:
        """The same of another metric, at the end."""
        kind = "at_least" if MEASURED[metric].higher_is_better else "at_most"
        changed = {"kind": kind, "metric": metric, "value": value, "statistic": "final"}
        return self.model_copy(update=changed)

    def _accepted(self) -> tuple[float, float]:
        """The values within the bound."""
        return {
            "at_least": (self.value, math.inf),
            "at_most": (-math.inf, self.value),
            "near": (self.value - self.within, self.value + self.within),
        }[self.kind]

    def _finding(self, evidence: Evidence, method: str) -> Finding:
        words = {"at_least": "at least", "at_most": "at most", "near": "near"}[self.kind]
        name = f"{self.quantity()}, {method} {words} {self.value:g}"
        found = self.sample(evidence, method)
        if found is None:
            return Finding(name, "missing", f"no runs of {method} on {self.dataset}")
        label, values = found
        on_scale = scaled(values, self.metric)
        inside = tuple(x if math.isinf(x) else scaled(x, self.metric) for x in self._accepted())
        mean, low, high = _interval(on_scale)
        strict = _interval(on_scale, 1 - (1 - LEVEL) / len(self.methods))[1:]
        outcome = outcome_of((low, high), strict, inside, len(values))
        if self.seeds != "mean" and len(values) >= MIN_SEEDS:
            within = int(values.between(*self._accepted()).sum())
            outcome = _of_runs(self.seeds, within, len(values), outcome)
        worst = math.inf if self.statistic in LOSSES else MEASURED[self.metric].miss
        broken = evidence.results.missed(self.dataset, label)
        if broken and self._accepted()[0] <= worst <= self._accepted()[1]:
            outcome = ("open", "a run that did not complete counts, with a value that is claimed")
        if reason := unlearned(self, evidence, {method: label}):
            outcome = ("open", reason)
        pending = ""
        if outcome[0] != "open":
            distances = np.minimum(on_scale - inside[0], inside[1] - on_scale)
            value = mean if self.seeds == "mean" else on_scale[distances.idxmin()]
            margin = FROZEN.margin(evidence.results.data(self.dataset), self.metric)
            pending = hurried(self, evidence, {method: label}) or unsettled(
                self, evidence, label, (outcome[0], value, inside), margin
            )
        shown = [unscaled(x, self.metric) for x in (mean, low, high)]
        return Finding(name, *outcome, *shown, n=len(values), labels=(label,), pending=pending)


def _of_runs(seeds: str, within: int, n: int, of_mean: tuple[Outcome, str]) -> tuple[Outcome, str]:
    """What runs within a bound say of a claim on every or some of them."""
    if seeds == "some":
        return ("holds", f"{within} of {n} runs") if within else ("fails", f"in none of {n} runs")
    return ("fails", f"{n - within} of {n} runs outside") if within < n else of_mean


def _interval(values: pd.Series, level: float = LEVEL) -> tuple[float, float, float]:
    """``t_interval``; of values that are all infinite, no more than that."""
    mean, low, high = t_interval(values, level)
    every = len(values) > 1 and np.isinf(values).all()
    return (mean, mean, mean) if every else (mean, low, high)


Rule = Annotated[Bound | Contrast | Ordered | Sooner | Linear | Figure, Field(discriminator="kind")]
