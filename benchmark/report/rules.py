"""Rules that decide claims: a small set of kinds, each turning evidence into findings."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from benchmark.core.schema import Strict
from benchmark.experiments.labels import parse_label
from benchmark.report.checks import Figure
from benchmark.report.evidence import COUNTS, Evidence, Statistic
from benchmark.report.finding import INFINITE, LEVEL, MIN_SEEDS, Finding, Outcome, outcome_of
from benchmark.results.scale import clocks
from metrics import METRICS
from metrics.comparison import cautious, difference, permutation_p, superiority, t_difference
from metrics.intervals import t_interval

# Share of the variance that a line must explain to count as one. Over K = 1, 3, 5, 15 it explains
# 98.8 % of K^1.5, 99.5 % of K^1.3 and 99.9 % of K^1.1, whatever the constant cost of an update.
STRAIGHT = 0.995


class _Runs(Strict):
    """What every rule over runs has."""

    dataset: str
    metric: str = ""
    statistic: Statistic = "final"
    level: float = math.nan  # of the statistic "updates"

    def direction(self) -> int:
        """1 where more is better, else -1."""
        if self.statistic in (*COUNTS, "seconds"):
            return -1
        return 1 if METRICS[self.metric].higher_is_better else -1

    def quantity(self) -> str:
        """What is compared, in words."""
        label = METRICS[self.metric].label if self.metric else ""
        return {
            "final": label,
            "average": f"{label}, mean over training",
            "updates": f"generator updates until {label} stays at {self.level:g} or better",
            "drops": f"{label}, lost during training",
            "setbacks": f"{label}, lost per gained during training",
            "seconds": "seconds per update",
        }[self.statistic]

    def asked(self) -> set[str]:
        """Settings that the claim itself names, in the brackets of its methods."""
        return {key for method in self.named() for key in parse_label(method).settings}

    def untimed(self, evidence: Evidence, labels: Iterable[str]) -> str:
        """Why seconds of these runs do not compare; nothing where they do, or none are compared."""
        if self.statistic != "seconds":
            return ""
        timed = clocks(evidence.results, self.dataset, labels)
        if len(timed) > 1:
            return f"timed under unlike conditions: {' and '.join(timed)}"
        records = evidence.results.records(self.dataset, labels)
        if any(record.get("stacked", 1) > 1 for record in records):
            return "the seconds of seeds that were trained as one program are one reading"
        if any(record.get("shared") for record in records):
            return "timed beside other programs"
        return ""

    def sample(self, evidence: Evidence, method: str) -> tuple[str, pd.Series] | None:
        """The label and the number of every run; None where there are none."""
        label = evidence.find(self.dataset, method)
        if label is None:
            return None
        found = evidence.sample(self.dataset, label, self.metric, self.statistic, self.level)
        return (label, found) if len(found := found.dropna()) else None


class Bound(_Runs):
    """The mean of each method is at least, at most, or within a distance of a value.

    seeds: whether instead some run is, or besides every run. also: metrics of which as much is
    claimed, at least as good as these. besides: such metrics that only guard, where an untrained
    generator may be within the bound; what fails them is not what the claim is about.
    """

    kind: Literal["at_least", "at_most", "near"]
    methods: tuple[str, ...] = Field(min_length=1)
    value: float
    within: float = 0.0
    seeds: Literal["mean", "every", "some"] = "mean"
    also: dict[str, float] = Field(default_factory=dict)
    besides: dict[str, float] = Field(default_factory=dict)

    def named(self) -> tuple[str, ...]:
        """The methods."""
        return self.methods

    def findings(self, evidence: Evidence) -> list[Finding]:
        """One per method and metric."""
        bounds = [self, *(self._of(metric, value) for metric, value in self.also.items())]
        guards = [self._of(metric, value) for metric, value in self.besides.items()]
        found = [bound._finding(evidence, m) for bound in bounds for m in self.methods]
        found += [_guard(guard._finding(evidence, m)) for guard in guards for m in self.methods]
        return found

    def _of(self, metric: str, value: float) -> Bound:
        """The same of another metric, at the end."""
        kind = "at_least" if METRICS[metric].higher_is_better else "at_most"
        changed = {"kind": kind, "metric": metric, "value": value, "statistic": "final"}
        return self.model_copy(update=changed)

    def _finding(self, evidence: Evidence, method: str) -> Finding:
        words = {"at_least": "at least", "at_most": "at most", "near": "near"}[self.kind]
        name = f"{self.quantity()}, {method} {words} {self.value:g}"
        found = self.sample(evidence, method)
        if found is None:
            return Finding(name, "missing", f"no runs of {method} on {self.dataset}")
        label, values = found
        inside = {
            "at_least": (self.value, math.inf),
            "at_most": (-math.inf, self.value),
            "near": (self.value - self.within, self.value + self.within),
        }[self.kind]
        mean, low, high = _interval(values)
        strict = _interval(values, 1 - (1 - LEVEL) / len(self.methods))[1:]
        outcome = outcome_of((low, high), strict, inside, len(values))
        if self.seeds != "mean" and len(values) >= MIN_SEEDS:
            within = int(values.between(*inside).sum())
            outcome = _of_runs(self.seeds, within, len(values), outcome)
        worst = math.inf if self.statistic != "final" else METRICS[self.metric].miss
        if evidence.results.missed(self.dataset, label) and inside[0] <= worst <= inside[1]:
            outcome = ("open", "a run that did not complete counts, with a value that is claimed")
        return Finding(name, *outcome, mean, low, high, n=len(values), labels=(label,))


def _of_runs(seeds: str, within: int, n: int, of_mean: tuple[Outcome, str]) -> tuple[Outcome, str]:
    """What runs within a bound say of a claim on every or some of them."""
    if seeds == "some":
        return ("holds", f"{within} of {n} runs") if within else ("fails", f"in none of {n} runs")
    return ("fails", f"{n - within} of {n} runs outside") if within < n else of_mean


def _guard(finding: Finding) -> Finding:
    """One that can keep a claim from support, but not refute it."""
    if finding.outcome == "fails":
        finding = finding._replace(outcome="open", reason=f"{finding.comparison} fails")
    return finding._replace(beside=True)


class Contrast(_Runs):
    """A method against others, by ``metrics.comparison.difference``.

    better: better than each. no_better: better than each by no more than ``margin``. no_worse:
    worse than none by more than ``margin``. alike: both. Seeds of variants of one method are pairs:
    they start alike and see the same data, on one kind of device. rival: what the mean of at least
    one of the others must reach, for a lead over them to mean anything.
    """

    kind: Literal["better", "no_better", "no_worse", "alike"]
    method: str
    than: tuple[str, ...] = Field(min_length=1)
    margin: float = 0.0
    rival: float | None = None

    def named(self) -> tuple[str, ...]:
        """The methods."""
        return (self.method, *self.than)

    def findings(self, evidence: Evidence) -> list[Finding]:
        """One per competitor."""
        found = [contrast(self, evidence, self.method, m, len(self.than)) for m in self.than]
        if self.rival is None or self._rivalled(evidence):
            return found
        reason = f"no competitor reaches {self.rival:g}: a lead over runs that learned nothing"
        return [f._replace(outcome="open", reason=reason) if f.outcome == "holds" else f
                for f in found]  # fmt: skip

    def _rivalled(self, evidence: Evidence) -> bool:
        """Whether some competitor's mean is at least as good as ``rival``."""
        samples = [found[1] for m in self.than if (found := self.sample(evidence, m))]
        sign = self.direction()
        return any(sign * values.mean() >= sign * self.rival for values in samples)

    def accepted(self) -> tuple[float, float]:
        """Where the difference, counted so that more is better, must lie."""
        return {
            "better": (0.0, math.inf),
            "no_better": (-math.inf, self.margin),
            "no_worse": (-self.margin, math.inf),
            "alike": (-self.margin, self.margin),
        }[self.kind]


