"""What a rule finds of a claim: one comparison, and whether it holds.

A finding *holds* where the whole 95 % interval is on the claimed side, *fails* where the whole
interval is on the other side, and is *open* otherwise. An interval that refutes has level
1 - 0.05 / k in a claim of k comparisons, since one failure among many is enough to refute; one that
supports has 95 %, since all of them must hold. p-values are reported beside, Holm-corrected over
the claim, and decide nothing: with 3 seeds an exact two-sided test cannot get below 0.1.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from benchmark.report.claims.frozen import FROZEN

LEVEL = FROZEN.interval
MIN_SEEDS = FROZEN.least_seeds  # two seeds have an interval 12.7 standard errors wide on a side

INFINITE = "no interval, since a run counts as infinite"

Outcome = Literal["holds", "fails", "open", "missing"]


class Finding(NamedTuple):
    """One comparison. estimate, low, high: in the metric's own units. superiority: probability
    that a run of the method is better than one of its competitor. labels: whose runs it rests on.
    pending: why the runs decide it only so far.
    """

    comparison: str
    outcome: Outcome
    reason: str = ""
    estimate: float = math.nan
    low: float = math.nan
    high: float = math.nan
    superiority: float = math.nan
    p: float = math.nan
    n: int = 0
    labels: tuple[str, ...] = ()
    pending: str = ""


def outcome_of(
    interval: tuple[float, float],
    strict: tuple[float, float],
    accepted: tuple[float, float],
    n: int,
    open_ended: bool = False,
) -> tuple[Outcome, str]:
    """Whether an interval lies inside or outside the accepted range, and why it does neither.

    strict: the wider one that refutes. open_ended: the ends of the range do not belong to it.
    """
    if n < MIN_SEEDS:
        return "open", f"too few seeds ({n}; {MIN_SEEDS} needed)"
    if math.isnan(interval[0]):
        return "open", INFINITE
    inside = accepted[0] <= interval[0] and interval[1] <= accepted[1]
    if inside and not (open_ended and interval[0] == accepted[0]):
        return "holds", ""
    if strict[1] < accepted[0] or strict[0] > accepted[1]:
        return "fails", ""
    if open_ended and strict == (0.0, 0.0):
        return "fails", "equal in every seed"
    return "open", "interval too wide"
