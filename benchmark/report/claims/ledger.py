"""The claims ledger: what the paper says, and what the results under a folder say of it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from benchmark.core.errors import UserError, printable
from benchmark.experiments.presets import known_as, load_preset
from benchmark.report.claims.claim import load
from benchmark.report.claims.evidence import every
from benchmark.report.claims.finding import Finding
from benchmark.report.claims.verdict import VERDICTS, Judged, extent, judge
from benchmark.results.inert import write_csv


def of(out: Path, preset: str | None = None) -> list[Judged]:
    """Every claim's verdict on what lies under ``out``, or on one preset there.

    Raises UserError where nothing does.
    """
    if preset is not None:
        load_preset(preset)
        preset = known_as(preset)
    folders = every(out, preset)
    if not folders:
        raise UserError(f"no runs under {out / (preset or '')}; train some first")
    return [judge(claim, folders) for claim in load()]


def table(judged: list[Judged]) -> pd.DataFrame:
    """A row per claim: verdict, reason, then the comparison that decides it with its numbers.

    estimate, low, high: a mean, or a difference of two methods, with its 95 % interval, in units of
    the metric. superiority: probability that the method is better in a run. p: Holm-corrected, of
    the exact test (of a slope, of its t test). n: runs of the smaller sample, or rows of a figure's
    table. share: of the released training. substitute: what runs with other settings say.
    to_decide: what runs that decide would cost.
    """
    rows = []
    for j in judged:
        c, d = j.claim, j.deciding
        rows.append(
            {
                "claim": c.id, "verdict": j.verdict, "reason": j.reason,
                "substitute": j.substitute, "to_decide": j.cost, "text": c.text,
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
        for words in (j.reason, j.substitute, j.cost and f"to decide: {j.cost}"):
            lines += [f"{'':15}{words}"] if words else []
    lines += ["", tally(judged)]
    lines.append(
        "[95 % interval]; p: exact permutation or log-rank test, Holm-corrected; released "
        "training: generator updates times batch of the authors' code"
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


def write(out: Path, preset: str | None, judged: list[Judged]) -> list[Path]:
    """claims.csv and claims_details.csv, of a preset or of all under ``out``."""
    folder = out / preset if preset else out
    paths = [folder / "claims.csv", folder / "claims_details.csv"]
    for path, frame in zip(paths, (table(judged), details(judged)), strict=True):
        write_csv(path, frame)
    return paths
