"""Rules on methods against others: by a margin, in an order."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field

from benchmark.experiments.labels import parse_label
from benchmark.report.claims.curves import DIVERGENCES, scaled, unscaled
from benchmark.report.claims.evidence import Evidence
from benchmark.report.claims.finding import INFINITE, LEVEL, Finding, outcome_of
from benchmark.report.claims.quantity import OverRuns
from benchmark.report.claims.readiness import hurried, unlearned, unsettled
from metrics.comparison import cautious, difference, permutation_p, superiority, t_difference


class Contrast(OverRuns):
    """A method against others, by ``metrics.comparison.difference``.

    better: better than each. no_better: better than each by no more than ``margin``. no_worse:
    worse than none by more than ``margin``. alike: both. Seeds of variants of one method are pairs:
    they start alike and see the same data, on one kind of device. Divergences are compared by their
    logarithms: the difference is shown as a ratio.
    """

    kind: Literal["better", "no_better", "no_worse", "alike"]
    method: str
    than: tuple[str, ...] = Field(min_length=1)
    margin: float = 0.0

    def named(self) -> tuple[str, ...]:
        """The methods."""
        return (self.method, *self.than)

    def findings(self, evidence: Evidence) -> list[Finding]:
        """One per competitor."""
        return [contrast(self, evidence, self.method, m, len(self.than)) for m in self.than]

    def accepted(self) -> tuple[float, float]:
        """Where the difference, counted so that more is better, must lie."""
        return {
            "better": (0.0, math.inf),
            "no_better": (-math.inf, self.margin),
            "no_worse": (-self.margin, math.inf),
            "alike": (-self.margin, self.margin),
        }[self.kind]


class Ordered(OverRuns):
    """Each method is better than the one before it."""

    kind: Literal["ordered"]
    methods: tuple[str, ...] = Field(min_length=2)

    def named(self) -> tuple[str, ...]:
        """The methods."""
        return self.methods

    def findings(self, evidence: Evidence) -> list[Finding]:
        """One per neighbouring pair."""
        pairs = list(zip(self.methods[1:], self.methods, strict=False))
        return [contrast(self, evidence, better, worse, len(pairs)) for better, worse in pairs]

    def accepted(self) -> tuple[float, float]:
        """As of ``better``."""
        return (0.0, math.inf)


def contrast(
    rule: Contrast | Ordered, evidence: Evidence, method: str, other: str, comparisons: int
) -> Finding:
    """One method against one other."""
    better = "above" if rule.direction() > 0 else "below"
    others = {"no_better": "no better than", "no_worse": "no worse than", "alike": "like"}
    ratio = ", ratio" if rule.metric in DIVERGENCES else ""
    name = f"{rule.quantity()}{ratio}, {method} {others.get(rule.kind, better)} {other}"
    found = {m: rule.sample(evidence, m) for m in (method, other)}
    absent = [m for m, sample in found.items() if sample is None]
    if absent:
        return Finding(name, "missing", f"no runs of {' and '.join(absent)} on {rule.dataset}")
    labels = {m: label for m, (label, _) in found.items()}
    a, b = (scaled(values, rule.metric) for _, values in found.values())
    records = evidence.results.records(rule.dataset, labels.values())
    devices = {record["device"] for record in records if "device" in record}
    paired = parse_label(method).key == parse_label(other).key and len(devices) < 2
    if paired:
        both = a.index.intersection(b.index)
        if not len(both):
            reason = f"{method} and {other} have no seed in common on {rule.dataset}"
            return Finding(name, "missing", reason)
        a, b = a[both], b[both]
    n, sign = min(len(a), len(b)), rule.direction()
    least = _least(rule, b)
    order = rule.kind in ("better", "ordered")
    # That methods do not differ is not for ranks, which one collapse among many runs hardly moves.
    gap, low, high = (difference if order else t_difference)(a, least, paired)
    strict = cautious(sign * a, sign * least, paired, 1 - (1 - LEVEL) / comparisons)
    oriented = (low, high) if sign > 0 else (-high, -low)
    outcome = outcome_of(oriented, strict, rule.accepted(), n, order)
    if (replaced := int((least != b).sum())) and outcome[0] != "open":
        words = f"{replaced} of {len(b)} runs of {other} count as its worst finite one"
        # Against too good a rival, only success means anything.
        outcome = ("holds", words) if outcome[0] == "holds" else ("open", INFINITE)
    back = [unscaled(x, rule.metric) for x in (gap, low, high)]
    shown = tuple(labels.values())
    if reason := rule.untimed(evidence, shown) or unlearned(rule, evidence, labels):
        return Finding(name, "open", reason, *back, n=n, labels=shown)
    pending = ""
    if outcome[0] != "open":
        decided = (outcome[0], sign * gap, rule.accepted())
        pending = (
            hurried(rule, evidence, labels)
            or unsettled(rule, evidence, labels[method], decided)
            or unsettled(rule, evidence, labels[other], decided)
        )
    return Finding(
        name,
        *outcome,
        *back,
        superiority(sign * a, sign * b, paired),
        permutation_p(a, b, paired),
        n,
        shown,
        pending,
    )


def _least(rule: Contrast | Ordered, rival: pd.Series) -> pd.Series:
    """A rival's values with the worst finite one in place of infinite ones, which favours it; they
    stay where no value is finite, or where that would favour the claim.
    """
    finite = rival[np.isfinite(rival)]
    if finite.empty or rule.kind in ("no_better", "alike"):
        return rival
    return rival.where(np.isfinite(rival), finite.min() if rule.direction() > 0 else finite.max())
