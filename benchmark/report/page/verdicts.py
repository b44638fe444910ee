"""The claims ledger, as a page shows it."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from benchmark.core.errors import UserError
from benchmark.data import DATASETS
from benchmark.experiments.presets import experiments
from benchmark.report.claims.claim import load as load_claims
from benchmark.report.claims.evidence import Evidence
from benchmark.report.claims.finding import Finding
from benchmark.report.claims.verdict import VERDICTS, Judged, extent, judge
from benchmark.report.page.grids import Cell, Column, Grid, interval, number

EXPLAINED = {
    "supported": "All comparisons hold, computed or by fresh seeds of runs that may decide.",
    "refuted": "A comparison fails, computed or by fresh seeds of runs that may decide.",
    "holds so far": "Holds with the released settings; longer runs or fresh seeds may change it.",
    "fails so far": "Fails with the released settings; longer runs or fresh seeds may change it.",
    "undecided": "Too wide an interval, too few seeds, or something compared has not learned.",
    "not run": "There are no runs with the released settings here.",
}

COMPUTED = "computed"  # in place of data


class Shown(NamedTuple):
    """A claim on the page. effect, interval, p: of the comparison that decides. scale: how far its
    runs are from the released ones, in short. words: what more there is to know of them, a sentence
    each.
    """

    judged: Judged
    effect: str
    interval: str
    p: str
    scale: str
    words: list[str]
    comparisons: Grid


class Ledger(NamedTuple):
    """Claims as a page groups them. paper: the paper's by verdict, which are counted. beyond: our
    additions.
    """

    paper: dict[str, list[Shown]]
    beyond: list[Shown]


def judge_all(evidence: Evidence) -> tuple[list[Judged], str]:
    """Every claim on this folder alone; or none, and why."""
    try:
        return [judge(claim, [evidence]) for claim in load_claims()], ""
    except UserError as error:
        return [], str(error)


def grouped(judged: list[Judged]) -> Ledger:
    """Claims in the ledger's order."""
    paper: dict[str, list[Shown]] = {verdict: [] for verdict in VERDICTS}
    beyond: list[Shown] = []
    for one in judged:
        (beyond if one.claim.ours else paper[one.verdict]).append(show(one))
    return Ledger(paper, beyond)


def answer(judged: list[Judged]) -> str:
    """How the paper's claims fare, in a sentence."""
    count = Counter(one.verdict for one in judged if not one.claim.ours)
    ran = count.total() - count["not run"]
    several = {"supported": "are supported", "refuted": "are refuted", "undecided": "are undecided",
               "holds so far": "hold so far", "fails so far": "fail so far"}  # fmt: skip
    words = [f"{count[verdict]} {many}" for verdict, many in several.items() if count[verdict]]
    said = f": {', '.join(words)}" if words else ""
    return f"Of {count.total()} claims of the paper {ran} have runs here{said}."


def by_data(judged: list[Judged]) -> dict[str, list[Judged]]:
    """The paper's claims by what they are about, those of a verdict together."""
    found: dict[str, list[Judged]] = {}
    for one in sorted(judged, key=lambda one: VERDICTS.index(one.verdict)):
        if not one.claim.ours:
            found.setdefault(_about(one), []).append(one)
    names = [entry.name or data for data, entry in DATASETS.items()]
    return {name: found[name] for name in [*names, COMPUTED] if name in found}


def _about(judged: Judged) -> str:
    """The data of a claim's experiment, in print."""
    if judged.claim.computed:
        return COMPUTED
    name = judged.claim.rule.dataset
    data = experiments()[name].settings["data"] if name in experiments() else name
    return DATASETS[data].name or data


def show(judged: Judged) -> Shown:
    """A claim with its numbers in words."""
    deciding = judged.deciding
    ran = deciding.outcome != "missing"
    words, scale = [], ""
    if ran and judged.share is not None:
        scale = extent(judged)
        words.append(scale)
        scale += ", other settings" if judged.departures else ""
    if ran and judged.departures:
        words.append(f"other settings than the released ones: {judged.departures}")
    if judged.substitute:
        words.append(judged.substitute)
    if judged.cost:
        words.append(f"to decide it: {judged.cost}")
    if ran and judged.scale:
        words.append(judged.scale)
    return Shown(
        judged,
        number(deciding.estimate) if ran else "",
        _interval(deciding) if ran else "",
        f"{deciding.p:.2g}" if deciding.p == deciding.p else "",
        scale,
        [w[:1].upper() + w[1:] + ("" if w.endswith(".") else ".") for w in words],
        _comparisons(judged),
    )


def _interval(finding: Finding) -> str:
    """Both ends to three significant digits."""
    return interval(_short(finding.low), _short(finding.high))


def _short(value: float) -> float:
    return float(f"{value:.3g}")


def _comparisons(judged: Judged) -> Grid:
    columns = [
        Column("comparison", "text"), Column("outcome", "text"), Column("effect", "estimate"),
        Column("superiority"), Column("p"), Column("n"), Column("why", "text"),
    ]  # fmt: skip
    rows = [
        [Cell(f.comparison), Cell(f.outcome),
         Cell("" if f.outcome == "missing" else number(f.estimate), _interval(f)),
         Cell(number(f.superiority, 2)), Cell(f"{f.p:.2g}" if f.p == f.p else ""),
         Cell(str(f.n) if f.n else ""), Cell(f.pending or f.reason)]
        for f in judged.findings
    ]  # fmt: skip
    return Grid("", columns, rows)
