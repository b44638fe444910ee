"""From findings to a verdict, and which folder of results a claim rests on.

A verdict is

- supported: every comparison holds, in runs with enough training for it to mean something: BARELY
  of the released one (an untrained generator may be within a bound, or ahead of another), and
  ``enough`` where the claim is that there is no difference;
- not supported: one fails, in runs of the released settings with at least ``enough`` of the
  released training (generator updates times batch);
- inconclusive: one holds or fails at a smaller scale, fails with other settings, or is open;
- not run: evidence is missing.

Claims that are ``ours`` and not the paper's are counted apart. Their bounds are for a preset of the
project's own: its settings keep no failure from counting, ``enough`` is its share of the released
training, and support takes none.

Each claim rests on one folder of results, the best by what was run and not by what came out: first
those with all comparisons, then with enough seeds, then with seconds that compare, or the densest
evaluations, where these are what is claimed, then with the released settings, then the one with the
most training.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from benchmark.experiments.extent import UNRELEASED, percent
from benchmark.report.claims.checks import Figure
from benchmark.report.claims.claim import Claim
from benchmark.report.claims.curves import LOSSES
from benchmark.report.claims.evidence import Evidence
from benchmark.report.claims.finding import MIN_SEEDS, Finding
from metrics.comparison import holm

Verdict = Literal["supported", "not supported", "inconclusive", "not run"]
VERDICTS: tuple[Verdict, ...] = ("supported", "not supported", "inconclusive", "not run")
BARELY = 0.001
ABSENCES = ("no_better", "no_worse", "alike")  # kinds of rules
ORDER = ("fails", "missing", "open", "holds")  # of outcomes: the first present decides


class Judged(NamedTuple):
    """A claim with its verdict. findings: with Holm-corrected p. deciding: the finding that the
    verdict rests on. share: of the released training; None for what is not trained.
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


def judge(claim: Claim, evidence: Iterable[Evidence]) -> Judged:
    """A claim's verdict on the best of some folders."""
    candidates = [_judge(claim, folder) for folder in evidence]
    return max(candidates, key=_rank)


def _judge(claim: Claim, folder: Evidence) -> Judged:
    findings = claim.rule.findings(folder)
    known = [i for i, f in enumerate(findings) if f.p == f.p]
    for i, p in zip(known, holm([findings[i].p for i in known]), strict=True):
        findings[i] = findings[i]._replace(p=p)
    share, departures, scale = _provenance(claim, folder, findings)
    deciding = min(findings, key=lambda f: (ORDER.index(f.outcome), f.beside, _strength(f)))
    verdict, reason = _verdict(claim, deciding, share, departures)
    apt = _apt(claim, folder, _labels(findings))
    return Judged(
        claim, verdict, reason, findings, deciding, folder.name, share, departures, scale, apt
    )


def _apt(claim: Claim, folder: Evidence, labels: list[str]) -> tuple[bool, float]:
    """How fit runs are for what is claimed of them, besides their length. What is lost and regained
    between two evaluations is not counted, so such counts are the better the denser these are.
    """
    rule = claim.rule
    if isinstance(rule, Figure):
        return True, 0.0
    counted = rule.statistic in LOSSES
    budgets = [folder.results.recorded_budget(rule.dataset, label) for label in labels if counted]
    density = min((b["evaluations"] / b["iterations"] for b in budgets), default=0.0)
    return not rule.untimed(folder, labels), density


def _strength(finding: Finding) -> float:
    """How clear a comparison is; of those that hold, the least clear one is shown."""
    width = finding.high - finding.low
    return abs(finding.estimate) / width if width > 0 else float("inf")


def _verdict(
    claim: Claim, deciding: Finding, share: float | None, departures: str
) -> tuple[Verdict, str]:
    reason = deciding.reason
    if deciding.outcome == "missing":
        return "not run", f"{reason}: {claim.absent}" if claim.absent else reason
    if deciding.outcome == "open":
        return "inconclusive", reason
    if deciding.outcome == "holds":
        if share is not None and share < _needed(claim):
            reason = f"holds at {percent(share)} of the released training, too little to support"
            return "inconclusive", reason
        return "supported", reason
    if share is not None and share < claim.enough:
        reason = f"fails at {percent(share)} of the released training, too little to refute"
        return "inconclusive", reason
    if departures and not claim.ours:
        return "inconclusive", f"fails with other settings than the released ones: {departures}"
    return "not supported", reason


def _needed(claim: Claim) -> float:
    """The share of the released training from which on a success counts."""
    if claim.ours:
        return 0.0
    return claim.enough if claim.rule.kind in ABSENCES else min(BARELY, claim.enough)


def _provenance(
    claim: Claim, folder: Evidence, findings: list[Finding]
) -> tuple[float | None, str, str]:
    if isinstance(claim.rule, Figure):
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
        judged.apt,
        not judged.departures,
        judged.share or 0.0,
        seeds,
    )


def extent(judged: Judged) -> str:
    """The least training among the runs compared, in words."""
    if judged.claim.rule.dataset in UNRELEASED:
        return f"{percent(judged.share)} of the training of preset paper, none being released"
    return f"{percent(judged.share)} of the released training"
