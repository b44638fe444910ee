"""Whether runs may decide: they learned, were long enough, and have settled (docs/CLAIMS.md).

Each function says in words why they may not, nothing where they may.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from benchmark.report.claims.curves import MEASURED
from benchmark.report.claims.evidence import Evidence
from benchmark.report.claims.finding import Outcome
from benchmark.report.claims.frozen import FROZEN
from benchmark.report.claims.quantity import OverRuns
from metrics.intervals import t_interval

Range = tuple[float, float]
ANY_LENGTH = ("seconds",)  # statistics of which neither learning nor settling is asked
LEVELS = ("final", "late")  # those that settle


def slowest(rule: OverRuns, evidence: Evidence, label: str) -> dict[str, float]:
    """Of each guard, generator updates until the slowest seed was there: infinite where one never
    was, NaN where it was not measured. Empty where nothing is asked.
    """
    if rule.statistic in ANY_LENGTH:
        return {}
    guards = FROZEN.guards(evidence.results.data(rule.dataset), rule.metric)
    return {
        metric: float(evidence.reached(rule.dataset, label, metric, value).max())
        for metric, value in guards.items()
    }


def unlearned(rule: OverRuns, evidence: Evidence, labels: Mapping[str, str]) -> str:
    """labels: of the methods compared. Whom the claim says to fail need not have learned."""
    guards = FROZEN.guards(evidence.results.data(rule.dataset), rule.metric)
    for method, label in labels.items():
        if method in rule.fails:
            continue
        for metric, slow in slowest(rule, evidence, label).items():
            if math.isinf(slow):
                name = MEASURED[metric].label
                return f"{method} has not learned: {name} never at {guards[metric]:g} in some run"
    return ""


def hurried(rule: OverRuns, evidence: Evidence, labels: Mapping[str, str]) -> str:
    """Whom the claim says to fail needs the time of the others that it names."""
    slow = {}
    for method in rule.named():
        label = evidence.find(rule.dataset, method)
        if label and method not in rule.fails:
            found = slowest(rule, evidence, label)
            if unknown := [m for m, updates in found.items() if math.isnan(updates)]:
                return f"{MEASURED[unknown[0]].label} of {method} was not measured"
            slow[method] = max(found.values(), default=0.0)
    for method, label in labels.items():
        others = max(slow.values(), default=0.0)
        needed = FROZEN.factor * (others if method in rule.fails else slow[method])
        ran = evidence.ran(rule.dataset, label).min()
        if not ran >= needed:
            return f"{method} ran for {ran:,.0f} updates of {needed:,.0f} needed"
    return ""


def unsettled(
    rule: OverRuns,
    evidence: Evidence,
    label: str,
    decided: tuple[Outcome, float, Range],
    margin: float = 0.0,
) -> str:
    """decided: what was found, the value that it is of, and the range accepted of it, on the scale
    on which the metric changes.
    """
    if rule.statistic not in LEVELS:
        return ""
    ends = evidence.thirds(rule.dataset, label, rule.metric)
    if ends.empty:  # all broke, and change no more
        return ""
    if ends["evaluations"].min() < FROZEN.least_evaluations:
        return f"{label} has too few evaluations to tell whether it has settled"
    moved = (ends["late"] - ends["middle"]).where(
        ends["late"] != ends["middle"], 0.0
    )  # or infinite
    change = t_interval(moved, FROZEN.settled)[1:]
    if stands(*decided, change, margin):
        return ""
    return f"{label} still changes by {change[0]:.3g} to {change[1]:.3g} from third to third"


def stands(outcome: Outcome, value: float, accepted: Range, change: Range, margin: float) -> bool:
    """Whether the change of a value, either way, stays within the margin, or a share of the way to
    the other side.
    """
    low, high = accepted
    if outcome == "holds":
        way = min(value - low, high - value)
    else:
        way = max(low - value, value - high)
    return max(-change[0], change[1]) <= max(margin, FROZEN.share * way)