class Ordered(_Runs):
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
    words = others.get(rule.kind, better)
    name = f"{rule.quantity()}, {method} {words} {other}"
    found = {m: rule.sample(evidence, m) for m in (method, other)}
    absent = [m for m, sample in found.items() if sample is None]
    if absent:
        return Finding(name, "missing", f"no runs of {' and '.join(absent)} on {rule.dataset}")
    (label, a), (other_label, b) = found[method], found[other]
    records = evidence.results.records(rule.dataset, (label, other_label))
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
    if outcome[0] == "fails" and rule.statistic == "updates" and gap == 0:
        outcome = ("open", "equal in every seed, as far as evaluations tell")
    if (replaced := int((least != b).sum())) and outcome[0] != "open":
        words = f"{replaced} of {len(b)} runs of {other} count as its worst finite one"
        # Against too good a rival, only success means anything.
        outcome = ("holds", words) if outcome[0] == "holds" else ("open", INFINITE)
    if reason := rule.untimed(evidence, (label, other_label)):
        return Finding(name, "open", reason, gap, n=n, labels=(label, other_label))
    return Finding(
        name,
        *outcome,
        gap,
        low,
        high,
        superiority(sign * a, sign * b, paired),
        permutation_p(a, b, paired),
        n,
        (label, other_label),
    )


def _least(rule: Contrast | Ordered, rival: pd.Series) -> pd.Series:
    """A rival's values with the worst finite one in place of infinite ones, which favours it; they
    stay where no value is finite, or where that would favour the claim.
    """
    finite = rival[np.isfinite(rival)]
    if finite.empty or rule.kind in ("no_better", "alike"):
        return rival
    return rival.where(np.isfinite(rival), finite.min() if rule.direction() > 0 else finite.max())


def _interval(values: pd.Series, level: float = LEVEL) -> tuple[float, float, float]:
    """``t_interval``; of values that are all infinite, no more than that."""
    mean, low, high = t_interval(values, level)
    every = len(values) > 1 and np.isinf(values).all()
    return (mean, mean, mean) if every else (mean, low, high)


class Linear(_Runs):
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


Rule = Annotated[Bound | Contrast | Ordered | Linear | Figure, Field(discriminator="kind")]
