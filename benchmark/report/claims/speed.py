"""The rule that methods reach a target one sooner than the other."""

from __future__ import annotations

import math
import warnings
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field

from benchmark.report.claims.curves import MEASURED
from benchmark.report.claims.evidence import Evidence
from benchmark.report.claims.finding import LEVEL, MIN_SEEDS, Finding, Outcome
from benchmark.report.claims.frozen import FROZEN
from benchmark.report.claims.quantity import OverRuns


class Sooner(OverRuns):
    """Each method reaches the target of its data (``rules.yaml``) sooner than the one before it, by
    the log-rank test of the updates to the first evaluation there; a run that never gets there is
    censored at its end.
    """

    kind: Literal["sooner"]
    methods: tuple[str, ...] = Field(min_length=2)

    def named(self) -> tuple[str, ...]:
        """The methods."""
        return self.methods

    def findings(self, evidence: Evidence) -> list[Finding]:
        """One per neighbouring pair."""
        pairs = list(zip(self.methods[1:], self.methods, strict=False))
        return [self._finding(evidence, one, other, len(pairs)) for one, other in pairs]

    def _finding(self, evidence: Evidence, one: str, other: str, pairs: int) -> Finding:
        name = f"updates until {MEASURED[self.metric].label} is at the target, {one} below {other}"
        labels = {m: evidence.find(self.dataset, m) for m in (one, other)}
        if absent := [m for m, label in labels.items() if label is None]:
            return Finding(name, "missing", f"no runs of {' and '.join(absent)} on {self.dataset}")
        value = FROZEN.guards(evidence.results.data(self.dataset), self.metric)[self.metric]
        shown = tuple(labels.values())
        ran = [evidence.ran(self.dataset, label) for label in shown]
        first = [evidence.reached(self.dataset, label, self.metric, value) for label in shown]
        reached = [
            updates.reindex(end.index, fill_value=np.inf)
            for updates, end in zip(first, ran, strict=True)
        ]
        n = min(map(len, reached))
        early, late = reached
        medians = early.median(), late.median()
        gap = medians[0] - medians[1] if np.isfinite(medians).all() else math.nan
        words = " and ".join(
            f"{int(np.isfinite(r).sum())} of {len(r)} runs of {m} reached {value:g}"
            for m, r in zip(labels, reached, strict=True)
        )
        if n < MIN_SEEDS:
            words = f"too few seeds ({n}; {MIN_SEEDS} needed)"
            return Finding(name, "open", words, gap, n=n, labels=shown)
        statistic, p = log_rank(early, ran[0], late, ran[1])
        return Finding(name, decided(statistic, p, pairs), words, gap, p=p, n=n, labels=shown)


def log_rank(
    early: pd.Series, early_end: pd.Series, late: pd.Series, late_end: pd.Series
) -> tuple[float, float]:
    """The statistic, above 0 where the former get there sooner, and its two-sided p: 0 and 1 where
    no run gets there, or all do at once. Of two samples: updates, and where each run ended.
    """
    from scipy.stats import CensoredData, logrank

    samples = [
        CensoredData(r[np.isfinite(r)].to_numpy(), right=end[~np.isfinite(r)].to_numpy())
        for r, end in ((early, early_end), (late, late_end))
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # 0 / 0 in the cases named
        found = logrank(*samples)
    return (0.0, 1.0) if np.isnan(found.pvalue) else (float(found.statistic), float(found.pvalue))


def decided(statistic: float, p: float, comparisons: int) -> Outcome:
    """What refutes has the level of one comparison among several."""
    if statistic > 0 and p <= 1 - LEVEL:
        return "holds"
    return "fails" if statistic < 0 and p <= (1 - LEVEL) / comparisons else "open"
