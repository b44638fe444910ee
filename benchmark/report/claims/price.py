"""What it would take to decide a claim."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from benchmark.execution import cost
from benchmark.report.claims.evidence import Evidence, released
from benchmark.report.claims.frozen import FROZEN
from benchmark.report.claims.readiness import slowest
from benchmark.report.claims.rules import OverRuns

SEEDS = 5  # as planned for every claim
TIMED = 1200  # generator updates that tell what one costs


def price(rule: OverRuns, folders: Iterable[Evidence]) -> str:
    """Core-hours of five fresh seeds of every method with the released settings, as long as the
    rule asks for, by the estimates that plans use; nothing of data without a released size. What
    has not settled may take longer; what never learned is taken as the slowest that did, and where
    none did, at the released length.
    """
    job = released()
    if not job.has(rule.dataset):
        return ""
    datasets = (rule.dataset, job.budget(rule.dataset).data)
    rules = [rule.model_copy(update={"dataset": d}) for d in dict.fromkeys(datasets)]
    folders = list(folders)
    needed = {
        method: max((_needed(r, f, method) for r in rules for f in folders), default=0.0)
        for method in rule.named()
    }
    slowest_known, seconds = max(needed.values()), 0.0
    for method in rule.named():
        run = job.runs(rule.dataset, method)[0]
        updates = needed[method] or slowest_known or run.budget.iterations
        updates = TIMED if rule.statistic == "seconds" else int(updates)
        budget = run.budget.model_copy(update={"iterations": updates})
        seconds += SEEDS * cost.seconds(run.model_copy(update={"budget": budget}), Path("none"))
    hours = seconds / 3600
    words = f"about {hours:.2g}" if hours < 10 else f"about {hours:,.0f}"
    known = slowest_known or rule.statistic == "seconds"
    return f"{words} core-hours" + ("" if known else " at the released length")


def _needed(rule: OverRuns, folder: Evidence, method: str) -> float:
    """Updates that a method needs, by faithful runs in a folder that learned; 0 without any."""
    label = folder.find(rule.dataset, method)
    if label is None or folder.departures(rule.dataset, label):
        return 0.0
    slow = max(slowest(rule, folder, label).values(), default=0.0)
    if not math.isfinite(slow) and method not in rule.fails:
        return 0.0
    ran = float(folder.ran(rule.dataset, label).min())
    return max(ran, FROZEN.factor * slow if math.isfinite(slow) else 0.0)
