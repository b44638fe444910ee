"""From findings to a verdict, and which folder of results a claim rests on.

A verdict is

- supported, refuted: every comparison holds, or one fails, by fresh seeds of faithful runs that
  learned, were long enough and have settled;
- holds so far, fails so far: the same by runs that lack something of it, but learned;
- undecided: a comparison is open;
- not run: evidence with the released settings is missing.

What runs with other settings say stands beside it and decides nothing. Claims that are ``ours`` and
not the paper's are counted apart, and name their settings themselves.

Each claim rests on one folder of results, the best by what was run and not by what came out: the
one with most comparisons, with enough seeds, with fresh ones, with seconds that compare or the
densest evaluations, where these are what is claimed, then with the most training and seeds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from benchmark.experiments.extent import UNRELEASED, percent
from benchmark.report.claims.claim import Claim
from benchmark.report.claims.curves import LOSSES
from benchmark.report.claims.evidence import Evidence
from benchmark.report.claims.finding import MIN_SEEDS, Finding
from benchmark.report.claims.frozen import FROZEN
from benchmark.report.claims.price import price
from metrics.comparison import holm

Verdict = Literal[
    "supported", "refuted", "holds so far", "fails so far", "undecided", "not run"
]  # fmt: skip
VERDICTS: tuple[Verdict, ...] = (
    "supported", "refuted", "holds so far", "fails so far", "undecided", "not run",
)  # fmt: skip
FINAL: tuple[Verdict, ...] = ("supported", "refuted")
ORDER = ("fails", "missing", "open", "holds")  # of outcomes: the first present decides
CHOSEN = f"by seeds that chose the rules (below {FROZEN.confirms_from})"


class Judged(NamedTuple):
    """A claim with its verdict. findings: with Holm-corrected p. deciding: the finding that the
    verdict rests on. share: of the released training; None for what is not trained. substitute:
    what runs with other settings say, in words. cost: of deciding it, where it is not.
    """

    claim: Claim
    verdict: Verdict
    reason: str
    findings: list[Finding]
    deciding: Finding
    preset: str
    share: float | None
    departures: str
    scale: str
    apt: tuple[bool, float]  # whether seconds compare; evaluations per update; where that matters
    fresh: bool
    substitute: str = ""
    cost: str = ""


def judge(claim: Claim, evidence: Iterable[Evidence]) -> Judged:
    """A claim's verdict on the best of some folders."""
    timed = getattr(claim.rule, "statistic", "") == "seconds"
    every = list(evidence)
    folders = [folder for folder in every if timed or not folder.seconds_only] or every
    found = [_judge(claim, view) for folder in folders for view in _views(claim, folder)]
    faithful = [one for one in found if claim.ours or not one.departures]
    elsewhere = [_judge(claim.on(name), folder) for name in claim.substitutes for folder in folders]
    others = [one for one in (*found, *elsewhere) if not claim.ours and one.departures]
    best = max(faithful or others, key=_rank)
    if others and (not faithful or not _labels(best.findings)):
        none = Finding(best.deciding.comparison, "missing", "no runs with the released settings")
        best = best._replace(
            verdict="not run", reason=none.reason, findings=[none], deciding=none, departures=""
        )
    cost = ""
    if best.verdict not in FINAL and not claim.computed and not claim.ours:
        cost = price(claim.rule, folders)
    return best._replace(substitute=_substitute(others), cost=cost)


def _views(claim: Claim, folder: Evidence) -> list[Evidence]:
    """A folder whole, and its fresh seeds alone."""
    return [folder, *([] if claim.computed else [folder.fresh(FROZEN.confirms_from)])]


def _substitute(others: list[Judged]) -> str:
    """What the best of the runs with other settings say that decide, in words."""
    decided = [one for one in others if one.deciding.outcome in ("holds", "fails")]
    if not decided:
        return ""
    best = max(decided, key=_rank)
    return f"{best.deciding.outcome} in a substitute: {best.preset}, {best.departures}"


def _judge(claim: Claim, folder: Evidence) -> Judged:
    findings = claim.rule.findings(folder)
    known = [i for i, f in enumerate(findings) if f.p == f.p]
    for i, p in zip(known, holm([findings[i].p for i in known]), strict=True):
        findings[i] = findings[i]._replace(p=p)
    share, departures, scale = _provenance(claim, folder, findings)
    deciding = min(findings, key=_weight)
    apt = _apt(claim, folder, _labels(findings))
    fresh = claim.computed or folder.since >= FROZEN.confirms_from
    verdict, reason = _verdict(deciding, fresh)
    return Judged(
        claim, verdict, reason, findings, deciding, folder.name, share, departures, scale, apt,
        fresh,
    )  # fmt: skip


def _weight(finding: Finding) -> tuple:
    """What decides comes first: of comparisons that fail one that is not pending, of those that
    hold one that is, then the least clear one.
    """
    pending = bool(finding.pending) != (finding.outcome == "holds")
    width = finding.high - finding.low
    clear = abs(finding.estimate) / width if width > 0 else float("inf")
    return ORDER.index(finding.outcome), pending, clear


def _verdict(deciding: Finding, fresh: bool) -> tuple[Verdict, str]:
    if deciding.outcome == "missing":
        return "not run", deciding.reason
    if deciding.outcome == "open":
        return "undecided", deciding.reason
    holds = deciding.outcome == "holds"
    lacking = [deciding.pending] if deciding.pending else []
    lacking += [] if fresh else [CHOSEN]
    if lacking:
        return "holds so far" if holds else "fails so far", "; ".join(lacking)
    return "supported" if holds else "refuted", deciding.reason


def _apt(claim: Claim, folder: Evidence, labels: list[str]) -> tuple[bool, float]:
    """How fit runs are for what is claimed of them, besides their length. What is lost and regained
    between two evaluations is not counted, so such counts are the better the denser these are.
    """
    rule = claim.rule
    if claim.computed:
        return True, 0.0
    counted = rule.statistic in LOSSES
    budgets = [folder.results.recorded_budget(rule.dataset, label) for label in labels if counted]
    density = min((b["evaluations"] / b["iterations"] for b in budgets), default=0.0)
    return not rule.untimed(folder, labels), density


def _provenance(
    claim: Claim, folder: Evidence, findings: list[Finding]
) -> tuple[float | None, str, str]:
    if claim.computed:
        return None, "", "computed, not trained"
    dataset = claim.rule.dataset
    labels = _labels(findings)
    if not labels:
        return None, "", ""
    changed = {k: v for label in labels for k, v in folder.departures(dataset, label).items()}
    asked = claim.rule.asked()
    words = ", ".join(f"{k}={v}" for k, v in sorted(changed.items()) if k not in asked)
    return min(folder.share(dataset, label) for label in labels), words, folder.scale(dataset)


def _labels(findings: list[Finding]) -> list[str]:
    """Of the runs that were compared."""
    return list(dict.fromkeys(label for f in findings for label in f.labels))


def _rank(judged: Judged) -> tuple:
    present = sum(f.outcome != "missing" for f in judged.findings)
    seeds = min((f.n for f in judged.findings if f.outcome != "missing"), default=0)
    return (
        present,
        min(seeds, MIN_SEEDS),
        judged.fresh,
        judged.apt,
        judged.share or 0.0,
        seeds,
    )


def extent(judged: Judged) -> str:
    """The least training among the runs compared, in words."""
    if judged.claim.rule.dataset in UNRELEASED:
        return f"{percent(judged.share)} of the training of preset paper, none being released"
    return f"{percent(judged.share)} of the released training"
