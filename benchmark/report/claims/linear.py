"""The rule that a quantity grows linearly with a setting."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from benchmark.report.claims.evidence import Evidence
from benchmark.report.claims.finding import LEVEL, MIN_SEEDS, Finding
from benchmark.report.claims.quantity import OverRuns

# Share of the variance that a line must explain to count as one. Over K = 1, 3, 5, 15 it explains
# 98.8 % of K^1.5, 99.5 % of K^1.3 and 99.9 % of K^1.1, whatever the constant cost of an update.
STRAIGHT = 0.995


class Linear(OverRuns):
    """A quantity grows linearly with a setting: a line with a positive slope, whose 95 % interval
    excludes 0, explains at least STRAIGHT of the variance between the means of the methods.
    """

    kind: Literal["linear"]
    methods: dict[str, float] = Field(min_length=3)  # method -> value of the setting

    def named(self) -> tuple[str, ...]:
        """The methods."""
        return tuple(self.methods)

    def findings(self, evidence: Evidence) -> list[Finding]:
        """One: the slope."""
        from scipy.special import stdtrit
        from scipy.stats import linregress

        name = f"{self.quantity()}, slope over {len(self.methods)} settings"
        found = {m: self.sample(evidence, m) for m in self.methods}
        absent = [m for m, sample in found.items() if sample is None]
        if absent:
            reason = f"no runs of {' and '.join(absent)} on {self.dataset}"
            return [Finding(name, "missing", reason)]
        x = [self.methods[m] for m, (_, values) in found.items() for _ in values]
        y = np.concatenate([values for _, values in found.values()])
        fit = linregress(x, y)
        half = stdtrit(len(x) - 2, (1 + LEVEL) / 2) * fit.stderr
        means = [values.mean() for _, values in found.values()]
        straight = linregress(list(self.methods.values()), means).rvalue ** 2
        low, high = fit.slope - half, fit.slope + half
        reason = f"a line explains {100 * straight:.1f} % of the variance between settings"
        least = min(len(values) for _, values in found.values())
        labels = tuple(label for label, _ in found.values())
        if untimed := self.untimed(evidence, labels):
            outcome, reason = "open", untimed
        elif least < MIN_SEEDS:
            outcome, reason = "open", f"too few seeds ({least}; {MIN_SEEDS} needed)"
        elif high <= 0 or straight < STRAIGHT:
            outcome = "fails"
        else:
            outcome = "holds" if low > 0 else "open"
        return [
            Finding(name, outcome, reason, fit.slope, low, high, p=fit.pvalue, n=least,
                    labels=labels)
        ]  # fmt: skip
