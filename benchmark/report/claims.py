"""The claims ledger: what the paper says, and what the results under a folder say of it.

``claims.yaml`` lists the claims, ``benchmark.report.rules`` decides them. A verdict is

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
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import pandas as pd
from pydantic import Field

from benchmark.core import strict_yaml
from benchmark.core.errors import UserError, printable
from benchmark.core.schema import PROSE, Strict, at_line, read, validated
from benchmark.experiments.presets import load_preset
from benchmark.report.checks import Figure
from benchmark.report.evidence import LOSSES, Evidence, every
from benchmark.report.finding import MIN_SEEDS, Finding
from benchmark.report.rules import Rule
from benchmark.results.inert import write_csv
from metrics.comparison import holm

SOURCE = Path(__file__).with_name("claims.yaml")
Verdict = Literal["supported", "not supported", "inconclusive", "not run"]
VERDICTS: tuple[Verdict, ...] = ("supported", "not supported", "inconclusive", "not run")
BARELY = 0.001
ABSENCES = ("no_better", "no_worse", "alike")  # kinds of rules
UNRELEASED = ("toy1d",)  # datasets whose budget in the preset paper is ours
ORDER = ("fails", "missing", "open", "holds")  # of outcomes: the first present decides


class Claim(Strict):
    """One statement of the paper. published: what it prints of it. enough: the share of the
    released training from which on a failure counts. absent: why there may be no runs for it.
    ours: whether the paper does not say it.
    """

    id: str = Field(pattern=r"^[a-z0-9-]{1,40}$")
    text: str = Field(pattern=PROSE)
    place: str = Field(pattern=PROSE)
    published: str = Field("", max_length=80)
    enough: float = Field(0.1, ge=0, le=1)
    absent: str = Field("", max_length=300)
    ours: bool = False
    rule: Rule


class Ledger(Strict):
    """The file."""

    claims: tuple[Claim, ...] = Field(min_length=1)


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


@cache
def load(path: Path = SOURCE) -> tuple[Claim, ...]:
    """The claims of a file. Raises UserError on a malformed one."""
    text = read(path)
    values = strict_yaml.load(text, path.name)
    if not isinstance(values, dict):
        raise UserError(f"{path.name}: expected a list named claims")

    def where(place: tuple) -> str:
        return path.name + at_line(text, [place[:n] for n in range(len(place), 0, -1)])

    found = validated(Ledger, values, where).claims
    ids = [claim.id for claim in found]
    for name in ids:
        if ids.count(name) > 1:
            raise UserError(f"{path.name}: the claim {name!r} stands twice")
    return found


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


def ledger(out: Path, preset: str | None = None) -> list[Judged]:
    """Every claim's verdict on what lies under ``out``, or on one preset there.

    Raises UserError where nothing does.
    """
    if preset is not None:
        load_preset(preset)
    folders = every(out, preset)
    if not folders:
        raise UserError(f"no runs under {out / (preset or '')}; train some first")
    return [judge(claim, folders) for claim in load()]


def table(judged: list[Judged]) -> pd.DataFrame:
    """A row per claim: verdict, reason, then the comparison that decides it with its numbers.

    estimate, low, high: a mean, or a difference of two methods, with its 95 % interval, in units of
    the metric. superiority: probability that the method is better in a run. p: Holm-corrected, of
    the exact test (of a slope, of its t test). n: runs of the smaller sample, or rows of a figure's
    table. share: of the released training.
    """
    rows = []
    for j in judged:
        c, d = j.claim, j.deciding
        rows.append(
            {
                "claim": c.id, "verdict": j.verdict, "reason": j.reason, "text": c.text,
                "ours": c.ours, "place": c.place, "published": c.published,
                "comparison": d.comparison, "comparisons": len(j.findings),
                "estimate": d.estimate, "low": d.low,
                "high": d.high, "superiority": d.superiority, "p": d.p, "n": d.n,
                "preset": "" if j.verdict == "not run" else j.preset,
                "share": float("nan") if j.share is None else j.share,
                "departures": j.departures, "scale": j.scale,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def details(judged: list[Judged]) -> pd.DataFrame:
    """A row per comparison of every claim, with its outcome."""
    return pd.DataFrame(
        {
            "claim": j.claim.id,
            **f._replace(labels=" ".join(f.labels))._asdict(),
            "preset": j.preset,
        }
        for j in judged
        for f in j.findings
    )


def render(judged: list[Judged]) -> str:
    """The ledger for a terminal: two or three lines a claim, and how many verdicts of each kind;
    what is not the paper's behind.
    """
    lines = []
    for j in sorted(judged, key=lambda j: j.claim.ours):
        c, d = j.claim, j.deciding
        published = f"; published: {c.published}" if c.published else ""
        lines.append(f"{j.verdict.upper():14} {c.id}: {c.text} ({c.place}{published})")
        if d.outcome != "missing":
            lines.append(f"{'':15}{_numbers(d)}{_scale(j)}")
        if j.reason:
            lines.append(f"{'':15}{j.reason}")
    lines += ["", tally(judged)]
    lines.append(
        "[95 % interval]; p: exact permutation test, Holm-corrected; released training: generator "
        "updates times batch of the authors' code"
    )
    return "\n".join(map(printable, lines))


def tally(judged: list[Judged]) -> str:
    """How many of the paper's claims have each verdict, in words."""
    verdicts = [j.verdict for j in judged if not j.claim.ours]
    return ", ".join(f"{verdicts.count(v)} {v}" for v in VERDICTS)


def _numbers(finding: Finding) -> str:
    text = finding.comparison
    if finding.estimate == finding.estimate:  # which infinity less infinity is not
        text += f": {finding.estimate:.4g}"
    if finding.low == finding.low:
        text += f" [{finding.low:.4g}, {finding.high:.4g}]"
    if finding.p == finding.p:
        text += f", p = {finding.p:.2g}"
    return text


def _scale(judged: Judged) -> str:
    if judged.share is None:
        return f"; {judged.preset}, {judged.scale}"
    share = extent(judged)
    text = f", n = {judged.deciding.n}; {judged.preset}, {share}"
    return f"{text}, with {judged.departures}" if judged.departures else text


def extent(judged: Judged) -> str:
    """The least training among the runs compared, in words."""
    if judged.claim.rule.dataset in UNRELEASED:
        return f"{percent(judged.share)} of the training of preset paper, none being released"
    return f"{percent(judged.share)} of the released training"


def percent(share: float) -> str:
    """A share in words that neither hides nor invents digits."""
    return f"{100 * share:.2g} %" if share < 1 else f"{100 * share:.0f} %"


def write(out: Path, preset: str | None, judged: list[Judged]) -> list[Path]:
    """claims.csv and claims_details.csv, of a preset or of all under ``out``."""
    folder = out / preset if preset else out
    paths = [folder / "claims.csv", folder / "claims_details.csv"]
    for path, frame in zip(paths, (table(judged), details(judged)), strict=True):
        write_csv(path, frame)
    return paths
